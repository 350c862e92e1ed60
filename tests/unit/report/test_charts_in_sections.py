"""The sections that show charts say what the numbers mean here, and what was not measured and how it would be."""

import dataclasses

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.report import GapReport, collect
from crossgap.report.page.blocks import Figure, Paragraph, Table
from crossgap.report.page.measurement_table import measurement_table, not_measured
from crossgap.report.page.sections.location import location
from crossgap.report.page.sections.retrieval import retrieval
from crossgap.report.page.sections.shape import shape
from crossgap.report.page.sections.topology import topology

SECTIONS = (location, shape, topology, retrieval)


def said(section) -> str:
    return " ".join(block.text for block in section.blocks if isinstance(block, Paragraph) and block.tone == "key")


def figure_names(section) -> list[str]:
    return [block.name for block in section.blocks if isinstance(block, Figure)]


@pytest.fixture(scope="module")
def whole() -> GapReport:
    rng = np.random.default_rng(0)
    shared, offset = rng.normal(size=(60, 12)), np.eye(12)[4] * 3
    rows = {"image": shared + offset, "text": shared + 0.3 * rng.normal(size=(60, 12)) - offset}
    return collect(Embeddings.from_arrays(**rows), replicates=20, details=True)


class TestWhole:
    def test_each_begins_with_what_matters(self, whole):
        for section in SECTIONS:
            first = section(whole).blocks[0]
            assert isinstance(first, Paragraph)
            assert first.tone == "key"

    def test_figures(self, whole):
        assert figure_names(location(whole)) == ["linear-map-image-text", "gap-energy-image-text"]
        assert figure_names(shape(whole)) == ["spectra", "uniformity-plane"]
        assert figure_names(retrieval(whole)) == ["retrieval-image-text"]
        assert set(figure_names(topology(whole))) >= {"barcodes-image-text"}

    def test_tables_hold_intervals(self, whole):
        table = next(block for block in retrieval(whole).blocks if isinstance(block, Table))
        found = whole.find("recall_at_k", "image", "text", k=1)
        assert ("Recall@1", "image to text", found.value) in [row[:3] for row in table.rows]
        assert table.columns[:4] == ("quantity", "groups", "value", "interval")
        assert table.rows[0][3].startswith("[")

    def test_location_names_the_coordinate(self, whole):
        assert "1 of 12 coordinates (number 4) hold" in said(location(whole))

    def test_umap_is_said_to_be_missing_with_the_command(self, whole):
        missing = " ".join(location(whole).missing)
        assert "crossgap measure SOURCE --everything --html gap.html" in missing
        assert "pip install 'crossgap[umap]'" in missing

    def test_intrinsic_dimension_is_said_to_be_missing(self, whole):
        assert any("two_nn_dimension" in sentence for sentence in shape(whole).missing)

    def test_loops_are_said_to_be_missing(self, whole):
        assert any("crossgap[topology]" in sentence for sentence in topology(whole).missing)

    def test_without_details_the_numbers_stay(self, whole):
        bare = dataclasses.replace(whole, details={})
        for section in (location, shape):
            found = section(bare)
            assert any(isinstance(block, Table) for block in found.blocks)
            assert any("this file holds no" in sentence for sentence in found.missing)

    def test_reasons_of_details_are_told(self, whole):
        entry = {"groups": ["image", "text"], "kind": "umap", "reason": "umap-learn is not installed"}
        report = dataclasses.replace(whole, details={**whole.details, "maps": [entry]})
        assert "Map (umap): umap-learn is not installed." in location(report).missing


class TestFew:
    def test_one_group(self, made_up):
        report = made_up(groups="image")
        for section in (location, topology, retrieval):
            assert section(report).blocks == ()
            assert any("two groups" in sentence for sentence in section(report).missing)
        assert shape(report).missing

    def test_more_than_two_groups(self, made_up):
        rows = [("centroid_distance", f"{x} {y}", 0.5) for x, y in (("a", "b"), ("a", "c"), ("b", "c"))]
        found = location(made_up(*rows, groups="a b c"))
        assert "group-matrix" in figure_names(found)
        assert any("2 more pairs" in block.text for block in found.blocks if isinstance(block, Paragraph))

    def test_quantities_that_the_file_does_not_hold(self, made_up):
        missing = not_measured(made_up(), ["recall_at_k"], ["image", "text"])
        assert missing == (
            "Not in this file: recall_at_k; crossgap measure SOURCE --html gap.html measures what is usual.",
        )

    def test_a_reason_is_told_once(self, made_up):
        rows = [
            ("recall_at_k", groups, None, {"k": k, "reason": f"needs pairs: {groups}."})
            for groups in ("image text", "text image")
            for k in (1, 5)
        ]
        assert not_measured(made_up(*rows), ["recall_at_k"], ["image", "text"]) == (
            "Recall@1, recall@5: needs pairs: image text.",
        )

    def test_a_table_of_nothing(self):
        assert measurement_table([], "nothing") is None

    def test_chance_has_its_column(self, made_up):
        report = made_up(("cluster_purity", "image text", 0.9, {"by_chance": 0.5}))
        table = measurement_table(report.measurements, "x")
        assert table.columns[-1] == "by chance"
        assert table.rows[0][-1] == 0.5


class TestSentences:
    @pytest.mark.parametrize(
        ("intervals", "words"),
        [
            (((0.2, 0.3), (0.5, 0.6)), "text searching image is clearly better"),
            (((0.2, 0.5), (0.4, 0.6)), "which way is better is open"),
        ],
    )
    def test_which_way_finds_more(self, made_up, intervals, words):
        rows = [
            ("recall_at_k", groups, sum(bounds) / 2, bounds, {"k": 1, "n": 50, "m": 50})
            for groups, bounds in zip(("image text", "text image"), intervals, strict=True)
        ]
        assert words in said(retrieval(made_up(*rows)))

    @pytest.mark.parametrize(("value", "is_told"), [(0.5, False), (2.0, True)])
    def test_hubs_are_told_above_one(self, made_up, value, is_told):
        rows = [
            ("recall_at_k", "image text", 0.5, {"k": 1, "n": 50, "m": 50}),
            ("hubness", "image text", value, {"k": 10}),
        ]
        assert ("A few rows come up" in said(retrieval(made_up(*rows)))) == is_told

    @pytest.mark.parametrize(
        ("second", "words"),
        [((40.0, 50.0), "image varies in more"), ((55.0, 70.0), "neither clearly varies in more")],
    )
    def test_which_group_varies_in_more(self, made_up, second, words):
        rows = [
            ("effective_dimension", "image", 62.0, (60.0, 64.0), {"quantile": 0.99, "n": 500, "d": 64}),
            ("effective_dimension", "text", sum(second) / 2, second, {"quantile": 0.99, "n": 500, "d": 64}),
        ]
        assert words in said(shape(made_up(*rows)))

    def test_different_sizes_are_told(self, made_up):
        rows = [
            ("effective_dimension", "image", 62.0, (60.0, 64.0), {"quantile": 0.99, "n": 500, "d": 64}),
            ("effective_dimension", "text", 31.0, (30.0, 32.0), {"quantile": 0.99, "n": 50, "d": 64}),
        ]
        assert "their numbers of rows differ" in said(shape(made_up(*rows)))

    @pytest.mark.parametrize(("energy", "words"), [(0.9, "more than"), (0.3, "about what"), (0.01, "less than")])
    def test_gap_against_a_random_direction(self, made_up, energy, words):
        angles = {"components": [1, 3], "energy": [0.0, energy], "random": [0.1, 0.3], "degrees": [90.0, 45.0]}
        details = {
            "spectra": [{"group": "image", "cumulative": {"counts": [1, 3], "shares": [0.2, 0.7]}}],
            "gap_location": [
                {
                    "groups": ["image", "text"],
                    "d": 10,
                    "coordinates": [2],
                    "shares": [0.6],
                    "cumulative": {"counts": [1, 10], "shares": [0.6, 1.0]},
                    "angles": {"image": angles, "text": {"reason": "one row"}},
                }
            ],
        }
        spectrum = details["spectra"][0]
        details["spectra"] = [{**spectrum, "variances": [0.2], "n": 9, "d": 10}]
        report = dataclasses.replace(made_up(("centroid_distance", "image text", 0.5)), details=details)
        text = said(location(report))
        assert f"hold {energy:.1%} of the gap: {words} a random direction" in text
        assert "The 3 strongest directions of image, with 70% of its variance, hold" in text

    def test_mixing(self, made_up):
        rows = [
            (
                "cluster_purity",
                "image text",
                0.9,
                {"by_chance": 0.5, "clusters": 7, "noise_share": 0.25, "path": "k-means"},
            ),
            ("pairs_in_one_cluster", "image text", 0.1, {"by_chance": 0.2}),
            ("cross_edge_share", "image text", 0.01, {"by_chance": 0.5}),
            ("friedman_rafsky_z_score", "image text", -20.0),
        ]
        text = said(topology(made_up(*rows)))
        for part in (
            "Of the rows in 7 clusters, 90.0% belong",
            "mixed rows would have 50.0%",
            "25.0% of the rows are in none",
            "image and text do not mix.",
            "10.0% of the pairs, by chance (pairs shuffled) 20.0%",
            "1.0% of the edges join image to text, where mixed groups would have 50.0%: 20.0 standard deviations fewer "
            "than chance (z = -20.0)",
        ):
            assert part in text
