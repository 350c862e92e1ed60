"""The page of a report: one harmless file, whatever the report holds, the same for the same report."""

import base64
import gzip
import hashlib
import itertools
import json
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from crossgap.data.embeddings import Embeddings, Group
from crossgap.report import GapReport
from crossgap.report.collect import collect
from crossgap.report.page.blocks import Page
from crossgap.report.page.gap_page import gap_page
from crossgap.report.page.html import render

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</script><!-- {{ 7 * 7 }} \u2028",
    "a\u202eb\u0000c\u2066d",
    "a cat\r\non a mat",
    "x" * 1_000_000,
)
SECTIONS = [
    "verdict",
    "scores",
    "ranking",
    "location",
    "shape",
    "topology",
    "retrieval",
    "closers",
    "health",
    "method",
]


class Reader(HTMLParser):
    """What a browser would find: elements with their attributes, and the text of each script."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.open = ""

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        if self.open == "script":
            self.scripts.append((self.elements[-1][1], data))
        elif self.open != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    return reader


@pytest.fixture(scope="module")
def report() -> GapReport:
    """A small gap, its captions from outside."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(60, 16))
    shift = 2 * np.eye(16)[0]
    texts = [HOSTILE[i % len(HOSTILE)] for i in range(60)]
    items = np.arange(60)
    return collect(
        Embeddings(
            {
                "image": Group(vectors=shared + shift + 0.5 * rng.normal(size=shared.shape), items=items, text=texts),
                "text": Group(vectors=shared - shift, items=items, text=texts),
            }
        ),
        replicates=20,
        details=True,
        command="crossgap measure pairs.npz -o gap.json",
    )


@pytest.fixture(scope="module")
def html(report) -> str:
    return report.to_html()


# one file


def test_every_section_is_there_and_linked(html):
    page = read(html)
    assert [one["id"] for one in page.all("section")] == SECTIONS
    links = [str(one["href"]) for one in page.all("a") if str(one.get("href")).startswith("#")]
    assert [one for one in links if not one.startswith("#quantity-")] == [
        "#main",
        *(f"#{name}" for name in SECTIONS),
    ]
    ids = [one["id"] for _, one in page.elements if "id" in one]
    assert len(ids) == len(set(ids))
    assert {one.removeprefix("#") for one in links} <= set(ids)
    assert "#quantity-recall_at_k" in links


def test_headings_are_in_order(html):
    levels = [int(tag[1]) for tag, _ in read(html).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_nothing_is_fetched(html):
    page = read(html)
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "action", "poster", "data"):
            assert str(attributes.get(name, "data:")).startswith("data:"), (tag, attributes)
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert str(attributes.get("href", "#")).startswith(("#", "data:application/gzip"))
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|@font-face", style[1])


def test_only_its_own_scripts_may_run(html):
    page = read(html)
    (policy,) = [one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    run = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in run]
    assert re.findall(r"'sha256-([^']+)'", policy) == digests
    assert len(run) == 2


def test_it_is_small(html):
    assert len(html.encode()) < 2_000_000


def test_the_document_can_be_saved(html, report):
    (link,) = [one for one in read(html).all("a") if "download" in one]
    packed = str(link["href"]).partition("base64,")[2]
    assert gzip.decompress(base64.b64decode(packed)).decode() == report.to_json()


def test_charts_are_json_and_have_a_table_and_words(html):
    page = read(html)
    specs = [(attributes, json.loads(text)) for attributes, text in page.scripts if attributes.get("class") == "spec"]
    assert len(specs) > 5
    described = {one.get("aria-describedby") for one in page.all("div")}
    for attributes, spec in specs:
        assert "config" not in spec
        assert "$schema" not in spec
        assert str(attributes["data-for"]).replace("chart-", "about-", 1) in described
    assert html.count('<details class="data') >= len(specs)


# the same bytes


def test_the_same_report_gives_the_same_bytes(html, report):
    import altair as alt

    for _ in range(3):
        alt.Chart(alt.NamedData("x")).mark_point().add_params(alt.param()).to_dict()
    again = GapReport.from_json(report.to_json())
    assert again.to_html() == html


def test_the_same_bytes_in_another_process(html, report, tmp_path):
    (tmp_path / "gap.json").write_text(report.to_json(), encoding="utf-8")
    program = (
        "import sys, hashlib; from crossgap.report import GapReport; "
        "r = GapReport.from_json(open(sys.argv[1], encoding='utf-8').read()); "
        "print(hashlib.sha256(r.to_html().encode()).hexdigest())"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "gap.json")],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"},
    )
    assert found.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


# text from outside


def test_captions_do_no_harm(html):
    page = read(html)
    assert "{{ 7 * 7 }}" in page.words
    assert not [one for one in page.all("img") if one.get("src") == "x"]
    assert "<script>alert(1)</script>" in page.words
    assert "\u202e" not in html
    assert "\x00" not in html
    assert "x" * 1000 not in html


def _with_row(report: GapReport, **facts) -> GapReport:
    """Put other facts into the first query of the examples."""
    details = json.loads(json.dumps(report.details))
    details["ranking_examples"][0]["examples"][0]["query"].update(facts)
    return replace(report, details=details)


def _examples(report: GapReport) -> str:
    """Draw a page of the examples and the file alone."""
    from crossgap.report.page.sections.method import method
    from crossgap.report.page.sections.ranking import ranking

    return render(
        Page(
            title="",
            lead="",
            sections=(ranking(report), method(report)),
            document=report.to_json(),
            file_name="gap.json",
        )
    )


def test_a_long_caption_is_cut_with_a_note(report):
    html = _examples(_with_row(report, text="long " * 200_000))
    assert "(1,000,000 characters, cut)" in html
    # the document within the page holds all of it, packed
    assert len(html) < 2_000_000


def test_a_lone_surrogate_can_be_written(report):
    html = _examples(_with_row(report, text="a\ud800b"))
    assert "a\ufffdb" in html
    html.encode("utf-8")
    packed = re.search(r"base64,([A-Za-z0-9+/=]+)", html)
    assert packed is not None
    document = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert document["details"]["ranking_examples"][0]["examples"][0]["query"]["text"] == "a\ud800b"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ", True),
        ("data:image/svg+xml;base64,PHN2Zy8+", False),
        ("data:image/png;base64,PHNjcmlwdD4=", False),
        ("data:text/html,<script>alert(1)</script>", False),
        ("https://example.org/a.png", False),
        ("javascript:alert(1)", False),
        ("data:image/png;base64," + "A" * 100_000, False),
        (17, False),
    ],
)
def test_only_small_pictures_of_points_are_shown(report, uri, shown):
    pictures = read(_examples(_with_row(report, thumbnail=uri))).all("img")
    assert bool(pictures) == shown
    assert all(one["src"] == uri and one["alt"] == "" for one in pictures)


def test_names_of_groups_are_text_from_outside_too(report):
    text = report.to_json().replace('"image"', '"<b onclick=alert(1)>"')
    found = GapReport.from_json(text).to_html()
    page = read(found)
    assert not [one for one in page.all("b") if one]
    assert "<b onclick=alert(1)>" in page.words


# what is missing


def test_a_file_of_numbers_alone_says_what_is_missing(report):
    page = read(replace(report, details={}).to_html())
    assert [one["id"] for one in page.all("section")] == SECTIONS
    assert "this file holds no score cuts" in page.words
    assert "this file holds no ranking examples" in page.words
    assert "this file holds no closers" in page.words
    assert "this file holds no health" in page.words


def test_every_kind_empty(report):
    page = read(replace(report, details={kind: [] for kind in report.details}).to_html())
    assert [one["id"] for one in page.all("section")] == SECTIONS
    assert "crossgap doctor finds no fault" in page.words


def test_every_kind_with_a_reason(report):
    why = {kind: [{"groups": ["image", "text"], "reason": f"the {kind} went wrong"}] for kind in report.details}
    page = read(replace(report, details=why).to_html())
    for kind in ("score_cuts", "ranking_examples", "closers", "health", "gap_location"):
        assert f"the {kind} went wrong" in page.words


def test_no_measurements_at_all(report):
    page = read(replace(report, measurements=(), details={}).to_html())
    assert [one["id"] for one in page.all("section")] == SECTIONS
    assert "How far image and text lie apart was not measured." in page.words


def test_one_group(report):
    alone = replace(
        report,
        inputs=report.inputs[:1],
        measurements=tuple(one for one in report.measurements if one.groups == ("image",)),
        details={},
    )
    page = read(alone.to_html())
    assert "One group, image: its shape can be measured; a gap needs a second group." in page.words
    assert [one["id"] for one in page.all("section")] == SECTIONS


def test_without_values(report):
    reasons = tuple(
        replace(one, value=None, interval=None, reason="needs pairs: no item ids") for one in report.measurements
    )
    page = read(replace(report, measurements=reasons, details={}).to_html())
    assert "needs pairs: no item ids" in page.words
    assert "None" not in page.words


def test_without_intervals(report):
    bare = tuple(replace(one, interval=None) for one in report.measurements)
    page = read(replace(report, measurements=bare, settings={**report.settings, "bootstrap": 0}, details={}).to_html())
    assert "No intervals" in page.words


def test_more_groups(rng):
    shared = rng.normal(size=(30, 8))
    groups = {f"g{i}": Group(vectors=shared + 3 * np.eye(8)[i], items=np.arange(30)) for i in range(3)}
    page = read(collect(Embeddings(groups), replicates=10, details=True).to_html())
    assert "The other pairs of groups" in page.words
    assert [one["id"] for one in page.all("section")] == SECTIONS


def test_a_page_is_plain_records(report):
    page = gap_page(report)
    assert render(page) == render(gap_page(report))
    assert page.colours["image"] != page.colours["text"]
    assert page.document == report.to_json()
