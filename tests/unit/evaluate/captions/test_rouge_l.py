"""ROUGE-L: the examples of its paper, a plain table, the original code, and edges."""

import numpy as np
import pytest

from crossgap.evaluate.captions import rouge_l, rouge_l_per_item
from crossgap.evaluate.captions.rouge_l import longest_common_subsequence

REFERENCE = "police killed the gunman"


def test_examples_of_the_paper():
    """Lin 2004, section 3.1: 0.75, 0.5 and 0.5, where precision and recall are equal, so for any beta."""
    candidates = ["police kill the gunman", "the gunman kill police", "the gunman police killed"]
    for beta in (1.0, 1.2, 8.0):
        assert rouge_l_per_item(candidates, [[REFERENCE]] * 3, beta=beta) == pytest.approx([0.75, 0.5, 0.5])


def test_the_best_precision_and_the_best_recall_may_come_from_two_references():
    found = rouge_l(["a b c d"], [["a b", "a b c x y z"]])
    precision, recall = 3 / 4, 2 / 2
    assert found == pytest.approx((1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision))


def test_the_length_is_that_of_a_plain_table(rng):
    for _ in range(200):
        a, b = (rng.integers(4, size=rng.integers(12)).astype(str).tolist() for _ in range(2))
        table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
        assert longest_common_subsequence(a, b) == table[-1, -1]


def test_values_of_the_original_code(original_scores):
    given = original_scores["candidates"], original_scores["references"]
    np.testing.assert_allclose(rouge_l_per_item(*given), original_scores["rouge_l_per_item"], rtol=1e-12)
    assert rouge_l(*given) == pytest.approx(original_scores["rouge_l"], rel=1e-12)


@pytest.mark.parametrize(
    ("candidate", "reference", "expected"),
    [
        ("", "a dog", 0),
        ("", "", 0),
        ("a dog", "...", 0),
        ("кошка и собака", "Кошка и собака!", 1),
        ("word " * 10_000, "word " * 10_000, 1),
        (" ".join(map(str, range(10_000))), " ".join(map(str, range(10_000))), 1),
    ],
)
def test_edges(candidate, reference, expected):
    assert rouge_l([candidate], [[reference]]) == expected


def test_beta_must_be_positive():
    with pytest.raises(ValueError, match=r"beta must be positive, but it is 0; the COCO evaluation takes 1\.2"):
        rouge_l(["a"], [["a"]], beta=0)
