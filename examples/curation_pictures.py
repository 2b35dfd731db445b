"""Make the pictures of docs/curate.md: what a curator sees, by clicks in a running App.

    facedata ingest demo -o faces
    facedata augment faces -o attacks --variants 2 --seed 7
    facedata curate install-plugin
    facedata curate push attacks
    facedata curate open attacks --remote
    python examples/curation_pictures.py docs/images

It edits what was pushed: push again with --overwrite before another run.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

import fiftyone as fo
from PIL import Image
from playwright.sync_api import FloatRect, Page, sync_playwright

URL = "http://127.0.0.1:5151"
DATASET = "facedata-attacks"
_LOADED = 1500  # ms: pictures and plots fade in
_PANEL: FloatRect = {"x": 300, "y": 72, "width": 1100, "height": 928}  # without the list of fields
_GAP = 8


def main(folder: Path, url: str = URL) -> None:
    """Write curate-grid, -edit and -panel as JPEG into `folder`."""
    field = fo.ViewField
    dataset = fo.load_dataset(DATASET)
    spoof = dataset.match(field("attack.label") == "replay/oled").first()
    smile = dataset.match((field("au.AU12") > 3) & (field("label.label") == "live")).first()
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 860})
        page.add_init_script("localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true')")

        def taken(clip: FloatRect | None = None) -> Image.Image:
            page.wait_for_timeout(_LOADED)
            return Image.open(io.BytesIO(page.screenshot(clip=clip)))

        page.goto(f"{url}/datasets/{DATASET}")
        page.locator('[data-cy="looker"]').nth(20).wait_for()
        _save(taken(), folder / "curate-grid.jpg")
        page.set_viewport_size({"width": 760, "height": 470})
        _annotate(page, url, spoof.id)
        page.locator('[data-cy^="annotate-label-"]').filter(has_text="spoof").first.click()
        with page.expect_response(lambda reply: reply.request.method == "PATCH"):
            page.get_by_role("radio", name="live", exact=True).click()
        label = taken()
        _annotate(page, url, smile.id)
        page.locator('[data-cy="modal"]').get_by_text("au.AU12", exact=True).last.click()
        with page.expect_response(lambda reply: reply.request.method == "PATCH"):
            _drag(page, 0.5)
        _save(_beside(label, taken()), folder / "curate-edit.jpg")
        page.set_viewport_size({"width": 1400, "height": 1000})
        page.goto(f"{url}/datasets/{DATASET}")
        page.locator('[data-cy="new-panel-btn"]').first.click()
        page.locator('[data-cy="new-panel-option-facedata"]').click()
        page.locator('[data-cy="looker"]').nth(20).wait_for()
        page.get_by_role("button", name="List edits").click()
        page.get_by_text("follows from label").wait_for()
        _save(taken(_PANEL), folder / "curate-panel.jpg")
        browser.close()


def _beside(left: Image.Image, right: Image.Image) -> Image.Image:
    joined = Image.new("RGB", (left.width + _GAP + right.width, left.height), "white")
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width + _GAP, 0))
    return joined


def _save(picture: Image.Image, path: Path) -> None:
    picture.convert("RGB").save(path, quality=78, optimize=True)


def _annotate(page: Page, url: str, document: str) -> None:
    page.goto(f"{url}/datasets/{DATASET}?id={document}")
    page.locator('[data-cy="annotate"]').click()
    page.locator('[data-cy="lighter-sample-renderer-canvas"]').wait_for()


def _drag(page: Page, share: float) -> None:
    knob = page.get_by_role("slider").last
    start, track = knob.bounding_box(), knob.locator("xpath=..").bounding_box()
    if start is None or track is None:
        raise SystemExit("no slider; is au.AU12 a field of the dataset?")
    middle = track["y"] + track["height"] / 2
    page.mouse.move(start["x"] + start["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(track["x"] + share * track["width"], middle, steps=5)
    page.mouse.up()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
