r"""The main numbers of a report as a LaTeX table; needs ``\usepackage{booktabs}`` and nothing else."""

import re
import unicodedata
from collections.abc import Iterator

from crossgap.report.gap_report import GapReport
from crossgap.report.plain_names import plain_name, plain_where
from crossgap.report.verdict import group_pairs
from crossgap.results import Measurement, told

__all__ = ["escape_latex", "latex_table"]

_BLOCKS = {
    "The gap": (
        "centroid_distance",
        "centroid_distance_floor",
        "relative_modality_gap",
        "linear_separability",
        "gap_energy_ratio",
        "alignment",
        "cross_uniformity",
    ),
    "Scores": ("matched_cosine", "unmatched_cosine", "within_cosine"),
    "Mixed index": ("modality_share_at_k", "ndcg_at_k"),
    "Retrieval": ("recall_at_k", "median_rank", "hubness"),
    "Shape": ("uniformity", "effective_dimension", "participation_ratio", "entropy_rank"),
}
_OF_EVERY_PAIR = ("centroid_distance", "linear_separability", "matched_cosine", "recall_at_k")
_VARIANTS = {"C": 1.0, "quantile": 0.99}
_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def latex_table(report: GapReport) -> str:
    r"""Return a ``table`` of the main quantities with their intervals.

    The first two groups stand in full, of further pairs of groups the distance, separability, matches and recall. The
    caption says how many rows and dimensions, which seed and which version.

    Parameters
    ----------
    report
        What ``collect`` or ``GapReport.from_json`` returned.

    Returns
    -------
    LaTeX that needs the package ``booktabs``, in plain ASCII; all text from outside is escaped.

    Examples
    --------
    >>> from crossgap.report import collect
    >>> from crossgap import Embeddings
    >>> rng = np.random.default_rng(0)
    >>> e = Embeddings.from_arrays(image=rng.normal(size=(30, 4)) + 1, text=rng.normal(size=(30, 4)) - 1)
    >>> print(latex_table(collect(e, metrics=["centroid_distance"], replicates=0)))  # doctest: +ELLIPSIS
    \begin{table}
    ...
    \end{table}
    <BLANKLINE>
    """
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_caption(report)}}}",
        r"  \label{tab:modality-gap}",
        r"  \begin{tabular}{llrl}",
        r"    \toprule",
        rf"    Quantity & Groups & Value & {_interval_head(report)} \\",
    ]
    for title, rows in _blocks(report):
        lines += [r"    \midrule", rf"    \multicolumn{{4}}{{l}}{{\emph{{{escape_latex(title)}}}}} \\"]
        lines += [f"    {' & '.join(cells)} \\\\" for cells in map(_cells, rows)]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    r"""Write any text so that LaTeX prints it as it stands; what plain LaTeX has no sign for as its code point.

    Examples
    --------
    >>> print(escape_latex("a_b \\input{x} 50% é 画"))
    a\_b \textbackslash{}input\{x\} 50\% \'{e} (U+753B)
    """
    signs = "".join(_sign(character) for character in " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", signs)  # two in a row would become a dash


def _sign(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    if character.isascii():
        return character if character.isprintable() else " "
    letter, *marks = unicodedata.normalize("NFD", character)
    if letter.isascii() and letter.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        return rf"\{_ACCENTS[marks[0]]}{{{letter}}}"
    return f"(U+{ord(character):04X})"


def _caption(report: GapReport) -> str:
    dimensions = dict.fromkeys(int(facts["d"]) for facts in report.inputs)
    sizes = ", ".join(f"{facts['group']} n = {facts['n']}" for facts in report.inputs)
    certain = (
        f"{report.settings['level']:.0%} intervals from {report.settings['bootstrap']} bootstrap replicates, "
        if _has_intervals(report)
        else ""
    )
    sampled = any("sampled_from" in row.options for row in report.measurements)
    note = f" Quantities over all pairs of rows: at most {report.settings['rows']} rows of a group." if sampled else ""
    return escape_latex(
        f"Modality gap. {sizes}; d = {', '.join(map(str, dimensions))}; {certain}seed {report.settings['seed']}; "
        f"crossgap {report.version}.{note}"
    )


def _has_intervals(report: GapReport) -> bool:
    return any(row.interval is not None for row in report.measurements)


def _interval_head(report: GapReport) -> str:
    return escape_latex(f"{report.settings['level']:.0%} interval") if _has_intervals(report) else ""


def _blocks(report: GapReport) -> Iterator[tuple[str, list[Measurement]]]:
    pairs = group_pairs(report)
    shown = set(pairs[0]) if pairs else {str(facts["group"]) for facts in report.inputs}
    for title, names in _BLOCKS.items():
        rows = [
            row
            for name in names
            for row in report.measurements
            if row.name == name
            and row.value is not None
            and all(row.options.get(key, usual) == usual for key, usual in _VARIANTS.items())
            and (set(row.groups) <= shown or name in _OF_EVERY_PAIR)
        ]
        if rows:
            yield title, rows


def _cells(row: Measurement) -> tuple[str, str, str, str]:
    digits = 1 if abs(row.value or 0) >= 10 else 3
    value, _, interval = told(row, digits).partition(" ")
    name = plain_name(row)
    return escape_latex(name[:1].upper() + name[1:]), escape_latex(plain_where(row)), _number(value), _number(interval)


def _number(text: str) -> str:
    return f"${text}$" if text else ""
