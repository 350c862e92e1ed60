"""Each check of two groups: data that triggers it, and data that does not."""

import numpy as np
import pytest

from crossgap.data.embeddings import Group
from crossgap.doctor import examine
from crossgap.doctor.orders import Sketch

ORDERS = {"misaligned-pairs", "shuffled-pairs", "partly-misaligned-pairs", "partly-shuffled-pairs", "weak-pairs"}


def test_good_pairs_give_nothing(found, pairs):
    assert found(image=pairs[0], text=pairs[1]) == {}


def test_dimension_and_type(found, pairs, rng):
    findings = found(image=pairs[0], text=rng.standard_normal((400, 32)).astype(np.float32))
    assert findings["dimension-mismatch"][0].severity == "error"
    assert findings["mixed-types"][0].severity == "note"
    assert not ORDERS & set(findings)


def test_length_ratio(found, pairs):
    (finding,) = found(image=pairs[0], text=2 * pairs[1])["unequal-lengths"]
    assert finding.numbers["ratio"] == pytest.approx(2)
    assert "rows of text are 2 times as long" in finding.evidence
    assert "unequal-lengths" not in found(image=pairs[0], text=1.05 * pairs[1])


def test_the_same_file_twice(found, pairs):
    assert found(image=pairs[0], text=pairs[0])["same-rows"][0].severity == "error"
    assert found(text__query=pairs[0], text__document=pairs[0])["same-rows"][0].severity == "warning"
    some = pairs[1].copy()
    some[30] = pairs[0][10]
    (finding,) = found(image=pairs[0], text=some)["same-rows"]
    assert finding.severity == "warning"
    assert "row 10 of image and row 30 of text" in finding.evidence


def test_the_same_tower_twice(found, pairs, rng):
    again = pairs[0] * 3 + 1e-4 * rng.standard_normal(pairs[0].shape)
    assert found(image=pairs[0], text=again)["same-tower"][0].severity == "error"
    assert found(text__a=pairs[0], text__b=again)["same-tower"][0].severity == "warning"


def test_shuffled(found, pairs, rng):
    (finding,) = found(image=pairs[0], text=rng.permutation(pairs[1]))["shuffled-pairs"]
    assert finding.severity == "error"
    assert "no better than chance" in finding.evidence
    assert abs(finding.numbers["z"]) < 4
    assert finding.numbers["ranks_ahead"] == pytest.approx(0.5, abs=0.06)
    (finding,) = found(image=pairs[0][:60], text=rng.permutation(pairs[1][:60]))["shuffled-pairs"]
    assert finding.severity == "warning"
    assert "too few to be sure" in finding.evidence
    assert not ORDERS & set(found(image=pairs[0][:9], text=pairs[1][9:18]))


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda y: np.roll(y, 1, axis=0), "shifted by one row"),
        (lambda y: np.roll(y, -3, axis=0), "shifted by three rows"),
        (lambda y: np.roll(y, 150, axis=0), "shifted by 150 rows"),
        (lambda y: y[::-1], "in reverse order"),
        (lambda y: np.roll(y[::-1], 2, axis=0), "in reverse order, shifted by two rows"),
        (lambda y: y[np.argsort(np.arange(400).astype(str))], "sorted as text by number (0, 1, 10, 100, 2)"),
        (lambda y: y[np.argsort(np.arange(1, 401).astype(str))], "sorted as text by number (1, 10, 100, 2)"),
    ],
)
def test_other_orders_are_recognised_on_either_side(found, pairs, move, words):
    for arrays in ({"image": pairs[0], "text": move(pairs[1])}, {"image": move(pairs[0]), "text": pairs[1]}):
        (finding,) = found(**arrays)["misaligned-pairs"]
        assert finding.severity == "error"
        assert words in finding.evidence
        assert finding.numbers["restored_z"] > 30


@pytest.mark.parametrize("shift", [1, -3, 150])
def test_the_advice_for_a_shift_restores_the_pairs(found, pairs, shift):
    moved = np.roll(pairs[1], shift, axis=0)
    (finding,) = found(image=pairs[0], text=moved)["misaligned-pairs"]
    assert f"numpy.roll(y, {-shift}, axis=0)" in finding.mend
    assert not ORDERS & set(found(image=pairs[0], text=np.roll(moved, -shift, axis=0)))


def test_the_advice_for_a_reversal_restores_the_pairs(found, pairs):
    moved = np.roll(pairs[1][::-1], 2, axis=0)
    (finding,) = found(image=pairs[0], text=moved)["misaligned-pairs"]
    advice = finding.mend.split("y = ")[1].rstrip(".")
    mended = eval(advice, {"numpy": np, "y": moved})  # the advice is a line of code
    np.testing.assert_array_equal(mended, pairs[1])


def test_the_best_shift_equals_a_plain_loop(rng):
    x, y = rng.standard_normal((11, 3)), rng.standard_normal((11, 3))
    for turned in (False, True):
        other = y[::-1] if turned else y
        scores = [sum(x[k] @ other[(k + s) % 11] for k in range(11)) for s in range(11)]
        assert Sketch(x=x, y=y).best_shift(backwards=turned) % 11 == int(np.argmax(scores))


def test_a_row_lost_in_the_middle(found, pairs):
    x, y = pairs[0][:399], np.delete(pairs[1], 250, axis=0)
    (finding,) = found(image=x, text=y)["partly-misaligned-pairs"]
    assert "shifted by one row" in finding.evidence
    assert finding.numbers["first_row"] == pytest.approx(250, abs=5)
    assert "image has one row too many" in finding.mend


def test_a_stretch_that_is_shuffled(found, pairs, rng):
    y = pairs[1].copy()
    y[120:200] = rng.permutation(y[120:200])
    (finding,) = found(image=pairs[0], text=y)["partly-shuffled-pairs"]
    assert finding.severity == "error"
    assert (finding.numbers["first_row"], finding.numbers["last_row"]) == (120, 199)
    y = pairs[1].copy()
    y[:80], y[320:360] = rng.permutation(y[:80]), rng.permutation(y[320:360])
    (finding,) = found(image=pairs[0], text=y)["partly-shuffled-pairs"]
    assert (finding.numbers["first_row"], finding.numbers["last_row"]) == (0, 79)
    y[360:] = rng.permutation(y[360:])
    assert "partly-shuffled-pairs" in found(image=pairs[0], text=y)


def test_weak_pairs(found, rng):
    common = rng.standard_normal((1500, 64))
    x, y = (common + 2.3 * rng.standard_normal((1500, 64)) for _ in range(2))
    (finding,) = found(image=x, text=np.where(rng.random((1500, 1)) < 0.8, rng.permutation(y), y))["weak-pairs"]
    assert finding.severity == "warning"
    assert "weak-pairs" not in found(image=x, text=y)


def test_rows_in_order_with_ids_of_another_order(found, pairs, rng):
    ids = rng.permutation(400)
    (finding,) = found(image=pairs[0], text=pairs[1], items={"image": np.arange(400), "text": ids})["misaligned-pairs"]
    assert "the item ids belong to other rows" in finding.evidence


def test_vectors_sorted_by_id_with_ids_that_were_not(found, pairs, rng):
    ids = rng.permutation(400) + 1000
    saved = pairs[1][np.argsort(ids)]
    mixed = rng.permutation(400)
    findings = found(image=pairs[0][mixed], text=saved, items={"image": ids[mixed], "text": ids})
    assert "text was saved sorted by item id" in findings["misaligned-pairs"][0].evidence
    names = ids.astype(str)
    saved = pairs[0][np.argsort(names.astype(int))]
    findings = found(image=saved, text=pairs[1][mixed], items={"image": names, "text": names[mixed]})
    assert "image was saved sorted by item id as" in findings["misaligned-pairs"][0].evidence


def test_ids_that_are_off_by_one(found, pairs):
    items = {"image": np.arange(400), "text": np.arange(1, 401)}
    (finding,) = found(image=pairs[0], text=pairs[1], items=items)["misaligned-pairs"]
    assert finding.severity == "error"


def test_unpaired_groups(found, pairs, rng):
    (finding,) = found(image=pairs[0], text=rng.standard_normal((333, 64)))["unpaired"]
    assert finding.severity == "note"
    assert "have no item ids and differ in size" in finding.evidence
    (finding,) = found(image=pairs[0], text=pairs[1], items={"image": np.arange(400)})["unpaired"]
    assert "image has item ids and text has none" in finding.evidence


def test_ids_written_in_two_ways(found, pairs):
    files = np.array([f"val/{i:06d}.JPG" for i in range(400)])
    (finding,) = found(image=pairs[0], text=pairs[1], items={"image": files, "text": np.arange(400)})["unpaired"]
    assert finding.severity == "warning"
    assert "100 % of the ids would meet" in finding.evidence
    assert "pathlib.Path(id).stem" in finding.mend


def test_ids_that_meet_in_part(found, pairs):
    items = {"image": np.arange(400), "text": np.arange(100, 500)}
    (finding,) = found(image=pairs[0], text=np.roll(pairs[1], -100, axis=0), items=items)["partly-paired"]
    assert finding.severity == "note"
    assert finding.numbers == {"x_rows_without_partner": 100, "y_rows_without_partner": 100}
    items = {"image": np.arange(400), "text": np.arange(390, 790)}
    assert found(image=pairs[0], text=pairs[1], items=items)["partly-paired"][0].severity == "warning"


def test_items_that_repeat_in_both_groups(found, pairs):
    items = np.repeat(np.arange(200), 2)
    (finding,) = found(image=pairs[0], text=pairs[1], items={"image": items, "text": items})["repeated-items"]
    assert finding.numbers == {"items": 200, "pairs": 800}
    several = np.repeat(np.arange(200), 2)
    findings = found(image=pairs[0][:200], text=pairs[1], items={"image": np.arange(200), "text": several})
    assert "repeated-items" not in findings


@pytest.mark.parametrize("turn", [False, True])
def test_sizes_that_hide_an_order(found, pairs, rng, turn):
    def examined(x, y):
        noise = 0.01 * rng.standard_normal(y.shape)
        return found(image=y + noise, text=x)["unpaired"][0] if turn else found(image=x, text=y + noise)["unpaired"][0]

    x, y = pairs
    short, long = ("text", "image") if turn else ("image", "text")
    finding = examined(x[:80], np.repeat(y[:80], 3, axis=0))
    assert f"each row of {short} belongs to 3 rows of {long}" in finding.evidence
    assert "numpy.repeat(numpy.arange(80), 3)" in finding.mend
    finding = examined(x[:80], np.tile(y[:80], (3, 1)))
    assert f"{long} goes through the rows of {short} 3 times" in finding.evidence
    finding = examined(x[:370], y)
    assert finding.severity == "warning"
    assert "as far as both go." in finding.evidence
    finding = examined(np.delete(x, 250, axis=0), y)
    assert "up to about row 2" in finding.evidence
    assert finding.numbers["first_row"] == pytest.approx(250, abs=8)


def test_faulty_rows_do_not_hide_the_pairs(found, pairs):
    x, y = (rows.copy() for rows in pairs)
    x[5], x[9, 3], y[20] = 0, np.nan, np.inf
    assert not ORDERS & set(found(image=x, text=y))
    (finding,) = found(image=x, text=np.roll(y, 1, axis=0))["misaligned-pairs"]
    assert "shifted by one row" in finding.evidence


def test_constant_groups_are_at_chance(found):
    same = np.ones((120, 40))
    findings = found(image=same, text=np.concatenate([same[:, :20], -same[:, 20:]], axis=1))
    assert findings["shuffled-pairs"][0].numbers["z"] == 0


def test_a_large_group_is_sampled_and_says_so(found, rng):
    common = rng.standard_normal((3000, 40))
    x, y = (common + rng.standard_normal((3000, 40)) for _ in range(2))
    first = found(image=x, text=np.roll(y, 2, axis=0))["misaligned-pairs"][0]
    assert "a sample of 1000 of 3000 pairs" in first.evidence
    assert first == found(image=x, text=np.roll(y, 2, axis=0))["misaligned-pairs"][0]
    assert first != found(image=x, text=np.roll(y, 2, axis=0), seed=1)["misaligned-pairs"][0]


def real(shared_data, name):
    with np.load(shared_data / "pairs" / f"{name}.npz") as arrays:
        return {key: arrays[key] for key in arrays.files if arrays[key].ndim == 2 and arrays[key].dtype.kind == "f"}


def severities(findings):
    return {finding.severity for several in findings.values() for finding in several}


def test_real_clip_has_no_blunder(found, shared_data):
    arrays = real(shared_data, "coco500_clip-vit-b16")
    findings = found(image=arrays["image"], text=arrays["text"])
    assert severities(findings) == {"note"}
    assert set(findings) == {"dominant-coordinates", "few-rows"}
    findings = found(**real(shared_data, "cifar500_clip-vit-b32"))
    assert "warning" not in {f.severity for f in findings["dominant-coordinates"]}


def test_untrained_towers_match_at_chance(found, shared_data):
    arrays = real(shared_data, "coco500_clip-vit-b16")
    findings = found(image=arrays["image_random_init"], text=arrays["text_random_init"])
    assert "no better than chance" in findings["shuffled-pairs"][0].evidence
    assert "untrained" in findings["shuffled-pairs"][0].mend


def test_real_fashion_vectors_are_not_normalised(found, shared_data):
    findings = found(**real(shared_data, "fashion1000_marqo-fashionclip"))
    assert severities(findings) == {"note"}
    assert [round(f.numbers["mean_length"], 1) for f in findings["not-normalised"]] == [12.5, 9.8]


def test_real_clip_shuffled_and_rolled(found, shared_data, rng):
    arrays = real(shared_data, "coco500_clip-vit-b16")
    x, y = arrays["image"], arrays["text"]
    assert found(image=x, text=rng.permutation(y))["shuffled-pairs"][0].severity == "error"
    (finding,) = found(image=x, text=np.roll(y, 1, axis=0))["misaligned-pairs"]
    assert "shifted by one row" in finding.evidence


def test_several_groups_are_compared_two_by_two(pairs, rng):
    groups = {"image": pairs[0], "text": pairs[1], "audio": rng.permutation(pairs[1] + 0.01)}
    findings = examine({name: Group(vectors=rows) for name, rows in groups.items()})
    assert {f.groups for f in findings if f.name == "shuffled-pairs"} == {("image", "audio"), ("text", "audio")}


class _Reader:
    """Rows that may only be taken in parts, and remember the largest part."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype, self.largest = rows, rows.shape, rows.dtype, 0

    def __getitem__(self, index):
        taken = self.rows[index]
        self.largest = max(self.largest, len(taken))
        return taken


@pytest.mark.parametrize("shift", [0, 40])
def test_readers_are_taken_in_blocks(rng, shift):
    common = rng.standard_normal((20_000, 16))
    x, y = (_Reader(np.roll(common + rng.standard_normal(common.shape), s, axis=0)) for s in (0, shift))
    findings = examine({"image": Group(vectors=x), "text": Group(vectors=y)})
    assert ("misaligned-pairs" in {f.name for f in findings}) == bool(shift)
    assert max(x.largest, y.largest) <= 8192
