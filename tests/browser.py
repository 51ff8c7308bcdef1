"""A headless Chromium for the tests of pages, and what it noted: requests and complaints.

It downloads neither browser nor driver, and uses a profile of its own. Run as
`python -m tests.browser` it says where the programs are, and fails where there are none.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from selenium.webdriver import Chrome, ChromeOptions, ChromeService

CHROMIUM_MISSING = (
    "The programs chromium and chromedriver were not found: no page was tried in a browser. "
    "Install Debian's packages chromium and chromium-driver, or put the programs on the PATH."
)
_ARGUMENTS = (
    "--headless=new",
    "--window-size=1280,1600",
    "--disable-background-networking",
    "--disable-dev-shm-usage",  # containers have little shared memory
    "--disable-gpu",
    "--no-first-run",
)


class Look(NamedTuple):
    """How a page is looked at; width and height in pixels of CSS."""

    name: str
    scheme: str  # "light" or "dark"
    width: int
    height: int
    phone: bool


LIGHT = Look("light", "light", 1200, 850, phone=False)
DARK = Look("dark", "dark", 1200, 850, phone=False)
PHONE = Look("phone", "light", 390, 844, phone=True)
DARK_PHONE = Look("dark-phone", "dark", 390, 844, phone=True)


class Programs(NamedTuple):
    chromium: str
    chromedriver: str


def chromium_programs() -> Programs | None:
    """The browser and its driver, as the PATH offers them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    return Programs(chromium, chromedriver) if chromium and chromedriver else None


@contextmanager
def open_browser(programs: Programs, profile: Path) -> Iterator[Chrome]:
    """A browser with an empty profile in a directory of the test; ended in the end."""
    options = ChromeOptions()
    options.binary_location = programs.chromium
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # with it Chromium refuses to run as root
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, ChromeService(programs.chromedriver))
    try:
        yield driver
    finally:
        driver.quit()


def look_as(browser: Chrome, look: Look) -> None:
    """Shows the page, and those that follow, in another light or size, at once and without moving
    anything; it need not be reloaded."""
    wanted = {"prefers-color-scheme": look.scheme, "prefers-reduced-motion": "reduce"}
    features = [{"name": name, "value": value} for name, value in wanted.items()]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": look.width, "height": look.height, "mobile": look.phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {**size, "deviceScaleFactor": 1})


def complaints(browser: Chrome) -> list[str]:
    """What stands in the console: errors, warnings, refusals of the content security policy."""
    entries: list[dict[str, Any]] = browser.get_log("browser")
    return [entry["message"] for entry in entries if entry["level"] in ("WARNING", "SEVERE")]


def requested_urls(browser: Chrome) -> list[str]:
    """Whatever pages have asked for since the last look, but for the browser's own start page."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    return [url for url in urls if not url.startswith("chrome:")]


if __name__ == "__main__":
    found = chromium_programs()
    print(" ".join(found) if found else CHROMIUM_MISSING)
    sys.exit(found is None)
