"""The page of compared models in a real browser: it draws without a complaint, fits, and can be read by all."""

import gzip

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.data import sample
from crossgap.report.models import compare_models


@pytest.fixture(scope="module")
def comparison():
    few = sample().sample_items(120)
    rng = np.random.default_rng(0)
    plain = {name: np.asarray(group.vectors, dtype=float) for name, group in few.items()}
    noisy = {name: rows + 0.04 * rng.standard_normal(rows.shape) for name, rows in plain.items()}
    models = {"sample": plain, 'noisy, <b>"it\'s"</b>': noisy}
    return compare_models({label: Embeddings.from_arrays(**rows) for label, rows in models.items()}, replicates=20)


@pytest.fixture(scope="module")
def page_file(comparison, tmp_path_factory):
    path = tmp_path_factory.mktemp("compared") / "compare.html"
    path.write_text(comparison.to_html(), encoding="utf-8")
    return path


def test_it_opens_without_a_complaint_or_a_request(opened, page_file):
    found = opened(page_file)
    assert found.said == []
    assert found.asked == [page_file.as_uri()]
    assert page_file.stat().st_size < 1_300_000
    sections = found.page.locator("main > section")
    assert sections.count() == 5
    for number in range(sections.count()):
        assert sections.nth(number).locator("h2").is_visible()
    charts = found.page.locator(".chart svg")
    assert charts.count() == 8
    assert found.page.locator(".failed").count() == 0
    assert "noisy, <b>" in charts.first.text_content()


def test_the_first_screen_says_who_is_wider_and_who_finds_better(opened, page_file):
    page = opened(page_file).page
    for question in ("Which model has the wider gap", "Which model finds better", "How sure this is"):
        box = page.get_by_text(question, exact=True).bounding_box()
        assert box["y"] < 400


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_hangs_over_the_side(opened, page_file, width):
    page = opened(page_file, width=width).page
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(
        "[...document.querySelectorAll('.chart svg')].every((one) => one.getBoundingClientRect().right <= innerWidth)"
    )


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_no_serious_fault_of_accessibility(opened, page_file, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = opened(page_file, width=width, scheme=scheme).page
    page.evaluate("['figure details', 'details.data'].forEach((kind) => { document.querySelector(kind).open = true; })")
    found = axe.Axe().run(page).response["violations"]
    faults = [
        f"{one['id']} ({one['impact']}): {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert faults == []


def test_the_file_can_be_saved(opened, page_file, comparison):
    page = opened(page_file, java_script_enabled=False, accept_downloads=True).page
    with page.expect_download() as saving:
        page.locator("#download").click()
    assert gzip.decompress(saving.value.path().read_bytes()).decode() == comparison.to_json()
