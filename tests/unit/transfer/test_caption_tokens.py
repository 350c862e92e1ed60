import hashlib
import os
import subprocess
import sys

import pytest
import torch

from crossgap.errors import DegenerateError, FormatError
from crossgap.transfer import CaptionTokens

TEXTS = [
    f"a {size} {colour} {animal} {deed} in the {place} ."
    for size in ("big", "small")
    for colour in ("red", "brown", "white")
    for animal in ("dog", "cat", "horse")
    for deed in ("runs", "sleeps")
    for place in ("grass", "snow")
]
HARD = {
    "empty": "",
    "white space": " \t\n ",
    "other scripts": "Ένας σκύλος, 一只狗在跑, كلب يجري, कुत्ता",
    "emoji": "👩‍👧 🐕‍🦺 🇺🇸 done",
    "accents": "cafe\u0301 Ångström ﬁn",
    "control characters": "a\x00dog\x1b[31m\x85runs\r\nfast",
    "the end": "a dog <end> runs <END> <end><end>",
    "other marks": "<pad> [CLS] </s> <|endoftext|> Ġdog Ċ",
}


@pytest.fixture(scope="module")
def tokens():
    return CaptionTokens.from_texts(TEXTS, size=400)


@pytest.mark.parametrize("text", HARD.values(), ids=HARD.keys())
def test_any_text_comes_back_as_it_was_read(tokens, text):
    ids = tokens.encode([text])[0]
    assert 0 not in ids
    assert all(1 <= number < len(tokens) for number in ids)
    read = tokens.decode(ids)
    assert tokens.decode(tokens.encode([read])[0]) == read
    assert not any(ord(letter) < 32 for letter in read)
    assert (read == "") == (not text.strip())


def test_what_is_read(tokens):
    def read(text):
        return tokens.decode(tokens.encode([text])[0])

    assert read("A  Dog\truns\n.") == "a dog runs ."
    assert read(HARD["control characters"]) == "a dog [31m runs fast"
    assert read(HARD["emoji"]) == HARD["emoji"]
    assert read(HARD["accents"]) == "café ångström fin"


def test_a_caption_cannot_end_itself(tokens):
    for text in ("<end>", "a dog <end>", "<end> a dog", "<END>", "<e\u200bnd>", "＜end＞"):
        ids = tokens.encode([text])[0]
        assert 0 not in ids
        assert tokens.padded([text], most_tokens=40)[0].tolist() == [*ids, 0]
    assert tokens.decode(tokens.encode(["a <end> b"])[0]) == "a <end> b"
    again = CaptionTokens(tokens.to_json())  # the guard is no part of the file
    assert 0 not in again.encode(["a <end> b"])[0]


def test_captions_that_teach_the_end_do_not_make_it_a_word():
    taught = CaptionTokens.from_texts(["<end> <end> <end>", "x<end>y"] * 50, size=300)
    assert 0 not in taught.encode(["<end>"])[0]
    assert 0 not in taught.encode(["x<end>y <end>"])[0]


def test_half_a_surrogate_pair_is_the_replacement_character(tokens):
    assert tokens.decode(tokens.encode(["a \ud800 dog \udfff"])[0]) == "a \ufffd dog \ufffd"
    assert CaptionTokens.from_texts(["a \ud800 dog"], size=300).encode(["a \ufffd dog"])
    paired = "\ud83d\udc15"  # two halves that belong together
    assert tokens.decode(tokens.encode([paired])[0]) == "🐕"


def test_long_captions_are_cut_and_counted(tokens):
    long = " ".join(["dog"] * 10_000)
    one_letter = "x" * 100_000
    short = "a dog"
    padded = tokens.padded([long, short, one_letter], most_tokens=12)
    assert padded.shape == (3, 12)
    assert 0 not in padded[0]
    assert -100 not in padded[0]
    assert padded[1].tolist() == [*tokens.encode([short])[0], 0, *[-100] * 9]
    assert tokens.count_cut([long, short, one_letter], most_tokens=12) == 2


def test_a_caption_that_just_fits_has_its_end(tokens):
    count = len(tokens.encode(["a red dog"])[0])
    for most, cut in ((count + 1, 0), (count, 1)):
        padded = tokens.padded(["a red dog"], most_tokens=most)
        assert (padded[0, -1] == 0) == (cut == 0)
        assert tokens.count_cut(["a red dog"], most_tokens=most) == cut


def test_padding(tokens):
    padded = tokens.padded(["a dog runs", "", "cat"], most_tokens=30)
    assert padded.dtype == torch.int64
    for row, text in zip(padded.tolist(), ("a dog runs", "", "cat"), strict=True):
        ids = tokens.encode([text])[0]
        assert row == [*ids, 0] + [-100] * (padded.shape[1] - len(ids) - 1)
    assert tokens.padded([], most_tokens=5).shape == (0, 1)


def test_the_same_texts_give_the_same_vocabulary(tokens):
    assert CaptionTokens.from_texts(iter(TEXTS), size=400).to_json() == tokens.to_json()
    code = (
        "import hashlib, sys; from crossgap.transfer import CaptionTokens;"
        "print(hashlib.sha256(CaptionTokens.from_texts(sys.stdin.read().splitlines(), size=400)"
        ".to_json().encode()).hexdigest())"
    )
    for seed, threads in (("1", "1"), ("2", "4")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input="\n".join(TEXTS),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "RAYON_NUM_THREADS": threads},
        )
        assert done.stdout.strip() == hashlib.sha256(tokens.to_json().encode()).hexdigest()


def test_the_size_matters_and_frequent_words_are_one_token(tokens):
    assert len(tokens) <= 400
    assert len(CaptionTokens.from_texts(TEXTS, size=300)) == 300
    assert len(CaptionTokens.from_texts(["a"], size=257)) == 257
    assert len(tokens.encode(["dog"])[0]) == 1


def test_the_order_of_a_vocabulary_is_kept_in_its_file(tokens):
    again = CaptionTokens(tokens.to_json())
    assert again.encode([*TEXTS, *HARD.values()]) == tokens.encode([*TEXTS, *HARD.values()])
    assert again.to_json() == tokens.to_json()


def test_refusals(tokens):
    for size in (256, 300.0, True):
        with pytest.raises(ValueError, match="size must be a whole number of at least 257"):
            CaptionTokens.from_texts(TEXTS, size=size)
    for texts in ([], ["", " \n"], ["\x00\x01"]):
        with pytest.raises(DegenerateError, match="there is no word in the captions"):
            CaptionTokens.from_texts(texts, size=300)
    for call in (tokens.encode, CaptionTokens.from_texts):
        with pytest.raises(TypeError, match="texts must be a list of texts, but it is one string"):
            call("a dog")
        with pytest.raises(TypeError, match="each text must be a string, but text 1 is a NoneType"):
            call(["a dog", None])
    for most in (0, 2.5, True):
        with pytest.raises(ValueError, match="most_tokens must be a whole number of at least 1"):
            tokens.padded(["a"], most_tokens=most)
        with pytest.raises(ValueError, match="most_tokens must be a whole number of at least 1"):
            tokens.count_cut(["a"], most_tokens=most)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "no JSON", '{"model": 3}'])
def test_a_foreign_file_is_no_vocabulary(text):
    with pytest.raises(FormatError, match=r"the vocabulary is no tokenizer.json"):
        CaptionTokens(text)


def test_another_vocabulary_has_another_token_0(tokens):
    with pytest.raises(FormatError, match="the vocabulary has no <end> as token 0"):
        CaptionTokens(tokens.to_json().replace("<end>", "<fin>"))
