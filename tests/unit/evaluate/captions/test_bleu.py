"""BLEU: the examples of its paper, the original code, and edges."""

import math

import numpy as np
import pytest

from crossgap.evaluate.captions import bleu, bleu_per_item

REFERENCES = [
    "It is a guide to action that ensures that the military will forever heed Party commands.",
    "It is the guiding principle which guarantees the military forces always being under the command of the Party.",
    "It is the practical guide for the army always to heed the directions of the party.",
]
GOOD = "It is a guide to action which ensures that the military always obeys the commands of the party."
BAD = "It is to insure the troops forever hearing the activity guidebook that party direct."


def test_modified_precisions_of_the_paper():
    """Papineni et al. 2002, section 2.1: 17/18 and 8/14 for words, 10/17 and 1/13 for pairs of words, 2/7 for "the"."""
    good, bad = bleu([GOOD], [REFERENCES]), bleu([BAD], [REFERENCES])
    assert good[0] == pytest.approx(17 / 18, rel=1e-8)
    assert good[1] == pytest.approx(math.sqrt(17 / 18 * 10 / 17), rel=1e-8)
    short = math.exp(1 - 16 / 14)  # 14 words, the nearest reference has 16
    assert bad[0] == pytest.approx(short * 8 / 14, rel=1e-8)
    assert bad[1] == pytest.approx(short * math.sqrt(8 / 14 * 1 / 13), rel=1e-8)
    seven = bleu(["the the the the the the the."], [["The cat is on the mat.", "There is a cat on the mat."]])
    assert seven[0] == pytest.approx(2 / 7, rel=1e-8)
    assert seven[1] < 1e-6


def test_a_short_candidate_of_the_paper():
    """Section 2.2: "of the" has both precisions 1; the penalty for its length makes up for it."""
    assert bleu(["of the"], [REFERENCES])[0] == pytest.approx(math.exp(1 - 16 / 2), rel=1e-6)


def test_values_of_the_original_code(original_scores):
    given = original_scores["candidates"], original_scores["references"]
    np.testing.assert_allclose(bleu(*given), original_scores["bleu"], rtol=1e-12)
    np.testing.assert_allclose(bleu_per_item(*given), original_scores["bleu_per_item"], rtol=1e-9, atol=1e-15)


def test_of_two_references_equally_near_the_shorter_counts():
    near = bleu(["a b c"], [["a b", "a b c d"]])[0]
    assert near == pytest.approx(1.0, rel=1e-8)  # no penalty: two words were wanted
    assert bleu(["a b c"], [["a b c d"]])[0] == pytest.approx(math.exp(1 - 4 / 3), rel=1e-8)


def test_counts_are_summed_before_they_are_divided():
    candidates, references = ["a b c d e", "x"], [["a b c d e"], ["y"]]
    assert bleu(candidates, references)[0] == pytest.approx(5 / 6, rel=1e-8)
    assert bleu_per_item(candidates, references)[:, 0].tolist() == pytest.approx([1.0, 0.0], abs=1e-8)


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("", "a dog", [0, 0, 0, 0]),
        ("", "", [0, 0, 0, 0]),
        ("a dog", "", [0, 0, 0, 0]),
        ("中文 字符 你 好", "中文 字符 你 好", [1, 1, 1, 1]),
        ("😀", "😀", [0, 0, 0, 0]),
        ("word " * 10_000, "word " * 10_000, [1, 1, 1, 1]),
    ],
)
def test_edges(candidate, reference, expected):
    np.testing.assert_allclose(bleu([candidate], [[reference]]), expected, atol=1e-4)


def test_the_longest_run_can_be_chosen():
    np.testing.assert_array_equal(bleu([GOOD], [REFERENCES], longest=2), bleu([GOOD], [REFERENCES])[:2])
    assert bleu_per_item([GOOD], [REFERENCES], longest=6).shape == (1, 6)
    with pytest.raises(ValueError, match=r"longest must be at least 1, but it is 0; BLEU-4 is usual"):
        bleu([GOOD], [REFERENCES], longest=0)
