r"""The LaTeX table: every text escaped, every group of rows present, nothing that LaTeX would take for a command."""

import re

import pytest

from crossgap.report import GapReport, latex_table
from crossgap.report.latex_table import escape_latex

HOSTILE = '\\input{/etc/passwd} $x$ a_b^c 50% & #1 ~ {} <|> "q" `x\' --- é ß 画 \x00 \u202e\n\nend'
COMMANDS = re.compile(r"\\([A-Za-z]+|.)")
ALLOWED = {
    *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"),
    *("ss", "ae", "AE", "o", "O", "l", "L", "oe", "OE", "u", "r", "H", "v", "c"),
    *("{", "}", "$", "&", "#", "_", "%", "`", "'", "^", "~", "=", ".", '"'),
}


def is_balanced(text: str) -> bool:
    depth = 0
    for character in re.sub(r"\\.", "", text):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0


class TestEscape:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("plain text 1.5", "plain text 1.5"),
            ("a_b", r"a\_b"),
            ("50 % & more #1 $", r"50 \% \& more \#1 \$"),
            ("\\", r"\textbackslash{}"),
            ("{~^}", r"\{\textasciitilde{}\textasciicircum{}\}"),
            ("<a|b>", r"\textless{}a\textbar{}b\textgreater{}"),
            ("a--b---c", r"a-{}-b-{}-{}-c"),
            ("Ünï ç ő Å", r"\"{U}n\"{i} \c{c} \H{o} \r{A}"),
            ("ß æ ø ł", r"\ss{} \ae{} \o{} \l{}"),
            ("画", "(U+753B)"),
            ("a\n\n b\t", "a b"),
            ("\x00", " "),
        ],
    )
    def test_signs(self, text, expected):
        assert escape_latex(text) == expected

    def test_nothing_is_a_command_that_was_none(self):
        written = escape_latex(HOSTILE)
        assert written.isascii()
        assert "\n" not in written
        assert set(COMMANDS.findall(written)) <= ALLOWED
        assert is_balanced(written)
        assert not re.search(r"(?<!\\)[$&#_%~^]", re.sub(r"\\[`'^~=.\"]\{", "{", written))

    def test_every_ascii_sign_is_safe(self):
        for code in range(128):
            written = escape_latex(f"a{chr(code)}b")
            assert set(COMMANDS.findall(written)) <= ALLOWED
            assert is_balanced(written)


class TestTable:
    @pytest.fixture
    def report(self, made_up) -> GapReport:
        return made_up(
            ("centroid_distance", "image text", 0.85, (0.84, 0.86)),
            ("centroid_distance", "image sound", 0.5),
            ("relative_modality_gap", "image text", 0.6),
            ("relative_modality_gap", "image sound", 0.7),
            ("linear_separability", "image text", 1.0, {"C": 1.0}),
            ("linear_separability", "image text", 0.9, {"C": 100.0}),
            ("recall_at_k", "image text", 0.5, (0.4, 0.6), {"k": 5}),
            ("recall_at_k", "text image", None, {"k": 5, "reason": "needs pairs"}),
            ("effective_dimension", "image", 137.0, (136.0, 139.0), {"quantile": 0.9}),
            ("effective_dimension", "image", 296.0, (295.0, 298.0), {"quantile": 0.99}),
            groups="image text sound",
        )

    def test_rows(self, report):
        written = latex_table(report)
        assert r"Centroid distance & image and text & $0.850$ & $[0.840, 0.860]$ \\" in written
        assert r"Recall@5 & image to text & $0.500$ & $[0.400, 0.600]$ \\" in written
        assert r"Effective dimension (99\% of the variance) & image & $296.0$ & $[295.0, 298.0]$ \\" in written

    def test_variants_are_left_out(self, report):
        written = latex_table(report)
        assert "137" not in written
        assert "$0.900$" not in written

    def test_further_pairs_have_the_main_quantities(self, report):
        written = latex_table(report)
        assert "image and sound & $0.500$" in written
        assert "$0.700$" not in written

    def test_what_has_no_value_is_left_out(self, report):
        assert "text to image" not in latex_table(report)

    def test_it_is_one_table_of_booktabs(self, report):
        written = latex_table(report)
        for once in (r"\begin{table}", r"\toprule", r"\bottomrule", r"\end{tabular}", r"\end{table}"):
            assert written.count(once) == 1
        assert is_balanced(written)
        rows = [line for line in written.splitlines() if line.rstrip().endswith(r"\\") and "multicolumn" not in line]
        assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {3}

    def test_caption(self, report):
        caption = next(line for line in latex_table(report).splitlines() if r"\caption" in line)
        for part in (
            "image n = 500",
            "d = 64",
            r"95\% intervals from 200 bootstrap replicates",
            "seed 0",
            "crossgap 0",
        ):
            assert part in caption

    def test_without_intervals(self, made_up):
        written = latex_table(made_up(("centroid_distance", "image text", 0.85), bootstrap=0))
        assert "interval" not in written

    def test_a_sub_sample_is_told(self, made_up):
        written = latex_table(made_up(("centroid_distance", "image text", 0.85, {"sampled_from": [9, 9]}), rows=7))
        assert "at most 7 rows of a group" in written

    def test_names_from_outside(self, made_up):
        text = made_up(("centroid_distance", "a b", 0.85), groups="a b").to_json().replace('"a"', '"\\\\x{y}_&"')
        written = latex_table(GapReport.from_json(text))
        assert written.count(r"\textbackslash{}x\{y\}\_\&") == 2

    def test_an_empty_report(self, made_up):
        assert r"\midrule" not in latex_table(made_up())

    def test_same_bytes(self, report):
        assert latex_table(report) == latex_table(GapReport.from_json(report.to_json()))
