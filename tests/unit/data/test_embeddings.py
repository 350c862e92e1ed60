import numpy as np
import pytest
import torch

from crossgap import read
from crossgap.data import NpyRows
from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError


def _rows(n: int, d: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def _group(n: int, items=None, **facts) -> Group:
    return Group(vectors=_rows(n), items=items, **facts)


# Group


def test_a_group_keeps_its_rows_as_given():
    rows = 5 * _rows(4)
    group = Group(vectors=rows)
    assert group.vectors is rows
    assert len(group) == 4
    assert group.items is None


@pytest.mark.parametrize(
    ("items", "kind", "expected"),
    [
        ([3, 1], "i", [3, 1]),
        (np.array([3, 1], np.uint8), "u", [3, 1]),
        (["b", "a"], "U", ["b", "a"]),
        (np.array([b"b", b"a"]), "U", ["b", "a"]),
        (np.array(["b", "a"], dtype=object), "U", ["b", "a"]),
    ],
)
def test_items_are_integers_or_strings(items, kind, expected):
    group = _group(2, items)
    assert group.items.dtype.kind == kind
    assert group.items.tolist() == expected


@pytest.mark.parametrize("items", [[0.5, 1.5], [True, False], [[1], [2]], 3])
def test_items_of_another_kind(items):
    with pytest.raises(TypeError, match=r"items must be one integer or string for each row, .*; give a list of ids\."):
        _group(2, items)


@pytest.mark.parametrize("fact", ["items", "text", "uri", "label", "split"])
def test_facts_have_one_entry_for_each_row(fact):
    with pytest.raises(ValueError, match=rf"{fact} must have one entry for each of the 2 rows, but there are 3; align"):
        _group(2, **{fact: ["a", "b", "c"]})


@pytest.mark.parametrize(
    ("vectors", "error", "message"),
    [
        ([[1.0]], TypeError, r"vectors must be an array of shape \(n, d\), but it is a list; convert it first"),
        (np.zeros(3), ValueError, r"vectors must have shape \(n, d\), one vector a row, but its shape is \(3,\)"),
        (np.zeros((2, 2, 2)), ValueError, r"its shape is \(2, 2, 2\)"),
        (np.zeros((2, 2), int), TypeError, "vectors must hold floating-point numbers, but its dtype is int64"),
        (np.zeros((2, 2), complex), TypeError, "its dtype is complex128"),
        (np.zeros((2, 0)), ValueError, "vectors must have at least one dimension"),
        (np.zeros((0, 2)), DegenerateError, "vectors must have at least one row"),
    ],
)
def test_vectors_are_rows_of_numbers(vectors, error, message):
    with pytest.raises(error, match=message):
        Group(vectors=vectors)


def test_take_keeps_what_is_known_of_the_rows():
    group = _group(4, [10, 11, 12, 13], text=["a", None, "c", "d"], label=["w", "x", "y", "z"])
    taken = group.take(np.array([2, 0]))
    assert np.array_equal(taken.vectors, group.vectors[[2, 0]])
    assert taken.items.tolist() == [12, 10]
    assert (taken.text, taken.label, taken.uri, taken.split) == (["c", "a"], ["y", "w"], None, None)


def test_groups_are_frozen():
    with pytest.raises(AttributeError):
        _group(2).items = None  # pyright: ignore[reportAttributeAccessIssue]


# Embeddings


def test_a_mapping_of_groups():
    e = Embeddings.from_arrays(image=_rows(4), text=_rows(5))
    assert list(e) == ["image", "text"]
    assert len(e) == 2
    assert "image" in e
    assert e.dimension == 3
    assert repr(e) == "Embeddings(image (4, 3), text (5, 3))"
    with pytest.raises(KeyError, match="there is no group 'audio'; the groups are image, text"):
        e["audio"]


def test_names_with_a_role_are_given_as_a_mapping():
    e = Embeddings.from_arrays({"text/query": _rows(2), "text/document": _rows(3)}, image=_rows(2))
    assert list(e) == ["text/query", "text/document", "image"]


@pytest.mark.parametrize("name", ["", "a b", "a/b/c", "a/", "/a", "a=b", "a@b", "a\n", "a,b"])
def test_names_that_are_none(name):
    with pytest.raises(
        ValueError, match=r"a group must be named 'modality' or 'modality/role', but one is named .*; use"
    ):
        Embeddings.from_arrays({name: _rows(2)})


@pytest.mark.parametrize("name", ["image", "text/query", "clip-vit_b.32", "Bild", "画像"])
def test_names_that_are(name):
    assert list(Embeddings.from_arrays({name: _rows(2)})) == [name]


def test_no_group():
    with pytest.raises(ValueError, match="Embeddings need at least one group, but none was given; give"):
        Embeddings({})


def test_one_space():
    with pytest.raises(ValueError, match=r"image and audio must share one space, but .* 3 and 4 dimensions; embed"):
        Embeddings.from_arrays(image=_rows(2), text=_rows(2), audio=_rows(2, d=4))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row", [0, 1500, 2999])
def test_finite_numbers_only(number, row):
    rows = _rows(3000)
    rows[row, 1] = number
    with pytest.raises(ValueError, match=rf"text must be finite, but row {row} holds a NaN or an infinity; drop such"):
        Embeddings.from_arrays(image=_rows(2), text=rows)


def test_half_precision_and_torch_are_checked_too():
    rows = _rows(4).astype(np.float16)
    rows[2, 0] = np.inf
    with pytest.raises(ValueError, match="image must be finite, but row 2"):
        Embeddings.from_arrays(image=rows)
    with pytest.raises(ValueError, match="image must be finite, but row 2"):
        Embeddings.from_arrays(image=torch.asarray(rows))
    good = torch.ones((3, 2), dtype=torch.bfloat16)
    assert Embeddings.from_arrays(image=good)["image"].vectors is good


def test_items_for_all_or_by_group():
    for_all = Embeddings.from_arrays(image=_rows(2), text=_rows(2), items=["a", "b"])
    assert [group.items.tolist() for group in for_all.values()] == [["a", "b"]] * 2
    by_group = Embeddings.from_arrays(image=_rows(2), text=_rows(3), items={"text": [1, 2, 3]})
    assert by_group["image"].items is None
    assert by_group["text"].items.tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="items name the group 'audio', but the groups are image"):
        Embeddings.from_arrays(image=_rows(2), items={"audio": [1, 2]})


def test_select_keeps_the_order_given():
    e = Embeddings.from_arrays(a=_rows(2), b=_rows(3), c=_rows(4))
    chosen = e.select(["c", "a"])
    assert list(chosen) == ["c", "a"]
    assert chosen["c"] is e["c"]
    with pytest.raises(ValueError, match=r"there is no group 'd'; the groups are a, b, c\."):
        e.select(["a", "d"])
    with pytest.raises(ValueError, match="at least one group"):
        e.select([])


# which rows are the same item


def test_row_items_number_items_across_all_groups():
    e = Embeddings({"a": _group(2, ["x", "y"]), "b": _group(3, ["y", "z", "y"]), "c": _group(2), "d": _group(2)})
    items = e.row_items
    assert items["a"][1] == items["b"][0] == items["b"][2]
    assert items["a"][0] not in items["b"]
    assert np.array_equal(items["c"], items["d"]), "without ids, equal sizes pair row by row"
    with_ids = {*items["a"].tolist(), *items["b"].tolist()}
    assert with_ids.isdisjoint(items["c"].tolist()), "rows without ids share no item with rows that have one"
    assert len(with_ids | set(items["c"].tolist())) == 3 + 2


def test_sizes_apart_share_no_item():
    items = Embeddings.from_arrays(a=_rows(2), b=_rows(3), c=_rows(3)).row_items
    assert set(items["a"].tolist()).isdisjoint(items["b"].tolist())
    assert np.array_equal(items["b"], items["c"])


def test_item_codes_start_at_zero_and_leave_none_out():
    e = Embeddings({"a": _group(3, [70, 5, 70]), "b": _group(2, [5, 900]), "c": _group(1, [1])})
    codes = e.item_codes("a", "b")
    assert codes.reason is None
    assert codes.count == 3
    assert codes.x.tolist() == [1, 0, 1]
    assert codes.y.tolist() == [0, 2]
    assert e.item_codes("a", "a").x.tolist() == [1, 0, 1]


def test_ids_of_different_kinds_agree_as_text():
    e = Embeddings({"image": _group(2, np.array([7, 8])), "text": _group(3, np.array(["8", "7", "8"]))})
    assert e.pairs("image", "text").x_rows.tolist() == [0, 1, 1]
    widths = Embeddings({"image": _group(1, np.array([7], np.int8)), "text": _group(1, np.array([7], np.int64))})
    assert len(widths.pairs("image", "text")) == 1
    lengths = Embeddings({"image": _group(1, ["a"]), "text": _group(2, ["a long name", "a"])})
    assert lengths.pairs("image", "text").y_rows.tolist() == [1]


@pytest.mark.parametrize(
    ("a", "b", "reason"),
    [
        (_group(3), _group(2), "a (3 rows) and b (2 rows) have no item ids and differ in size"),
        (_group(3, [1, 2, 3]), _group(3), "a has item ids and b has none"),
        (_group(3), _group(3, [1, 2, 3]), "b has item ids and a has none"),
        (_group(3, [1, 2, 3]), _group(3, [4, 5, 6]), "a and b share no item id"),
    ],
)
def test_why_groups_do_not_pair(a, b, reason):
    e = Embeddings({"a": a, "b": b})
    codes = e.item_codes("a", "b")
    assert codes.reason == reason
    assert not set(codes.x.tolist()) & set(codes.y.tolist())
    with pytest.raises(DegenerateError) as raised:
        e.pairs("a", "b")
    assert str(raised.value) == (
        f"nothing pairs: {reason}; give both groups item ids, or the same number of rows in one order."
    )


# pairs


def test_row_by_row_without_ids():
    e = Embeddings.from_arrays(image=_rows(4), text=_rows(4, seed=1))
    pairs = e.pairs("text", "image")
    assert pairs.names == ("text", "image")
    assert pairs.x is e["text"].vectors, "nothing is copied where nothing moves"
    assert pairs.y is e["image"].vectors
    assert pairs.items.tolist() == [0, 1, 2, 3]
    assert len(pairs) == 4


def test_five_captions_an_image():
    owner = np.repeat([30, 10, 20], 5)[np.random.default_rng(0).permutation(15)]
    e = Embeddings({"image": _group(3, [10, 20, 30]), "text": _group(15, owner)})
    pairs = e.pairs("image", "text")
    assert len(pairs) == 15
    assert sorted(pairs.y_rows.tolist()) == list(range(15))
    for row in range(15):
        assert e["image"].items[pairs.x_rows[row]] == owner[pairs.y_rows[row]]
        assert np.array_equal(pairs.x[row], e["image"].vectors[pairs.x_rows[row]])
        assert np.array_equal(pairs.y[row], e["text"].vectors[pairs.y_rows[row]])
    assert np.array_equal(pairs.items, pairs.x_rows), "one number for each image"
    assert np.bincount(pairs.items).tolist() == [5, 5, 5]


def test_rows_without_a_partner_are_left_out():
    e = Embeddings({"image": _group(3, ["a", "b", "c"]), "text": _group(3, ["c", "z", "a"])})
    pairs = e.pairs("image", "text")
    assert pairs.x_rows.tolist() == [0, 2]
    assert pairs.y_rows.tolist() == [2, 0]


def test_many_to_many():
    e = Embeddings({"image": _group(2, ["a", "a"]), "text": _group(3, ["a", "b", "a"])})
    pairs = e.pairs("image", "text")
    assert sorted(zip(pairs.x_rows.tolist(), pairs.y_rows.tolist(), strict=True)) == [(0, 0), (0, 2), (1, 0), (1, 2)]


def test_torch_rows_are_gathered_as_tensors():
    e = Embeddings(
        {"image": Group(vectors=torch.eye(2), items=[1, 2]), "text": Group(vectors=torch.eye(2), items=[2, 1])}
    )
    pairs = e.pairs("image", "text")
    assert isinstance(pairs.y, torch.Tensor)
    assert torch.equal(pairs.y, torch.eye(2).flip(0))


def test_rows_on_disk_are_gathered_when_read(tmp_path):
    rows = _rows(5)
    np.save(tmp_path / "x.npy", rows)
    lazy = read(f"image={tmp_path / 'x.npy'}", load_limit=0)["image"].vectors
    assert isinstance(lazy, NpyRows)
    e = Embeddings({"image": Group(vectors=lazy, items=[1, 2, 3, 4, 5]), "text": _group(4, [5, 1, 1, 9])})
    pairs = e.pairs("image", "text")
    assert not isinstance(pairs.x, np.ndarray)
    assert pairs.x.shape == (3, 3)
    assert pairs.x.dtype == np.float64
    assert np.array_equal(pairs.x[0:3], rows[[0, 0, 4]])
    assert np.array_equal(pairs.x[1:2], rows[[0]])
    assert np.array_equal(pairs.x[np.array([2, 0])], rows[[4, 0]])
    same = Embeddings({"image": Group(vectors=lazy), "text": _group(5)}).pairs("image", "text")
    assert same.x is lazy, "nothing is gathered where nothing moves"


def test_a_quantity_reads_gathered_rows(tmp_path):
    from crossgap import measure

    rows = _rows(40)
    np.save(tmp_path / "x.npy", rows)
    lazy = read(f"image={tmp_path / 'x.npy'}", load_limit=0)["image"].vectors
    order = np.random.default_rng(1).permutation(40)
    text = _rows(40, seed=2)
    pairs = Embeddings(
        {"image": Group(vectors=lazy, items=np.arange(40)), "text": Group(vectors=text, items=order)}
    ).pairs("image", "text")
    assert float(measure.alignment(pairs.x, pairs.y)) == pytest.approx(float(measure.alignment(rows[order], text)))


# sub-samples


def test_enough_rows_are_all_kept():
    e = Embeddings.from_arrays(image=_rows(10), text=_rows(8))
    assert e.sample_items(10) is e
    assert e.sample_items(9) is not e


def test_a_sample_keeps_pairs_and_order():
    e = Embeddings.from_arrays(image=_rows(50), text=_rows(50, seed=1))
    chosen = e.sample_items(20)
    assert [len(group) for group in chosen.values()] == [20, 20]
    assert np.array_equal(chosen["image"].items, chosen["text"].items)
    assert (np.diff(chosen["image"].items) > 0).all(), "rows keep their order"
    assert np.array_equal(chosen["image"].vectors, e["image"].vectors[chosen["image"].items])
    assert np.array_equal(chosen["text"].vectors, e["text"].vectors[chosen["text"].items])
    assert len(chosen.pairs("image", "text")) == 20


def test_a_sample_follows_its_seed():
    e = Embeddings.from_arrays(image=_rows(50))
    first, again, other = (e.sample_items(20, seed=seed)["image"].items.tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_sample_takes_whole_items():
    owner = np.repeat(np.arange(40), 5)
    e = Embeddings({"image": _group(40, np.arange(40)), "text": _group(200, owner, text=[str(i) for i in owner])})
    chosen = e.sample_items(52)
    kept = chosen["image"].items
    assert len(chosen["text"]) == 50, "ten whole items; an eleventh would be too many"
    assert np.array_equal(np.unique(chosen["text"].items), kept)
    assert np.bincount(chosen["text"].items)[kept].tolist() == [5] * 10
    assert len(set(chosen["text"].text)) == 10


def test_groups_that_do_not_pair_are_cut_on_their_own():
    e = Embeddings.from_arrays(image=_rows(50), text=_rows(30))
    chosen = e.sample_items(40)
    assert [len(group) for group in chosen.values()] == [40, 30]


def test_a_sample_of_rows_on_disk(tmp_path):
    rows = _rows(50)
    np.save(tmp_path / "x.npy", rows)
    lazy = read(f"image={tmp_path / 'x.npy'}", load_limit=0)
    chosen = lazy.sample_items(20)
    assert isinstance(chosen["image"].vectors, np.ndarray)
    assert np.array_equal(chosen["image"].vectors, rows[chosen["image"].items])


def test_every_row_needs_an_item():
    with pytest.raises(ValueError, match="row 1 has None"):
        Group(vectors=np.eye(2), items=["a", None])


def test_large_ids_of_two_integer_types_stay_apart():
    large = 2**63
    e = Embeddings.from_arrays(
        x=np.eye(2),
        y=np.eye(2),
        items={"x": np.array([large + 1, large + 2], dtype=np.uint64), "y": np.array([1, 2], dtype=np.int64)},
    )
    assert e.item_codes("x", "y").reason == "x and y share no item id"
    assert len(set(e.row_items["x"])) == 2


@pytest.mark.parametrize("order", [("audio", "video", "text"), ("text", "video", "audio"), ("video", "audio", "text")])
def test_a_sample_keeps_pairs_through_a_third_group(order):
    items = {"audio": np.arange(300), "video": np.arange(200, 600), "text": np.repeat(np.arange(400, 600), 5)}
    groups = {name: _group(len(items[name]), items[name]) for name in order}
    chosen = Embeddings(groups).sample_items(100)
    kept = {name: set(group.items.tolist()) for name, group in chosen.items()}
    full = Embeddings(groups).row_items
    for a in order:
        for b in order:
            assert kept[a] & set(full[b].tolist()) == kept[b] & set(full[a].tolist()), (a, b)
    assert len(chosen["text"]) <= 100


def test_a_sample_without_a_whole_item_says_so():
    e = Embeddings({"text": _group(50, np.zeros(50, dtype=int))})
    with pytest.raises(DegenerateError, match=r"no whole item of text fits .* at most 20 rows .*\(--rows\)"):
        e.sample_items(20)


def test_a_proportional_sample_keeps_the_mixture():
    e = Embeddings.from_arrays(image=_rows(4000), text=_rows(1000), audio=_rows(400))
    chosen = e.sample_items(1000, proportional=True)
    assert len(chosen["image"]) == 1000
    assert abs(len(chosen["text"]) - 250) < 4 * (1000 * 0.25 * 0.75) ** 0.5  # four standard errors
    assert abs(len(chosen["audio"]) - 100) < 4 * (400 * 0.25 * 0.75) ** 0.5
    assert [len(group) for group in e.sample_items(1000).values()] == [1000, 1000, 400]


def test_without_pairs_groups_share_no_item(rng):
    e = Embeddings.from_arrays(
        image=rng.normal(size=(3, 4)), text=rng.normal(size=(5, 4)), items={"image": [0, 1, 2], "text": [0, 0, 1, 2, 2]}
    )
    apart = e.without_pairs()
    assert apart.item_codes("image", "text").reason is not None
    assert len(np.unique(apart.row_items["text"])) == 3
    np.testing.assert_array_equal(apart["text"].vectors, e["text"].vectors)
