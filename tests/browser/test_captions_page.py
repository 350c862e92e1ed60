"""The page of captions in a real browser: it opens offline without a complaint, sorts, fits, and can be read by all."""

from pathlib import Path

import pytest

from crossgap.report.captions_page import captions_page

HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'
SCORES = (-0.5, -0.1, None, -0.9)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory) -> Path:
    pillow = pytest.importorskip("PIL.Image")
    folder = tmp_path_factory.mktemp("captions")
    pillow.new("RGB", (120, 80), (180, 40, 40)).save(folder / "a0.png")
    records = [
        {"id": f"a{number}", "group": "image", "row": number, "caption": f"a dog {number}", "score": score}
        for number, score in enumerate(SCORES)
    ]
    records[1] |= {"caption": HOSTILE, "references": [HOSTILE, "a red dog"]}
    records[2] |= {"caption": "long" * 50, "id": "name" * 40}
    path = folder / "captions.html"
    path.write_text(captions_page(records, images=folder, facts=["arm C3", "greedy"]), encoding="utf-8")
    return path


@pytest.fixture
def visit(browser):
    """Open the page offline; return it with what it said and asked for."""
    contexts = []

    def open_page(path: Path, **settings):
        context = browser.new_context(offline=True, **{"viewport": {"width": 1440, "height": 900}, **settings})
        contexts.append(context)
        page, heard = context.new_page(), []
        page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: heard.append(request.url) if request.url.startswith("http") else None)
        page.goto(path.as_uri())
        return page, heard

    yield open_page
    for context in contexts:
        context.close()


def test_it_opens_without_a_complaint_or_a_request(visit, page_file):
    page, heard = visit(page_file)
    assert page.locator("#cards > li").count() == 4
    assert page.locator(".caption").nth(1).inner_text() == HOSTILE
    assert page.locator("img").count() == 1
    assert page.locator("img").get_attribute("alt") == "Picture a0, captioned: a dog 0"
    assert page.locator("img").evaluate("one => one.complete && one.naturalWidth > 0")
    assert heard == []


def test_it_sorts_by_score(visit, page_file):
    page, heard = visit(page_file)

    def order() -> list[str]:
        return [text.split()[1] for text in page.locator(".marks").all_inner_texts()]

    assert [name[:2] for name in order()] == ["a0", "a1", "na", "a3"]
    page.get_by_label("Order").select_option("surest first")
    assert [name[:2] for name in order()] == ["a1", "a0", "a3", "na"]
    page.get_by_label("Order").select_option("least sure first")
    assert [name[:2] for name in order()] == ["a3", "a0", "a1", "na"]
    page.get_by_label("Order").select_option("as in the file")
    assert [name[:2] for name in order()] == ["a0", "a1", "na", "a3"]
    assert heard == []


def test_it_can_be_read_without_javascript(visit, page_file):
    page, _ = visit(page_file, java_script_enabled=False)
    assert page.locator("#cards > li").count() == 4
    assert page.locator("#order").is_hidden()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_nothing_hangs_over_the_side(visit, page_file, width):
    page, _ = visit(page_file, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_fault_of_accessibility(visit, page_file, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    page, _ = visit(page_file, color_scheme=scheme)
    found = axe.Axe().run(page).response["violations"]
    assert [f"{one['id']}: {one['impact']}" for one in found if one["impact"] in ("serious", "critical")] == []
