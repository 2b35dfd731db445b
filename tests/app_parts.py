"""The real App: its server in a process of its own, and a browser without a window to click in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from conftest import ROOT
from mongo_parts import free_port
from playwright.sync_api import Locator, Page, Route, sync_playwright
from test_cli import COMMAND

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Without the second line the canvas stays black where there is no GPU.
_FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
)
_ADVERTISEMENT_SEEN = "localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true')"
_PATIENCE = 60.0


def surroundings(uri: str, folder: Path) -> dict[str, str]:
    """The environment of a FiftyOne that shares nothing with the machine's: database, plugins, settings."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_NAME": "facedata-tests",
        "FIFTYONE_PLUGINS_DIR": str(folder / "plugins"),
        "FIFTYONE_CONFIG_PATH": str(folder / "config.json"),
        "FIFTYONE_APP_CONFIG_PATH": str(folder / "app_config.json"),
        "FIFTYONE_DO_NOT_TRACK": "1",
        "FIFTYONE_DATABASE_VALIDATION": "false",
    }


@contextmanager
def opened_app(environment: Mapping[str, str], dataset: Path) -> Iterator[str]:
    """Run `facedata curate open` for a dataset that was pushed; yield the App's address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [*COMMAND, "curate", "open", dataset, "--remote", "--port", str(port)]
    log = dataset.with_name("app.log")
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=dict(environment), stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_for(lambda: _answers(port) or process.poll() is not None, "the App")
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


@contextmanager
def browser_page() -> Iterator[Page]:
    """Open a page of headless Chromium that reaches nothing but this machine."""
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_BROWSERS)} is installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(20_000)
            page.add_init_script(_ADVERTISEMENT_SEEN)
            page.route("**/*", _local_only)
            yield page
        finally:
            browser.close()


def wait_for(condition: Callable[[], object], what: str, patience: float = _PATIENCE) -> None:
    """Wait until the condition holds."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {patience:g} s"
        time.sleep(0.1)


def annotate(page: Page, url: str, dataset: str, document: str) -> Locator:
    """Open one sample, by its id in the database, and go to where labels are edited."""
    page.goto(f"{url}/datasets/{dataset}?id={document}")
    modal = page.locator('[data-cy="modal"]')
    page.locator('[data-cy="annotate"]').click()
    page.locator('[data-cy="lighter-sample-renderer-canvas"]').wait_for()
    return modal


def choose(modal: Locator, value: str, new: str) -> None:
    """Open the label that says `value`, and click the radio button `new`; back once it is stored."""
    page = modal.page
    modal.locator('[data-cy^="annotate-label-"]').filter(has_text=value).first.click()
    with page.expect_response(_stored):
        modal.get_by_role("radio", name=new, exact=True).click()
    page.locator('[data-cy="annotate-edit-back"]').click()


def drag(modal: Locator, field: str, share: float) -> None:
    """Open a number, and drag its slider to a share of its range; back once it is stored."""
    page = modal.page
    modal.get_by_text(field, exact=True).last.click()
    knob = modal.get_by_role("slider")
    start, track = knob.bounding_box(), knob.locator("xpath=..").bounding_box()
    assert start is not None
    assert track is not None
    middle = track["y"] + track["height"] / 2
    page.mouse.move(start["x"] + start["width"] / 2, middle)
    page.mouse.down()
    with page.expect_response(_stored):
        page.mouse.move(track["x"] + share * track["width"], middle, steps=5)
        page.mouse.up()
    page.locator('[data-cy="annotate-edit-back"]').click()


def open_panel(page: Page, url: str, dataset: str, name: str) -> Locator:
    """Open a dataset, and beside its pictures a panel."""
    page.goto(f"{url}/datasets/{dataset}")
    page.locator('[data-cy="looker"]').first.wait_for()
    page.locator('[data-cy="new-panel-btn"]').first.click()
    page.locator(f'[data-cy="new-panel-option-{name}"]').click()
    return page.locator(f'[data-cy="panel-content-{name}"]')


def _stored(response) -> bool:
    return response.request.method == "PATCH" and response.ok


def _local_only(route: Route) -> None:
    if route.request.url.startswith("http://127.0.0.1:"):
        route.continue_()
    else:
        route.abort()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
