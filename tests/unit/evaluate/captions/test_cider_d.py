"""CIDEr-D: a plain double loop, the original code, one item, and edges."""

import math

import numpy as np
import pytest

from crossgap.evaluate.captions import cider, cider_d, cider_d_per_item, cider_per_item

CANDIDATES = ["a red dog runs", "a cat cat on a bed", "birds", "", "two men and a red dog dog dog"]
REFERENCES = [
    ["a red dog runs fast", "the dog runs"],
    ["a cat sleeps on a bed"],
    ["birds fly", "two birds", "birds"],
    ["a man"],
    ["two men walk a red dog", "men and dogs", "a red dog"],
]


def plain(candidates, references, *, sigma=6.0, clipped=True, corpus=None):
    """The formula, term by term, over all runs of words that there are."""
    corpus = corpus or references
    split = [[one.split() for one in several] for several in references]
    known = [[one.split() for one in several] for several in corpus]
    values = []
    for candidate, several in zip((c.split() for c in candidates), split, strict=True):
        total = 0.0
        for reference in several:
            for n in (1, 2, 3, 4):
                runs = {tuple(words[i : i + n]) for words in (candidate, reference) for i in range(len(words) - n + 1)}
                weighed = []
                for words in (candidate, reference):
                    of_runs = {}
                    for run in runs:
                        count = sum(tuple(words[i : i + n]) == run for i in range(len(words)))
                        items = 0
                        for of_item in known:
                            items += any(
                                tuple(one[i : i + n]) == run for one in of_item for i in range(len(one) - n + 1)
                            )
                        of_runs[run] = count * (math.log(len(known)) - math.log(max(1, items)))
                    weighed.append(of_runs)
                a, b = weighed
                norm = math.sqrt(sum(x * x for x in a.values())) * math.sqrt(sum(x * x for x in b.values()))
                shared = sum((min(a[run], b[run]) if clipped else a[run]) * b[run] for run in runs)
                if norm:
                    far = max(len(candidate) - 1, 0) - max(len(reference) - 1, 0)
                    total += shared / norm * (math.exp(-(far**2) / (2 * sigma**2)) if clipped else 1)
        values.append(10 * total / 4 / len(several))
    return values


def test_values_of_a_plain_loop():
    assert cider_d_per_item(CANDIDATES, REFERENCES) == pytest.approx(plain(CANDIDATES, REFERENCES), rel=1e-12)
    assert cider_per_item(CANDIDATES, REFERENCES) == pytest.approx(
        plain(CANDIDATES, REFERENCES, clipped=False), rel=1e-12
    )
    assert cider_d(CANDIDATES, REFERENCES) == pytest.approx(np.mean(plain(CANDIDATES, REFERENCES)), rel=1e-12)
    assert cider(CANDIDATES, REFERENCES) > cider_d(CANDIDATES, REFERENCES)


def test_every_option_matters():
    narrow = cider_d_per_item(CANDIDATES, REFERENCES, sigma=1.0)
    assert narrow == pytest.approx(plain(CANDIDATES, REFERENCES, sigma=1.0), rel=1e-12)
    assert narrow.sum() < cider_d_per_item(CANDIDATES, REFERENCES).sum()
    corpus = [*REFERENCES, ["a red car"], ["a dog"], ["the bed"]]
    for score, clipped in ((cider_d_per_item, True), (cider_per_item, False)):
        found = score(CANDIDATES, REFERENCES, corpus=corpus)
        assert found == pytest.approx(plain(CANDIDATES, REFERENCES, clipped=clipped, corpus=corpus), rel=1e-12)
        assert not np.allclose(found, score(CANDIDATES, REFERENCES))


def test_values_of_the_original_code(original_scores):
    given = original_scores["candidates"], original_scores["references"]
    np.testing.assert_allclose(cider_d_per_item(*given), original_scores["cider_d_per_item"], rtol=1e-11, atol=1e-13)
    assert cider_d(*given) == pytest.approx(original_scores["cider_d"], rel=1e-12)


def test_one_item_has_0_and_identical_captions_have_10():
    assert cider_d(["a red dog runs"], [["a red dog runs"]]) == 0
    assert cider(["a red dog runs"], [["a red dog runs"]]) == 0
    assert cider_d(["a red dog runs", "x"], [["a red dog runs"], ["y"]]) == pytest.approx(5.0)
    same = ["a red dog"] * 3
    assert cider_d(same, [["a red dog"]] * 3) == 0  # no run tells the items apart


def test_edges():
    long = "word " * 10_000
    found = cider_d_per_item(["", "...", "中文 😀", long, "قطة"], [["a dog"], ["..."], ["中文"], [long], ["قطة"]])
    assert found.tolist() == pytest.approx([0, 0, 2.5, 10, 2.5])


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"sigma must be positive, but it is 0; 6 is usual"):
        cider_d(["a"], [["a"]], sigma=0)
    with pytest.raises(ValueError, match=r"the corpus must hold the references of at least one item, but it is empty"):
        cider_d(["a"], [["a"]], corpus=[])
    with pytest.raises(ValueError, match=r"at least one reference, but item 0 has none"):
        cider(["a"], [["a"]], corpus=[[]])
