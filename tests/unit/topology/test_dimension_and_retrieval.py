"""Correlation over clusters: SciPy's values, a plain partial correlation, the null, and every sentence."""

import numpy as np
import pytest
from scipy.stats import pearsonr, rankdata, spearmanr

from crossgap.errors import DegenerateError
from crossgap.topology import (
    DIMENSIONS,
    controlled_correlation,
    dimension_and_retrieval,
    local_dimensions,
)


@pytest.fixture
def three(rng):
    size = rng.uniform(3, 6, 25)
    return size + rng.normal(size=25), size + rng.normal(size=25), size


def plain_partial(a, b, controls):
    design = np.column_stack([np.ones(len(a)), *(rankdata(c) for c in controls)])
    left = []
    for values in (rankdata(a), rankdata(b)):
        fitted, *_ = np.linalg.lstsq(design, values, rcond=None)
        left.append(values - design @ fitted)
    return pearsonr(*left).statistic


def test_values_are_those_of_scipy(three, rng):
    a, b, size = three
    other = rng.normal(size=25)
    found = controlled_correlation(a, b, controls={"size": size, "other": other})
    assert found.n_clusters == 25
    assert found.spearman.value == pytest.approx(spearmanr(a, b).statistic)
    assert found.pearson.value == pytest.approx(pearsonr(a, b).statistic)
    assert found.partial.value == pytest.approx(plain_partial(a, b, [size, other]))
    assert found.controls == ("size", "other")
    assert found.reason is None
    assert found.p == pytest.approx(spearmanr(a, b).pvalue, abs=0.01)
    for interval in (found.spearman, found.pearson, found.partial):
        assert interval.low < interval.value < interval.high
        assert interval.level == 0.95


def test_the_bootstrap_by_a_plain_loop(three):
    a, b, size = three
    found = controlled_correlation(a, b, controls={"size": size}, replicates=300, seed=4)
    draws = np.random.default_rng(4).integers(0, 25, size=(300, 25))
    spearman = [spearmanr(a[i], b[i]).statistic for i in draws]
    partial = [plain_partial(a[i], b[i], [size[i]]) for i in draws]
    assert (found.spearman.low, found.spearman.high) == pytest.approx(tuple(np.quantile(spearman, [0.025, 0.975])))
    assert (found.partial.low, found.partial.high) == pytest.approx(tuple(np.quantile(partial, [0.025, 0.975])))


def test_p_values_are_uniform_where_nothing_is(rng):
    """Under the null a p below 0.05 comes in one of twenty; 200 draws, within four standard errors."""
    hits = np.zeros(2)
    for number in range(200):
        size = rng.normal(size=15)
        a, b = size + rng.normal(size=15), rng.normal(size=15)
        found = controlled_correlation(a, b, controls={"size": size}, replicates=1, permutations=199, seed=number)
        hits += [found.p < 0.05, found.partial_p < 0.05]
    assert (hits / 200 < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 200)).all()


def test_what_a_control_explains_goes(rng):
    size = rng.normal(size=40)
    a, b = size + 0.3 * rng.normal(size=40), -size + 0.3 * rng.normal(size=40)
    found = controlled_correlation(a, b, controls={"size": size})
    assert found.spearman.value < -0.7
    assert abs(found.partial.value) < 0.35
    assert found.partial_p > 0.05
    assert found.verdict == "not supported after controlling"
    assert found.answer().startswith("not supported after controlling for size (Spearman -0.")
    assert "with size held fixed)." in found.answer()


@pytest.mark.parametrize(("sign", "verdict"), [(1, "supported"), (-1, "reversed")])
def test_what_stays_is_supported(rng, sign, verdict):
    a = rng.normal(size=30)
    found = controlled_correlation(a, sign * a + 0.3 * rng.normal(size=30), controls={"size": rng.normal(size=30)})
    assert found.verdict == verdict
    assert found.answer().startswith(f"{verdict}: recall@1 is {'higher' if sign > 0 else 'lower'} where")


def test_partial_of_the_other_sign_is_no_support(rng):
    size = np.arange(40.0)
    extra = rng.normal(size=40)
    found = controlled_correlation(size + 6 * extra, size - 6 * extra, controls={"size": size})
    assert found.spearman.value > 0.3
    assert found.partial.value < -0.3
    assert found.partial_p < 0.05
    assert found.verdict == "not supported after controlling"


def test_nothing_found_and_a_baseline(rng):
    found, base = (
        controlled_correlation(*rng.normal(size=(2, n)), controls={"size": rng.normal(size=n)}) for n in (20, 50)
    )
    assert found.verdict == "not supported"
    assert found.answer(base).startswith(
        "not supported: local dimension and recall@1 go together no more than by chance (Spearman "
    )
    assert found.answer(base).endswith(" over 50 random subsets of the same sizes).")
    assert "random" not in found.answer()


def test_where_there_is_no_partial(rng):
    a = np.arange(12.0)
    bare = controlled_correlation(a, a, controls={})
    assert (bare.partial, bare.partial_p, bare.reason) == (None, None, "nothing is held fixed")
    assert bare.verdict == "undecided"
    assert bare.answer().startswith("undecided: local dimension and recall@1 go together, but nothing was held fixed")
    full = controlled_correlation(a, rng.normal(size=12), controls={"size": a**3})
    assert full.partial is None
    assert full.reason == "the controls explain one of the two in full to hold size fixed"
    few = controlled_correlation(*rng.normal(size=(2, 5)), controls={"u": rng.normal(size=5), "v": rng.normal(size=5)})
    assert few.reason == "5 clusters are too few to hold u and v fixed"
    same = controlled_correlation(a, rng.normal(size=12), controls={"size": np.ones(12)})
    assert same.partial.value == pytest.approx(same.spearman.value)  # a control that is the same takes nothing out


def test_replicates_without_a_value_are_counted(rng):
    a = np.array([0.0, 0, 0, 0, 1])
    found = controlled_correlation(a, rng.normal(size=5), controls={}, replicates=200)
    assert 40 < found.settings["without_value"] < 110  # (4/5)^5 of 200 is 66
    one = controlled_correlation(a, rng.normal(size=5), controls={}, replicates=1, seed=6)
    assert np.isfinite([one.spearman.low, one.spearman.high]).all()


def test_ranks_see_no_monotone_change(three):
    a, b, size = three
    first = controlled_correlation(a, b, controls={"size": size})
    second = controlled_correlation(np.exp(a), b**3, controls={"size": np.exp(size)})
    assert second.spearman == first.spearman
    assert second.partial.value == pytest.approx(first.partial.value)
    assert second.pearson.value != pytest.approx(first.pearson.value)


def test_replicates_permutations_and_seed_matter(three):
    a, b, size = three
    plain = controlled_correlation(a, b, controls={"size": size})
    assert controlled_correlation(a, b, controls={"size": size}) == plain
    assert controlled_correlation(a, b, controls={"size": size}, seed=1).spearman != plain.spearman
    assert controlled_correlation(a, b, controls={"size": size}, replicates=50).spearman != plain.spearman
    assert controlled_correlation(a, b, controls={"size": size}, permutations=99).p >= 0.01
    assert controlled_correlation(a, b, controls={}, left_out={3: "small"}).left_out == {3: "small"}


# over the clusters of a space


@pytest.fixture(scope="module")
def local():
    """Eight clusters of local dimension 2 to 9, one too small and some noise."""
    rng = np.random.default_rng(0)
    labels = np.repeat([*range(8), 8, -1], [*range(30, 62, 4), 10, 5])
    spans = np.array([*(2 + k for k in range(8)), 4, 4])
    rows = np.concatenate(
        [rng.normal(size=(n, 16)) * (np.arange(16) < k) for n, k in zip([*range(30, 62, 4), 10, 5], spans, strict=True)]
    )
    return local_dimensions(rows, rows + 0.3 * rng.normal(size=rows.shape), x_labels=labels, y_labels=labels)


def test_it_takes_the_numbers_of_the_clusters(local):
    kept = local.clusters[:8]
    for side, way in (("x", "recall_x_to_y"), ("y", "recall_y_to_x")):
        for joint in (False, True):
            parts = [getattr(cluster, "joint" if joint else side) for cluster in kept]
            recall = [getattr(cluster, way) for cluster in kept]
            for quantity in DIMENSIONS:
                expected = controlled_correlation(
                    [getattr(part, quantity) for part in parts],
                    recall,
                    controls={
                        "log size": [np.log(part.n) for part in parts],
                        "mean cosine": [part.within_cosine for part in parts],
                    },
                    replicates=20,
                    permutations=50,
                )
                found = dimension_and_retrieval(
                    local, side=side, quantity=quantity, joint=joint, replicates=20, permutations=50
                )
                assert found.n_clusters == 8 + joint  # twice 10 rows are enough
                if not joint:
                    assert (found.spearman, found.pearson, found.p) == (expected.spearman, expected.pearson, expected.p)
                    assert found.partial == expected.partial


def test_what_is_left_out_is_told(local):
    assert dimension_and_retrieval(local).left_out == {8: "x: 10 rows, fewer than 20"}
    assert dimension_and_retrieval(local).controls == ("log size", "mean cosine")


def test_messages(local):
    with pytest.raises(ValueError, match="side must be 'x' or 'y', but it is 'image'"):
        dimension_and_retrieval(local, side="image")
    with pytest.raises(ValueError, match="quantity must be one of spectrum_area"):
        dimension_and_retrieval(local, quantity="rank")
    with pytest.raises(ValueError, match="replicates must be at least 1, but it is 0"):
        dimension_and_retrieval(local, replicates=0)
    with pytest.raises(ValueError, match="permutations must be at least 1, but it is 0"):
        dimension_and_retrieval(local, permutations=0)
    few = type(local)(clusters=local.clusters[4:], overall=local.overall, noise_share=0.0, settings=local.settings)
    with pytest.raises(DegenerateError, match="at least 5 clusters with a dimension and a recall@1, but 4 of 5 have"):
        dimension_and_retrieval(few)


def test_messages_of_any_two_numbers():
    five = np.arange(5.0)
    with pytest.raises(ValueError, match="second must be one number for each cluster, but its shape is"):
        controlled_correlation(five, five[:4], controls={})
    with pytest.raises(ValueError, match="size must be one number for each cluster"):
        controlled_correlation(five, five, controls={"size": five[:4]})
    with pytest.raises(ValueError, match="first must be finite"):
        controlled_correlation(five * np.nan, five, controls={})
    with pytest.raises(DegenerateError, match="needs at least 5 of them, but there are 4"):
        controlled_correlation(five[:4], five[:4], controls={})
    with pytest.raises(DegenerateError, match="second is the same for all 5 clusters"):
        controlled_correlation(five, np.ones(5), controls={})
