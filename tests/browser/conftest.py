"""A real browser, offline: Debian's chromium driven by playwright; without either these tests skip and say so."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossgap.data import Embeddings, sample
from crossgap.report import GapReport
from crossgap.report.collect import collect

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (dependency group browser)")
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the path (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in a browser, with what it said and asked for."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser) -> Iterator[Callable[..., Opened]]:
    """Open a file offline and wait until its charts are drawn."""
    contexts = []

    def open_file(path: Path, *, width: int = 1440, scheme: str = "light", **settings: Any) -> Opened:
        settings = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, **settings}
        context = browser.new_context(offline=True, **settings)
        contexts.append(context)
        page = context.new_page()
        found = Opened(page)
        page.on("console", lambda message: found.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: found.said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: (found.said.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda request: found.asked.append(request.url))
        page.goto(path.as_uri())
        if settings.get("java_script_enabled", True):
            page.wait_for_selector("html[data-charts=drawn]", timeout=60_000)
        return found

    yield open_file
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def sample_report() -> GapReport:
    return collect(sample(), replicates=40, details=True, command="crossgap demo")


@pytest.fixture(scope="session")
def coco_report(shared_data) -> GapReport:
    from crossgap.data import read_groups

    groups = read_groups(str(shared_data / "pairs" / "coco500_clip-vit-b16.npz")).groups
    return collect(Embeddings({name: groups[name] for name in ("image", "text")}), replicates=40, details=True)


@pytest.fixture(scope="session")
def written(tmp_path_factory) -> Callable[[GapReport, str], Path]:
    folder = tmp_path_factory.mktemp("pages")

    def write(report: GapReport, name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(report.to_html(), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def sample_page(sample_report, written) -> Path:
    return written(sample_report, "sample")


@pytest.fixture(scope="session", params=["sample", "coco"])
def any_page(request, written) -> Path:
    """The page of the packaged sample, and that of the 500 COCO pairs where they are there."""
    return written(request.getfixturevalue(f"{request.param}_report"), request.param)


@pytest.fixture(scope="session")
def cuts(sample_report) -> dict[str, Any]:
    """What the first slider of the sample's page moves over, as its file holds it."""
    return json.loads(sample_report.to_json())["details"]["score_cuts"][0]
