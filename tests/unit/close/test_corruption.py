"""C3: noise in training, none at test time."""

import json
import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.noise_draws import expected_cosine
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows

NOISES = ("gaussian", "ball", "covariance", "mises-fisher", "mixing")


@pytest.fixture
def data(rng):
    shared = rng.normal(size=(400, 24))
    x, y = shared + 0.4 * rng.normal(size=(400, 24)), shared + 0.4 * rng.normal(size=(400, 24))
    x[:, 0] += 3
    return np.concatenate([x, y]), np.repeat(["image", "text"], 400)


@pytest.mark.parametrize("noise", NOISES)
def test_transform_adds_no_noise_and_corrupt_always_new(data, noise):
    X, groups = data
    closer = Corruption(noise=noise, variance=0.01).fit(X, groups=groups)
    np.testing.assert_allclose(closer.transform(X, groups=groups), unit_rows(X), atol=1e-12)
    first, second = closer.corrupt(X, groups=groups), closer.corrupt(X, groups=groups)
    assert not np.allclose(first, second)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1)


def test_fit_transform_is_one_noised_copy_that_the_seed_repeats(data):
    X, groups = data
    closer = Corruption(seed=3)
    first = closer.fit_transform(X, groups=groups)
    assert not np.allclose(first, unit_rows(X), atol=0.01)
    np.testing.assert_array_equal(first, clone(closer).fit_transform(X, groups=groups))
    assert not np.allclose(first, Corruption(seed=4).fit_transform(X, groups=groups))
    np.testing.assert_array_equal(
        closer.corrupt(X, groups=groups, generator=np.random.default_rng(5)),
        closer.corrupt(X, groups=groups, generator=np.random.default_rng(5)),
    )


def test_rows_drawn_with_the_same_seed_are_not_the_noise():
    X = np.random.default_rng(7).standard_normal((200, 300))
    noise = Corruption(variance=100.0, seed=7).fit_transform(X)
    assert abs(np.vecdot(unit_rows(X), noise).mean()) < 0.05


def test_gaussian_noise_by_hand(data):
    X, groups = data
    closer = Corruption(variance=0.02).fit(X, groups=groups)
    found = closer.corrupt(X[400:], groups=groups[400:], generator=np.random.default_rng(1))
    draws = np.random.default_rng(1).standard_normal((400, 24))
    np.testing.assert_allclose(found, unit_rows(unit_rows(X[400:]) + np.sqrt(0.02) * draws), atol=1e-12)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("centre", [False, True])
def test_the_target_cosine_is_met(rng, noise, centre):
    n, d = 1500, 256
    shared = rng.normal(size=(n, d))
    X = np.concatenate([shared + 0.4 * rng.normal(size=(n, d)), shared + 0.4 * rng.normal(size=(n, d))])
    X[:, 0] += 20
    groups = np.repeat(["image", "text"], n)
    closer = Corruption(noise=noise, target_cosine=0.4, centre=centre).fit(X, groups=groups)
    clean, noised = closer.transform(X, groups=groups), closer.corrupt(X, groups=groups)
    assert np.vecdot(clean, noised).mean() == pytest.approx(0.4, abs=0.02)
    assert closer.length_ == pytest.approx(0.65 if centre else 1.0, abs=0.02)


def test_one_variance_gives_one_cosine_whatever_the_noise(rng):
    X = np.concatenate([rng.normal(size=(800, 128)), rng.normal(size=(800, 128))])
    groups = np.repeat(["image", "text"], 800)
    for noise in ("gaussian", "ball", "covariance", "mises-fisher"):
        closer = Corruption(noise=noise, variance=0.016).fit(X, groups=groups)
        cosine = np.vecdot(closer.transform(X, groups=groups), closer.corrupt(X, groups=groups)).mean()
        assert cosine == pytest.approx(expected_cosine(0.016, 128), abs=0.015)


def test_mixing_by_hand(data):
    X, groups = data
    closer = Corruption(noise="mixing", renormalise=False).fit(X, groups=groups)
    added = closer.corrupt(X, groups=groups) - 0.25 * unit_rows(X)
    np.testing.assert_allclose(np.linalg.norm(added, axis=1), 0.75)
    assert closer.share_ == 0.75
    assert Corruption(noise="mixing", share=0.5).fit(X, groups=groups).share_ == 0.5


def test_covariance_noise_lands_where_the_other_group_is(data):
    X, groups = data
    image, text = unit_rows(X[:400]), unit_rows(X[400:])
    closer = Corruption(noise="covariance", variance=None, renormalise=False).fit(X, groups=groups)
    parted = image - text
    many = np.concatenate([closer.corrupt(X, groups=groups) for _ in range(50)]).reshape(50, 800, 24)
    added = (many[:, 400:] - text).reshape(-1, 24)
    np.testing.assert_allclose(added.mean(axis=0), parted.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(np.cov(added.T), np.cov(parted.T), atol=2e-3)
    np.testing.assert_allclose((many[:, :400] - image).mean(axis=(0, 1)), -parted.mean(axis=0), atol=0.01)
    assert closer.variance_ == pytest.approx(np.trace(np.cov(parted.T)) / 24)
    scaled = Corruption(noise="covariance", variance=0.5).fit(X, groups=groups)
    assert np.trace(scaled.factor_.T @ scaled.factor_) / 24 == pytest.approx(0.5)


def test_centring_is_the_order_of_the_paper(data):
    X, groups = data
    closer = Corruption(centre=True, variance=0.01).fit(X, groups=groups)
    np.testing.assert_allclose(
        closer.transform(X, groups=groups), MeanRemoval().fit_transform(X, groups=groups), atol=1e-12
    )
    text = unit_rows(X[400:])
    draws = np.random.default_rng(1).standard_normal((400, 24))
    found = closer.corrupt(X[400:], groups=groups[400:], generator=np.random.default_rng(1))
    np.testing.assert_allclose(found, unit_rows(text - text.mean(axis=0) + 0.1 * draws), atol=1e-12)


def test_renormalise_matters(data):
    X, groups = data
    assert np.linalg.norm(Corruption(renormalise=False).fit_transform(X, groups=groups), axis=1).mean() > 1.05


@pytest.mark.parametrize("noise", NOISES)
def test_float32_stays_and_zero_rows_stay_zero(data, noise):
    X, groups = data
    X = X.astype(np.float32)
    closer = Corruption(noise=noise).fit(X, groups=groups)
    assert closer.corrupt(X, groups=groups).dtype == np.float32
    X[3] = 0
    with pytest.warns(UserWarning, match="1 of 400 rows are all zeros"):
        noised = closer.corrupt(X, groups=groups)
    assert not noised[3].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(noised, 3, 0), axis=1), 1, atol=1e-5)


def test_a_second_fit_leaves_nothing_of_the_first(data):
    X, groups = data
    closer = Corruption(noise="covariance", centre=True).fit(X, groups=groups)
    closer.set_params(noise="gaussian", centre=False).fit(X, groups=groups)
    fresh = Corruption().fit(X, groups=groups)
    assert vars(closer).keys() == vars(fresh).keys()
    assert (len(closer.factor_), closer.shifts_, closer.means_) == (0, {}, {})


def test_a_copy_goes_on_drawing(data):
    X, groups = data
    closer = Corruption().fit(X, groups=groups)
    same = pickle.loads(pickle.dumps(closer))  # noqa: S301
    np.testing.assert_array_equal(same.corrupt(X, groups=groups), closer.corrupt(X, groups=groups))
    del same._generator  # as after reading from a file, which keeps none
    assert not np.allclose(same.corrupt(X, groups=groups), closer.corrupt(X, groups=groups))


@pytest.mark.parametrize(
    "closer", [Corruption(), Corruption(centre=True), Corruption(noise="mises-fisher"), Corruption(noise="mixing")]
)
def test_scikit_learn_takes_it(closer):
    assert get_tags(closer).non_deterministic
    check_estimator(closer, on_skip=None)


def test_one_group_needs_no_names(rng):
    X = rng.normal(size=(30, 5))
    closer = Corruption().fit(X)
    np.testing.assert_allclose(np.linalg.norm(closer.corrupt(X), axis=1), 1)


def test_a_pipeline_takes_the_groups(data):
    X, groups = data
    with config_context(enable_metadata_routing=True):
        closer = Corruption(centre=True, noise="covariance", variance=None)
        closer.set_fit_request(groups=True, items=True).set_transform_request(groups=True)
        model = make_pipeline(closer, LogisticRegression())
        model.fit(X, groups == "text", groups=groups, items=np.tile(np.arange(400), 2))
        assert model.score(X, groups == "text", groups=groups) < 0.7  # centred: they can hardly be told apart


def test_trained_on_texts_used_on_photos(shared_data):
    """Connect, collapse, corrupt on 1,000 product photos and texts: the category of a photo from texts alone."""
    path = shared_data / "pairs" / "fashion1000_marqo-fashionclip"
    with np.load(f"{path}.npz") as arrays:
        image, text = arrays["image"], arrays["text"]
    facts = path.with_suffix(".jsonl").read_text(encoding="utf-8").splitlines()
    label = np.array([json.loads(line)["category"] for line in facts])
    fitted = np.arange(1000) % 2 == 0
    groups = np.repeat(["image", "text"], 500)
    means = MeanRemoval().fit(np.concatenate([image[fitted], text[fitted]]), groups=groups)
    texts = means.transform(text[fitted], groups=groups[500:])
    photos = means.transform(image[~fitted], groups=groups[:500])
    scores = {}
    for name, rows, judged in (("as given", text[fitted], image[~fitted]), ("collapsed", texts, photos)):
        for variance in (0.0, 0.004):
            model = make_pipeline(Corruption(variance=variance), LogisticRegression(C=10, max_iter=300))
            epochs = np.concatenate([unit_rows(rows)] * 5), np.concatenate([label[fitted]] * 5)
            scores[name, variance > 0] = model.fit(*epochs).score(judged, label[~fitted])
    assert scores["collapsed", True] == max(scores.values())
    assert scores["collapsed", True] > 0.98
    assert scores["collapsed", False] < 0.98


def test_a_grid_search_finds_a_variance(data):
    X, groups = data
    texts = MeanRemoval().fit_transform(X, groups=groups)[400:]
    search = GridSearchCV(
        make_pipeline(Corruption(), LogisticRegression()), {"corruption__variance": [1e-4, 10.0]}, cv=3
    )
    assert search.fit(texts, texts[:, 1] > 0).best_params_ == {"corruption__variance": 1e-4}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"noise": "salt"}, ValueError, "noise must be one of 'gaussian', .* but it is 'salt'"),
        ({"variance": -1.0}, ValueError, "variance must be finite and at least 0, but it is -1.0"),
        ({"variance": None}, ValueError, "variance=None takes the variance of pairs"),
        ({"target_cosine": 0.0}, ValueError, "target_cosine must lie above 0 and up to 1, but it is 0.0"),
        ({"noise": "mixing", "share": 1.0}, ValueError, "share must lie from 0 to below 1, but it is 1.0"),
        ({"noise": "mises-fisher", "variance": 0.0}, ValueError, "mean cosine must lie between 0 and 1, but it is 1.0"),
    ],
)
def test_bad_parameters(data, parameters, error, message):
    X, groups = data
    with pytest.raises(error, match=message):
        Corruption(**parameters).fit(X, groups=groups)


def test_covariance_needs_two_groups_that_pair(data):
    X, groups = data
    closer = Corruption(noise="covariance")
    with pytest.raises(DegenerateError, match="but there is one group; fit on two groups that pair"):
        closer.fit(X)
    with pytest.raises(DegenerateError, match="but there are 3 groups"):
        closer.fit(X, groups=np.r_[groups[:-9], ["audio"] * 9])
    with pytest.raises(DegenerateError, match="have no pairs to fit on"):
        closer.fit(X[:-1], groups=groups[:-1])
    with pytest.raises(DegenerateError, match="at least three pairs whose gaps differ, but 2 were given; give more"):
        closer.fit(X[[0, 1, 400, 401]], groups=groups[[0, 1, 400, 401]])
    with pytest.raises(DegenerateError, match="but 4 were given and all have one and the same gap"):
        closer.fit(np.repeat(np.eye(2), 4, axis=0), groups=np.repeat(["a", "b"], 4))


def test_rows_that_are_all_alike_have_no_centre():
    with pytest.raises(DegenerateError, match="all rows of each group are alike"):
        Corruption(centre=True).fit(np.ones((4, 3)))


def _two_groups(rng, d=12):
    content = rng.normal(size=(300, 5)) @ rng.normal(size=(5, d))  # of five dimensions
    offset = np.zeros(d)
    offset[0] = 8.0
    X = np.concatenate([content + offset, content - offset])
    return X, np.repeat(["image", "text"], 300)


@pytest.mark.parametrize("subspace", ["full", "span", "gap-orthogonal", "gap-only"])
def test_the_noise_lies_in_its_subspace(rng, subspace):
    X, groups = _two_groups(rng)
    closer = Corruption(variance=0.01, noise_subspace=subspace, renormalise=False).fit(X, groups=groups)
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    noise = closer.corrupt(X, groups=groups) - unit
    means = [unit[groups == name].mean(axis=0) for name in ("image", "text")]
    gap = (means[0] - means[1]) / np.linalg.norm(means[0] - means[1])
    along = noise @ gap
    per_direction = {"full": 12, "span": None, "gap-orthogonal": 11, "gap-only": 1}[subspace]
    if per_direction is not None:
        assert float((noise**2).sum(axis=1).mean()) == pytest.approx(0.01 * per_direction, rel=0.08)
    if subspace == "gap-orthogonal":
        assert np.abs(along).max() < 1e-12
    elif subspace == "gap-only":
        np.testing.assert_allclose(noise, along[:, None] * gap, atol=1e-12)
    elif subspace == "span":
        own = unit[groups == "text"] - unit[groups == "text"].mean(axis=0)
        _, values, directions = np.linalg.svd(own, full_matrices=False)
        rank = int(np.searchsorted(np.cumsum(values**2), 0.99 * (values**2).sum())) + 1
        assert rank < 12
        part = noise[groups == "text"]
        np.testing.assert_allclose(part @ directions[:rank].T @ directions[:rank], part, atol=1e-12)
        assert float((part**2).sum(axis=1).mean()) == pytest.approx(0.01 * rank, rel=0.1)


def test_the_target_cosine_counts_the_directions_of_the_noise(rng):
    X, groups = _two_groups(rng, d=40)
    closer = Corruption(target_cosine=0.5, noise_subspace="gap-orthogonal").fit(X, groups=groups)
    assert closer.variance_ == pytest.approx((1 / 0.25 - 1) / 39)


def test_a_subspace_is_refused_where_it_has_no_meaning(rng):
    X, groups = _two_groups(rng)
    with pytest.raises(ValueError, match="noise_subspace must be one of"):
        Corruption(noise_subspace="half").fit(X, groups=groups)
    with pytest.raises(ValueError, match="holds for noise 'gaussian' or 'ball'"):
        Corruption(noise_subspace="span", noise="mixing").fit(X, groups=groups)
    with pytest.raises(DegenerateError, match="there is one group"):
        Corruption(noise_subspace="gap-only").fit(X)
    with pytest.raises(DegenerateError, match="the means are equal"):
        Corruption(noise_subspace="gap-only").fit(np.concatenate([X[:300], X[:300]]), groups=groups)
    closer = Corruption(noise_subspace="gap-only").fit(X, groups=groups)
    with pytest.raises(ValueError, match="depends on all groups"):
        closer.add_group(X[:5], "audio")


def test_a_further_group_has_its_own_mean_and_leaves_the_rest(rng):
    X, groups = _two_groups(rng)
    sounds = rng.normal(size=(40, 12)) + 3
    closer = Corruption(centre=True).fit(X, groups=groups)
    before = closer.move(X[:5], "image")
    closer.add_group(sounds, "audio")
    unit = sounds / np.linalg.norm(sounds, axis=1, keepdims=True)
    np.testing.assert_allclose(closer.means_["audio"], unit.mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(closer.move(X[:5], "image"), before)
    assert closer.groups_ == ("image", "text", "audio")
    assert closer.fit_rows_["audio"] == 40
    with pytest.raises(ValueError, match="a group 'audio' already"):
        closer.add_group(sounds, "audio")
