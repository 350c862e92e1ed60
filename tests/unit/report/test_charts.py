"""Every chart: drawn from the record alone, the same each time, readable where colours cannot be told apart."""

import dataclasses
import hashlib
import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.report import GapReport, collect, figures
from crossgap.report.charts.barcodes import barcodes
from crossgap.report.charts.closers_plane import closers_plane
from crossgap.report.charts.clusters import clusters
from crossgap.report.charts.gap_energy import gap_energy
from crossgap.report.charts.group_matrix import group_matrix
from crossgap.report.charts.linear_map import linear_map
from crossgap.report.charts.loops import loops
from crossgap.report.charts.mixed_shares import mixed_shares
from crossgap.report.charts.palette import COLOURS, MATCHES, OTHERS, RECALL, group_styles
from crossgap.report.charts.precision_recall import precision_recall
from crossgap.report.charts.retrieval import retrieval
from crossgap.report.charts.score_bands import score_bands
from crossgap.report.charts.spectra import spectra
from crossgap.report.charts.umap_map import umap_map
from crossgap.report.charts.uniformity_plane import FINE_TUNED, uniform_law, uniformity_plane

PLAIN = ("image", "text")
KINDS = {
    "score-bands",
    "precision-recall",
    "mixed-shares",
    "linear-map",
    "umap-map",
    "gap-energy",
    "spectra",
    "uniformity-plane",
    "barcodes",
    "loops",
    "clusters",
    "retrieval",
    "closers",
}


def change(name: str, groups: tuple[str, ...], before: float, after: float) -> dict:
    near = [after - before - 0.02, after - before + 0.02]
    return {
        "name": name,
        "groups": list(groups),
        "before": before,
        "after": after,
        "change": after - before,
        "interval": near,
    }


def candidate(name: str, gap: float, quality: float) -> dict:
    x, y = PLAIN
    return {
        "name": name,
        "outcome": "better",
        "changes": [
            change("centroid_distance", (x, y), 0.8, gap),
            change("ndcg_at_k", (x,), 0.1, quality),
            change("ndcg_at_k", (y,), 0.1, quality),
            change("modality_share_excess", (x, y), -0.5, -0.1),
        ],
    }


def made_details(n: int = 40) -> dict:
    """Details of the documented form, made up."""
    x, y = PLAIN
    rng = np.random.default_rng(0)
    at = {name: rng.normal(size=(n, 2)).round(3).tolist() for name in PLAIN}
    points = {name: {"rows": list(range(n)), "at": at[name]} for name in PLAIN}
    lines = [{"groups": [x, y], "lines": [[i, i] for i in range(n)]}]
    labels = {x: None, y: [f"caption {i}" for i in range(n)]}
    common = {"groups": [x, y], "points": points, "pairs": lines, "labels": labels, "sampled_from": {x: 400, y: n}}
    cumulative = {"counts": [1, 2, 3, 5, 10, 16], "shares": [0.3, 0.5, 0.6, 0.7, 0.9, 1.0]}
    deaths = {x: [0.1, 0.2, 0.3], y: [0.2, 0.25, 0.4], "joint": [0.1, 0.2, 0.2, 0.25, 0.3, 0.4, 0.9]}
    return {
        "maps": [
            {"kind": "linear", **common, "axes": [{"name": "gap"}, {"name": "first within-group component"}]},
            {"kind": "umap", **common, "axes": [{"name": "UMAP 1"}, {"name": "UMAP 2"}]},
        ],
        "gap_location": [
            {
                "groups": [x, y],
                "d": 16,
                "coordinates": [3, 7, 1],
                "shares": [0.3, 0.2, 0.1],
                "cumulative": cumulative,
                "angles": {},
            }
        ],
        "spectra": [
            {"group": name, "n": n, "d": 16, "variances": [0.3, 0.2], "cumulative": cumulative} for name in PLAIN
        ],
        "topology": [
            {
                "groups": [x, y],
                "n": 2 * n,
                "deaths": deaths,
                "longest_between": 0.9,
                "median_within": 0.25,
                "loops": [[0.2, 0.3], [0.1, 0.5]],
                "clusters": {"path": "HDBSCAN", "noise": 0.25, "sizes": [30, 10], "shares": {x: [1, 0.4], y: [0, 0.6]}},
            }
        ],
        "closers": [
            {
                "groups": [x, y],
                "chosen": "mean-removal",
                "judged": "mean-removal",
                "why": "",
                "verdicts": [],
                "candidates": [
                    candidate("mean-removal", 0.1, 0.5),
                    candidate("whitening", 0.2, 0.4),
                    {"name": "ridge-map", "outcome": "not tried", "sentence": "", "reason": "too few pairs"},
                ],
            }
        ],
    }


def two_clouds(n: int = 40, d: int = 16, *, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared, offset = rng.normal(size=(n, d)), np.eye(d)[0] * 3
    return {"image": shared + offset, "text": shared + 0.3 * rng.normal(size=(n, d)) - offset}


@pytest.fixture(scope="module")
def whole() -> GapReport:
    """A report in which every chart finds its numbers."""
    report = collect(Embeddings.from_arrays(**two_clouds()), replicates=20)
    return GapReport.from_json(dataclasses.replace(report, details=made_details()).to_json())


@pytest.fixture(scope="module")
def drawn(whole) -> tuple:
    """Its figures."""
    return figures(whole)


@pytest.fixture(scope="module")
def strange() -> GapReport:
    """Three groups whose names somebody put into the file by hand."""
    clouds = two_clouds()
    rows = {"first": clouds["text"], "second": clouds["image"], "third": -clouds["image"]}
    text = collect(Embeddings.from_arrays(**rows), replicates=0).to_json()
    for name, other in (("first", "../text"), ("second", "<script>alert(1)</script>"), ("third", "画像")):
        text = text.replace(f'"{name}"', f'"{other}"')
    return GapReport.from_json(text)


class TestAllFigures:
    def test_every_chart_is_there(self, drawn):
        found = drawn
        assert {kind for kind in KINDS if any(one.name.startswith(kind) for one in found)} == KINDS
        assert len({one.name for one in found}) == len(found)

    def test_equal_reports_give_equal_figures(self, whole, drawn):
        assert drawn == figures(GapReport.from_json(whole.to_json()))

    def test_another_process_gives_the_same(self, whole, drawn, tmp_path):
        (tmp_path / "gap.json").write_text(whole.to_json(), encoding="utf-8")
        script = (
            "import sys, json, hashlib; from crossgap.report import GapReport, figures;"
            "r = GapReport.from_json(open(sys.argv[1], encoding='utf-8').read());"
            "figures(r);"  # counters of the drawing library have moved
            "print(hashlib.sha256(json.dumps([f.spec for f in figures(r)]).encode()).hexdigest())"
        )
        here = hashlib.sha256(json.dumps([one.spec for one in drawn]).encode()).hexdigest()
        done = subprocess.run(
            [sys.executable, "-c", script, tmp_path / "gap.json"], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == here

    def test_specifications_are_plain_and_hold_their_data(self, drawn):
        for one in drawn:
            text = json.dumps(one.spec, allow_nan=False)
            assert one.spec["width"] == "container"
            assert isinstance(one.spec["height"], int)
            assert "config" not in one.spec
            assert "title" not in one.spec
            assert '"url"' not in text
            assert "href" not in text
            named = {data["name"] for data in _values_of(one.spec, "data")}
            assert named == set(one.spec["datasets"])

    def test_only_data_are_coloured(self, drawn):
        ours = {*COLOURS, MATCHES, OTHERS, RECALL}
        for one in drawn:
            spec = {key: value for key, value in one.spec.items() if key != "datasets"}
            colours = {text for text in _strings(spec) if text.startswith("#")}
            assert colours <= ours, one.name
            for mark in _values_of(spec, "mark"):
                if isinstance(mark, dict) and mark["type"] == "text":
                    assert not {"color", "fill", "stroke"} & set(mark), one.name

    def test_words_and_tables(self, drawn):
        for one in drawn:
            assert one.title
            assert len(one.description) > 40
            assert one.table.rows
            assert all(len(row) == len(one.table.columns) for row in one.table.rows), one.name

    def test_numbers_are_short(self, drawn):
        for one in drawn:
            for value in _numbers(one.spec["datasets"]):
                assert math.isfinite(value)
                assert value == float(f"{value:.5g}") or value == round(value, 4), one.name

    def test_they_draw(self, drawn):
        import vl_convert

        for one in drawn:
            svg = vl_convert.vegalite_to_svg({**one.spec, "width": 330}, allowed_base_urls=[])
            assert "<path" in svg
            assert "NaN" not in svg, one.name

    def test_names_from_outside_are_harmless(self, strange):
        found = figures(strange)
        assert found
        for one in found:
            assert set(one.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
            fields = [text for text in _values_of(one.spec, "field") if isinstance(text, str)]
            assert all(text.isidentifier() for text in fields)

    def test_a_report_without_numbers_has_no_figures(self, made_up):
        assert figures(made_up()) == ()
        assert figures(made_up(groups="image")) == ()

    @pytest.mark.parametrize("replicates", [0, 20])
    def test_unpaired_groups(self, replicates):
        clouds = two_clouds()
        rows = Embeddings.from_arrays(image=clouds["image"], text=clouds["text"][:25])
        found = {one.name for one in figures(collect(rows, replicates=replicates))}
        assert found == {"score-bands-image-text", "mixed-shares"}


class TestPalette:
    @pytest.mark.parametrize("colour", [*COLOURS, MATCHES, OTHERS, RECALL])
    @pytest.mark.parametrize("background", ["#ffffff", "#14171a"])
    def test_contrast(self, colour, background):
        assert _contrast(colour, background) >= 3

    def test_groups_differ_without_colour(self, made_up):
        styles = group_styles(made_up(groups="a b c d e f")).values()
        for part in ("colour", "shape", "dash"):
            assert len({getattr(style, part) for style in styles}) == 6

    def test_styles_come_again(self, made_up):
        styles = group_styles(made_up(groups="a b c d e f g"))
        assert styles["g"] == styles["a"]

    def test_a_group_keeps_its_style_on_every_chart(self, whole, drawn):
        styles = group_styles(whole)
        for one in drawn:
            for scale in _values_of(one.spec, "scale"):
                if isinstance(scale, dict) and list(scale.get("domain", [])) == list(styles):
                    kinds = [[style.colour, style.shape, list(style.dash)] for style in styles.values()]
                    assert list(scale["range"]) in [list(column) for column in zip(*kinds, strict=True)], one.name


class TestNumbers:
    def test_score_bands_hold_the_histogram(self, whole):
        one = score_bands(whole, *PLAIN)
        within = [row for row in one.table.rows if row[0] == "two rows of image"]
        assert sum(row[3] for row in within) == pytest.approx(1)
        bars = [row for row in one.spec["datasets"]["bars"] if row["kind"] == "two rows of image"]
        assert [row["share"] for row in bars] == pytest.approx([row[3] for row in within], rel=1e-4)
        assert max(row["top"] - row["base"] for row in bars) <= 0.69

    def test_score_bands_without_a_threshold(self, made_up):
        bins = ("cosine_quantiles", "image", 1.0, {"from": 0.1, "to": 0.12, "pairs": "within"})
        one = score_bands(made_up(bins), *PLAIN)
        assert "thresholds" not in one.spec["datasets"]
        assert "two rows of image" in one.description
        assert score_bands(made_up(), *PLAIN) is None

    @pytest.mark.parametrize(
        ("cuts", "labels"),
        [
            ([("image text", 0.3)], ["from 0.300: precision 90%"]),
            ([("image text", 0.3), ("text image", 0.3)], ["from 0.300: precision 90%"]),
            ([("image text", 0.3), ("text image", 0.4)], ["0.300 image to text", "0.400 text to image"]),
        ],
    )
    def test_score_bands_say_both_thresholds(self, made_up, cuts, labels):
        bins = ("cosine_quantiles", "image", 1.0, {"from": 0.1, "to": 0.12, "pairs": "within"})
        rows = [
            ("threshold_at_precision", groups, value, {"result": "threshold", "asked": 0.9}) for groups, value in cuts
        ]
        one = score_bands(made_up(bins, *rows), *PLAIN)
        assert [row["text"] for row in one.spec["datasets"]["labels"]] == labels

    def test_precision_and_recall(self, whole):
        one = precision_recall(whole, "text", "image")
        assert {row[0] for row in one.table.rows} == {"precision", "recall"}
        found = whole.find("precision_recall", "text", "image", result="precision")
        assert one.table.rows[0][2:] == (found.value, *found.interval)

    def test_mixed_shares_before_and_after(self, whole):
        one = mixed_shares(whole)
        rows = {(row[0], row[2]): row[3:] for row in one.table.rows}
        expected = whole.find("modality_share_at_k", *PLAIN).options["corpus_share"]
        share, low, high = rows["image finds text", "after closing"]
        assert share == pytest.approx(expected - 0.1)
        assert (low, high) == pytest.approx((expected - 0.12, expected - 0.08))
        assert rows["image finds text", "in the corpus"][0] == expected
        assert "mean-removal" in one.title

    def test_mixed_shares_without_a_closer(self, whole):
        one = mixed_shares(dataclasses.replace(whole, details={}))
        assert {row[2] for row in one.table.rows} == {"now", "in the corpus"}

    def test_maps_hold_points_pairs_and_labels(self, whole):
        one = linear_map(whole, *PLAIN)
        points = one.spec["datasets"]["points"]
        assert len(points) == 80
        assert {row.get("label") for row in points if row["group"] == "image"} == {None}
        assert next(row for row in points if row["group"] == "text")["label"] == "caption 0"
        assert len(one.spec["datasets"]["pairs"]) == 40
        assert "40 of 400 rows of image" in one.description
        assert "UMAP" in umap_map(whole, *PLAIN).title
        assert linear_map(whole, "image", "sound") is None

    def test_a_map_of_fewer_groups_is_preferred(self, whole):
        wide = whole.details["maps"][0]
        more = {**wide, "points": {**wide["points"], "sound": wide["points"]["text"]}}
        report = dataclasses.replace(whole, details={**whole.details, "maps": [more, wide]})
        assert {row[0] for row in linear_map(report, *PLAIN).table.rows} == {"image", "text"}

    def test_many_pairs_are_thinned(self, whole):
        wide = dict(whole.details["maps"][0])
        wide["pairs"] = [{"groups": list(PLAIN), "lines": [[i % 40, i % 40] for i in range(1000)]}]
        one = linear_map(dataclasses.replace(whole, details={"maps": [wide]}), *PLAIN)
        assert len(one.spec["datasets"]["pairs"]) == 250
        assert "250 of 1000 matches" in one.description
        assert "max(width, 1)" in json.dumps(one.spec)  # a page that is not laid out yet has no width

    def test_gap_energy(self, whole):
        one = gap_energy(whole, *PLAIN)
        assert one.table.rows == ((1, 3, 0.3), (2, 7, 0.2), (3, 1, 0.1))
        assert one.spec["datasets"]["label"][0]["text"] == "coordinates 3, 7 and 1 hold 60%"
        assert gap_energy(whole, "text", "image") is None

    def test_gap_energy_of_one_coordinate(self, whole):
        entry = {**whole.details["gap_location"][0], "shares": [0.9, 0.01, 0.01]}
        one = gap_energy(dataclasses.replace(whole, details={"gap_location": [entry]}), *PLAIN)
        assert one.spec["datasets"]["label"][0]["text"] == "coordinate 3 holds 90%"

    def test_spectra_mark_the_effective_dimension(self, whole):
        marks = spectra(whole).spec["datasets"]["marks"]
        found = whole.find("effective_dimension", "image", quantile=0.99)
        assert {row["share"] for row in marks} == {0.9, 0.95, 0.99}
        assert (
            next(row for row in marks if row["group"] == "image" and row["share"] == 0.99)["components"] == found.value
        )

    def test_uniform_law(self):
        expected = {3: -2.0798, 32: -3.7518, 64: -3.8752, 128: -3.9375, 256: -3.9688, 512: -3.9844}
        assert {d: round(uniform_law(d), 4) for d in expected} == expected

    def test_uniform_law_against_scipy(self):
        from scipy.special import hyp0f1

        for d, t in ((2, 2.0), (7, 0.5), (100, 3.0)):
            assert uniform_law(d, t=t) == pytest.approx(-2 * t + math.log(hyp0f1(d / 2, t * t)))

    def test_reference_points_are_the_published_ones(self):
        from crossgap.reproduce.published import FINE_TUNING

        for name, loss in (("CLIP loss", "CLIP"), ("CUA", "CUA"), ("CUAXU", "CUAXU")):
            published = FINE_TUNING[128, loss]
            assert FINE_TUNED[name] == tuple(
                published[quantity][0] for quantity in ("alignment", "uniformity/x", "uniformity/y")
            )

    def test_uniformity_plane_needs_pairs(self, whole):
        one = uniformity_plane(whole)
        assert one.table.rows[0][1] == whole.value("alignment", *PLAIN)
        left = tuple(row for row in whole.measurements if row.name != "alignment")
        assert uniformity_plane(dataclasses.replace(whole, measurements=left)) is None

    def test_barcodes_count_components(self, whole):
        one = barcodes(whole, *PLAIN)
        joint = [row for row in one.table.rows if row[0] == "both together"]
        assert joint[0][2] == 8
        assert joint[-1] == ("both together", 0.9, 1)
        assert "between the groups is 0.900" in one.description

    def test_many_deaths_are_thinned_to_the_same_ends(self, whole):
        deaths = {"joint": np.linspace(0.1, 1, 5000).tolist()}
        entry = {**whole.details["topology"][0], "deaths": deaths}
        rows = barcodes(dataclasses.replace(whole, details={"topology": [entry]}), *PLAIN).table.rows
        assert len(rows) < 400
        assert rows[0][2] == 5001
        assert rows[-1] == ("both together", 1.0, 1)

    def test_loops_longest_first(self, whole):
        assert loops(whole, *PLAIN).table.rows == ((0.1, 0.5), (0.2, 0.3))
        assert loops(dataclasses.replace(whole, details={}), *PLAIN) is None

    def test_clusters(self, whole):
        one = clusters(whole, *PLAIN)
        assert one.table.rows == ((1, "image", 30, 1), (1, "text", 0, 0), (2, "image", 4, 0.4), (2, "text", 6, 0.6))
        assert [row["text"] for row in one.spec["datasets"]["most"]] == ["100% image", "60% text"]
        assert "25% of the rows are in no cluster" in one.description

    def test_retrieval_chance(self, whole):
        rows = retrieval(whole, *PLAIN).table.rows
        assert [row[1] for row in rows] == [1, 5, 10] * 2
        assert [row[5] for row in rows] == [1 / 40, 5 / 40, 10 / 40] * 2

    def test_closers_front_and_chosen(self, whole):
        one = closers_plane(whole)
        kinds = {row[0]: row[5] for row in one.table.rows}
        assert kinds == {"as it is": "as it is", "mean-removal": "chosen", "whitening": "another is better in both"}
        row = next(row for row in one.table.rows if row[0] == "mean-removal")
        assert row[1:5] == pytest.approx((0.1, 0.5, 0.48, 0.52))
        assert one.spec["datasets"]["arrow"][1]["gap"] == 0.1

    def test_closer_labels_do_not_touch(self, whole):
        many = [candidate(f"closer {number}", 0.1, 0.5) for number in range(12)]
        entry = {**whole.details["closers"][0], "candidates": many, "chosen": "none"}
        one = closers_plane(dataclasses.replace(whole, details={"closers": [entry]}))
        places = sorted(row["label"] for row in one.spec["datasets"]["closers"])
        low, high = one.spec["layer"][-1]["encoding"]["y"]["field"], one.spec["height"]
        assert low == "label"
        spread = 0.52 - 0.1
        assert min(b - a for a, b in itertools.pairwise(places)) >= 0.99 * spread * 15 / high
        assert "None was chosen" in one.description
        assert "arrow" not in one.spec["datasets"]

    def test_closers_by_recall_without_a_mixed_search(self, whole):
        row = candidate("mean-removal", 0.1, 0.5)
        row["changes"] = [row["changes"][0], change("recall_at_k", PLAIN, 0.5, 0.6)]
        entry = {**whole.details["closers"][0], "candidates": [row]}
        one = closers_plane(dataclasses.replace(whole, details={"closers": [entry]}))
        assert one.table.columns[2] == "recall@1 across"

    def test_group_matrix_only_of_three(self, whole, strange):
        assert group_matrix(whole) is None
        assert len(group_matrix(strange).table.rows) == 3


@pytest.mark.parametrize("kind", ["maps", "gap_location", "spectra", "topology", "closers"])
def test_an_entry_with_a_reason_is_no_chart(whole, drawn, kind):
    details = {**whole.details, kind: [{"groups": list(PLAIN), "kind": "linear", "reason": "too few rows"}]}
    fewer = figures(dataclasses.replace(whole, details=details))
    assert 0 < len(fewer) < len(drawn)


def _values_of(value, key):
    """Yield every value under a key, at any depth."""
    if isinstance(value, dict):
        for name, entry in value.items():
            if name == key:
                yield entry
            yield from _values_of(entry, key)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _values_of(entry, key)


def _strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _strings(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _strings(entry)


def _numbers(value):
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _numbers(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _numbers(entry)


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
