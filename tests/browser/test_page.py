"""The page in a real browser: it draws, moves, turns dark, prints, and can be used by keyboard and by ear."""

import gzip
import itertools
import json
from decimal import ROUND_HALF_UP, Decimal

import pytest

from crossgap.report.page.blocks import Figure, Globe, Page, Section, Table
from crossgap.report.page.html import render

WIDTHS = (360, 768, 1440)
EMPTY = Table(caption="Numbers", columns=("a",), rows=((1,),))


def _page_of(*blocks) -> str:
    section = Section(name="part", title="A part", blocks=blocks)
    return render(Page(title="A page", lead="A lead.", sections=(section,), document="{}\n", file_name="gap.json"))


def test_it_opens_without_a_complaint_or_a_request(opened, any_page):
    found = opened(any_page)
    assert found.said == []
    assert found.asked == [any_page.as_uri()]


def test_every_section_and_every_chart_is_to_be_seen(opened, any_page):
    page = opened(any_page).page
    sections = page.locator("main > section")
    assert sections.count() == 10
    for number in range(sections.count()):
        assert sections.nth(number).locator("h2").is_visible()
        assert (sections.nth(number).bounding_box() or {})["height"] > 50
    charts = page.locator(".chart")
    assert charts.count() > 8
    for number in range(charts.count()):
        box = charts.nth(number).locator("svg").bounding_box()
        assert box is not None
        assert box["width"] > 300
        assert box["height"] > 60
    assert page.locator(".failed").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_hangs_over_the_side(opened, any_page, width):
    page = opened(any_page, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    wide = page.evaluate(
        "[...document.querySelectorAll('.chart svg')].filter((one) => one.getBoundingClientRect().right > innerWidth)"
        ".map((one) => one.closest('.chart').id)"
    )
    assert wide == []


def test_the_first_screen_answers(opened, sample_page):
    page = opened(sample_page).page
    assert page.locator(".lead").inner_text() == "image and text show a clear modality gap."
    for words in ("What it costs in a search over everything", "What to do", "How sure this is"):
        box = page.get_by_text(words, exact=True).first.bounding_box()
        assert box is not None
        assert box["y"] < 600


def test_a_quantity_of_a_table_leads_to_what_it_is(opened, sample_page):
    page = opened(sample_page).page
    entry = page.locator("#quantity-centroid_distance")
    assert entry.get_attribute("open") is None
    page.locator("a[href='#quantity-centroid_distance']").first.click()
    assert entry.get_attribute("open") is not None
    assert entry.locator("dt").first.is_visible()


def test_commands_break_between_words_only(opened, sample_page):
    page = opened(sample_page, width=360).page
    heights = page.locator("pre code span").evaluate_all("all => all.map((one) => one.getClientRects().length)")
    assert heights
    assert set(heights) == {1}


# the slider


def _readings(page) -> dict[str, str]:
    slider = page.locator(".slider").first
    return {
        name: slider.locator(f"[data-is={name}]").inner_text() for name in ("threshold", "precision", "recall", "each")
    }


def _expected(cuts, place: int) -> dict[str, str]:
    right, wrong = cuts["right"][place], cuts["wrong"][place]
    return {
        "threshold": _rounded(cuts["thresholds"][place], "0.001"),
        "precision": _rounded(100 * (right / (right + wrong)), "0.1") + "%",
        "recall": _rounded(100 * (right / cuts["matches"]), "0.1") + "%",
        "each": _rounded((right + wrong) / cuts["queries"], "0.01"),
    }


def _rounded(value: float, step: str) -> str:
    return str(Decimal(value).quantize(Decimal(step), rounding=ROUND_HALF_UP))


def test_the_slider_moves_the_numbers(opened, sample_page, cuts):
    page = opened(sample_page).page
    slider = page.locator("input[type=range]").first
    start = int(slider.input_value())
    assert _readings(page) == _expected(cuts, start)
    slider.focus()
    for key, place in (("ArrowRight", start + 1), ("Home", 0), ("End", len(cuts["thresholds"]) - 1)):
        page.keyboard.press(key)
        assert int(slider.input_value()) == place
        assert _readings(page) == _expected(cuts, place)
        assert page.locator(".slider output").first.inner_text() == f"{cuts['thresholds'][place]:.3f}"
        assert slider.get_attribute("aria-valuetext") == f"cosine {cuts['thresholds'][place]:.3f}"
    assert page.locator(".readings").first.get_attribute("aria-live") == "polite"


def test_the_slider_starts_at_the_chosen_threshold(opened, written, sample_report):
    document = json.loads(sample_report.to_json())
    first = document["details"]["score_cuts"][0]
    first["chosen"] = first["thresholds"][7]
    path = written(type(sample_report).from_json(json.dumps(document)), "chosen")
    page = opened(path).page
    assert page.locator("input[type=range]").first.input_value() == "7"
    assert _readings(page) == _expected(first, 7)


# colours and paper


def _colours(page) -> tuple[str, str, str]:
    return tuple(
        page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,"
            " getComputedStyle(document.querySelector('.chart svg text')).fill]"
        )
    )


def test_the_theme_follows_the_system_and_the_button(opened, sample_page):
    light = opened(sample_page).page
    dark = opened(sample_page, scheme="dark").page
    assert all(one != other for one, other in zip(_colours(light), _colours(dark), strict=True))
    light.get_by_role("button", name="Dark colours").click()
    assert _colours(light) == _colours(dark)
    light.get_by_role("button", name="Light colours").click()
    assert _colours(light) != _colours(dark)


def test_on_paper_it_is_light_and_open(opened, sample_page):
    page = opened(sample_page, scheme="dark").page
    page.emulate_media(media="print")
    assert _colours(page)[0] == "rgb(255, 255, 255)"
    for selector in ("nav", "#theme", ".control", "#download"):
        assert not page.locator(selector).first.is_visible()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.data:not(.long):not([open])").count() == 0
    assert page.locator(".slider table").first.is_visible()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.locator("details.data[open]").count() == 0
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_charts_fit_the_paper(opened, sample_page):
    page = opened(sample_page).page
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 680, "height": 900})
    assert page.evaluate(
        "[...document.querySelectorAll('.chart svg')].every((one) => one.getBoundingClientRect().right <= 680)"
    )


# by keyboard, by ear, without scripts


def test_the_order_of_tabs(opened, sample_page):
    page = opened(sample_page).page
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        order.append(
            page.evaluate(
                "(() => { const one = document.activeElement; const box = one.getBoundingClientRect();"
                " return [one.className || one.id || one.tagName, box.width > 0 && box.height > 0,"
                " getComputedStyle(one).outlineStyle]; })()"
            )
        )
        if order[-1][0].startswith("range-"):
            break
    names = [name for name, _, _ in order]
    assert names[:2] == ["skip", "theme"]
    assert names.count("A") == 10
    assert names[-1].startswith("range-")
    assert all(seen and outline != "none" for _, seen, outline in order)


def test_the_skip_link(opened, sample_page):
    page = opened(sample_page).page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 360)])
def test_no_serious_fault_of_accessibility(opened, any_page, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page = opened(any_page, width=width, scheme=scheme).page
    page.evaluate(  # one of each kind; all tables would take axe a minute
        "['.card details', '.ranking details', '.entries details', 'figure details', '.slider details']"
        ".forEach((kind) => { (document.querySelector(kind) || {}).open = true; })"
    )
    found = axe.Axe().run(page).response["violations"]
    faults = [
        f"{one['id']} ({one['impact']}): {one['help']}: {[node['target'] for node in one['nodes']][:3]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert faults == []


def test_it_can_be_read_without_scripts(opened, sample_page):
    page = opened(sample_page, java_script_enabled=False).page
    assert page.locator(".card").first.is_visible()
    assert page.locator(".readings").first.is_visible()
    assert not page.locator("input[type=range]").first.is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.locator(".ranks li").first.is_visible()
    assert (
        page.locator("noscript").first.inner_text()
        == "This chart needs JavaScript; its numbers are in the table below."
    )
    page.locator("details.data summary").first.click()
    assert page.locator("details.data table").first.is_visible()


# the file, texts from outside, the globe


@pytest.mark.parametrize("scripts", [True, False])
def test_the_file_can_be_saved(opened, sample_page, sample_report, scripts):
    page = opened(sample_page, java_script_enabled=scripts, accept_downloads=True).page
    with page.expect_download() as saving:
        page.locator("#download").click()
    content = saving.value.path().read_bytes()
    if scripts:
        assert saving.value.suggested_filename == "gap.json"
        assert content.decode() == sample_report.to_json()
    else:
        assert saving.value.suggested_filename == "gap.json.gz"
        assert gzip.decompress(content).decode() == sample_report.to_json()


def test_a_hostile_text_stays_text(opened, written, sample_report):
    hostile = '</script><script>alert(1)</script><img src=x onerror="alert(1)">'
    document = json.loads(sample_report.to_json())
    for one in document["details"]["ranking_examples"][0]["examples"]:
        one["query"]["text"] = hostile
    document["details"]["maps"][0]["labels"] = {
        group: [hostile] * len(points["rows"]) for group, points in document["details"]["maps"][0]["points"].items()
    }
    text = json.dumps(document).replace('"image"', json.dumps("<img src=y onerror=alert(2)>"))
    found = opened(written(type(sample_report).from_json(text), "hostile"))
    assert found.said == []
    assert len(found.asked) == 1
    assert found.page.locator("main img").count() == 0
    assert hostile in found.page.locator(".query h4").first.inner_text()


def test_a_tooltip_writes_no_html(opened, tmp_path):
    hostile = '<img src=x onerror="alert(1)"><b>bold</b>'
    spec = {
        "width": "container",
        "height": 200,
        "data": {"values": [{"x": 1, "y": 1, "text": hostile, "image": "https://example.org/a.png"}]},
        "mark": {"type": "point", "size": 4000, "filled": True},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
            "tooltip": [{"field": "text", "title": "<i>text</i>"}, {"field": "image"}],
        },
    }
    path = tmp_path / "tooltip.html"
    path.write_text(
        _page_of(Figure(name="one", title="One", description="One point.", spec=spec, table=EMPTY)), encoding="utf-8"
    )
    found = opened(path)
    found.page.locator(".chart svg .mark-symbol path").first.hover()
    shown = found.page.locator("#vg-tooltip-element")
    assert hostile in shown.inner_text()
    assert shown.locator("b, i").count() == 0
    assert found.page.locator("img[src=x]").count() == 0
    assert not [one for one in found.said if "alert" in one or "dialog" in one]
    assert len(found.asked) == 1


def test_a_chart_that_fails_says_so(opened, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(
        _page_of(Figure(name="one", title="One", description="None.", spec={"mark": 3}, table=EMPTY)), encoding="utf-8"
    )
    found = opened(path)
    assert found.page.locator(".chart.failed").count() == 1
    assert found.page.locator("details.data").is_visible()


def test_the_globe_turns(opened, tmp_path):
    sphere = {
        "points": {
            "image": {"rows": [0, 1], "at": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]},
            "text": {"rows": [0, 1], "at": [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0]]},
        }
    }
    path = tmp_path / "globe.html"
    path.write_text(
        _page_of(Globe(name="map", title="A globe", description="Four points.", map=sphere, table=EMPTY)),
        encoding="utf-8",
    )
    page = opened(path).page
    places = lambda: page.evaluate(  # noqa: E731
        "[...document.querySelectorAll('.points > *')].map((one) => (one.getAttribute('cx') || one.getAttribute('x')))"
    )
    seen = [places()]
    globe = page.locator(".globe svg")
    globe.focus()
    page.keyboard.press("ArrowLeft")
    seen.append(places())
    page.get_by_role("button", name="Turn up").click()
    page.get_by_role("button", name="Turn right").click()
    page.get_by_role("button", name="Turn right").click()
    seen.append(places())
    box = globe.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 60, box["y"] + box["height"] / 2 + 20)
    page.mouse.up()
    seen.append(places())
    assert all(one != other for one, other in itertools.pairwise(seen))
    assert page.locator(".points .far").count() in (1, 2, 3)
    assert page.locator(".points circle").count() == page.locator(".points rect").count() == 2
