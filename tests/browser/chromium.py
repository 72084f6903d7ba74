"""The browser of these tests: Debian's own Chromium, driven by Playwright."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.programs import alone, npm_folder

PACKAGE = "chromium"


def program() -> str:
    """Where Chromium is; installed first where that can be done."""
    found = shutil.which(PACKAGE)
    if found is None and (os.geteuid() != 0 or shutil.which("apt-get") is None):
        pytest.skip(f"Chromium is not installed, and only root on Debian can install it (apt-get install {PACKAGE}).")
    if found is None:
        with alone(PACKAGE):
            quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "check": True, "capture_output": True}
            subprocess.run(["apt-get", "update", "-qq"], **quiet)  # type: ignore[call-overload]
            command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", PACKAGE]
            subprocess.run(command, **quiet)  # type: ignore[call-overload]
        found = shutil.which(PACKAGE)
    assert found is not None
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running Chromium."""
    # Its sandbox needs rights that root in a container does not have.
    switches = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=switches)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def person(
    browser: Browser, *, width: int = 1280, scheme: Literal["light", "dark"] = "light", script: bool = False
) -> Iterator[Page]:
    """The window of one person, who has no cookies yet and by default runs no script."""
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        java_script_enabled=script,
        ignore_https_errors=True,
    )
    context.set_default_timeout(15_000)
    try:
        yield context.new_page()
    finally:
        context.close()


def faults(page: Page) -> list[str]:
    """What axe finds wrong with a page, by WCAG 2.2 AA and its own best practices."""
    axe = (npm_folder("browser") / "node_modules" / "axe-core" / "axe.min.js").read_text()
    page.evaluate(axe)
    found: Any = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {fault['help']}: {node['html']}" for fault in found["violations"] for node in fault["nodes"]
    ]
