"""Pictures of report pages for the documentation: ``screenshots.py NAME=gap.json ... -o docs/screenshots``.

Needs playwright and chromium, as the tests in ``tests/browser`` do. Pictures show the first screens at 360, 768 and
1440 pixels, light, and the widest in the dark too.
"""

import argparse
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from crossgap.report import GapReport

SIZES = {360: 2400, 768: 2200, 1440: 2600}  # width: height shown
MOST_BYTES = 300_000


def main() -> None:
    """Draw each report, open it offline, and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("reports", nargs="+", metavar="NAME=gap.json")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/screenshots"))
    chosen = parser.parse_args()
    chosen.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for pair in chosen.reports:
            name, _, file = pair.partition("=")
            page = Path(folder) / f"{name}.html"
            page.write_text(GapReport.from_json(Path(file).read_text(encoding="utf-8")).to_html(), encoding="utf-8")
            for scheme, widths in (("light", SIZES), ("dark", [max(SIZES)])):
                for width in widths:
                    picture = chosen.output / f"{name}-{width}-{scheme}.webp"
                    write(shot(browser, page, width, scheme), picture)
                    print(f"{picture}: {picture.stat().st_size:,} bytes")
        browser.close()


def shot(browser, page: Path, width: int, scheme: str) -> bytes:
    """Return a PNG of the top of a page, once its charts are drawn."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
    tab = context.new_page()
    tab.goto(page.as_uri())
    tab.wait_for_selector("html[data-charts=drawn]")
    picture = tab.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": SIZES[width]})
    context.close()
    return picture


def write(picture: bytes, path: Path) -> None:
    """Write a picture as WebP of at most ``MOST_BYTES``."""
    for quality in (90, 75, 60, 40):
        Image.open(io.BytesIO(picture)).convert("RGB").save(path, quality=quality, method=6)
        if path.stat().st_size <= MOST_BYTES:
            return


if __name__ == "__main__":
    main()
