"""Tuning on a share of the pairs: which pairs, the table, and that the starts of an earlier run are taken up."""

import pytest

from crossgap.reproduce import caption_transfer, low_data
from crossgap.reproduce.caption_study import CaptionStudy
from crossgap.reproduce.low_data import pairs_of


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    for module in ("caption_transfer", "low_data"):
        monkeypatch.setattr(f"crossgap.reproduce.{module}.has_meteor", lambda: False)
    monkeypatch.setattr(low_data, "_PASSES", 2)


def test_pairs_of_a_share(write_features):
    world = CaptionStudy("emoji", write_features(several=2), dimension=8).world(0)
    judged = frozenset(str(item) for item in world.train["image"].items[:8])  # pyright: ignore[reportOptionalSubscript]
    rows, texts, items = pairs_of(world, "image", judged, 1.0, seed=0)
    assert rows.shape == (2 * 40, 8)
    assert len(texts) == len(items) == 80
    assert not judged & set(items.tolist())
    assert all(text in world.references[item] for text, item in zip(texts, items.tolist(), strict=True))
    few = set(pairs_of(world, "image", judged, 0.1, seed=0)[2].tolist())
    more = set(pairs_of(world, "image", judged, 0.5, seed=0)[2].tolist())
    assert (len(few), len(more)) == (4, 20)
    assert few < more
    assert len(set(pairs_of(world, "image", judged, 0.001, seed=0)[2].tolist())) == 2
    assert few != set(pairs_of(world, "image", judged, 0.1, seed=1)[2].tolist())


def test_the_table(write_features, tmp_path):
    folder = write_features()
    options = {"data": "emoji", "features": folder, "splits": 1, "dimension": 8}
    first = caption_transfer.run(output=tmp_path / "transfer.json", **options)
    told = []
    table = low_data.run(
        fractions=(0.5, 1.0),
        runs=str(tmp_path / "transfer.json"),
        output=tmp_path / "low_data.json",
        progress=lambda *what: told.append(what),
        **options,
    )
    assert not any("step" in text for _, _, text in told if ", 0% of" in text)  # nothing is trained from text again
    for arm in ("C1", "C2_1", "C2_2", "C3"):
        start = table.row(start=arm, pairs="0%").middle("cider_d")
        assert start == pytest.approx(first.row(decoder="transformer", arm=arm).middle("cider_d"))
    lengths = [row.condition["length kept"] for row in table.rows if row.condition["start"] == "C3"]
    assert lengths == ["no", "no", "no", "yes", "yes"]
    assert [row.condition["pairs"] for row in table.rows if row.condition["start"] == "new"] == ["50%", "100%"]
    again = low_data.run(
        fractions=(0.5, 1.0), runs=str(tmp_path / "transfer.json"), output=tmp_path / "low_data.json", **options
    )
    assert again.to_json() == table.to_json()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": "big"}, "scale must be 'small' or 'full'"),
        ({"fractions": (0.0,)}, "fractions must lie above 0 and up to 1"),
        ({"fractions": ()}, "fractions must lie above 0"),
        ({"splits": 0}, "splits must be at least 1"),
        ({}, "features must name the folder that holds flickr8k.npz"),
        ({"scale": "full"}, "scale 'full' needs embeddings"),
    ],
)
def test_refusals(options, says):
    with pytest.raises(ValueError, match=says):
        low_data.run(**options)
