"""`make screenshots`: every page of the console into docs/screenshots, of a fleet that charges.

Light, dark, and on a phone. It replaces what is there; nothing is compared.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from selenium.webdriver import Chrome

from tests.browser import (
    CHROMIUM_MISSING,
    DARK,
    LIGHT,
    PHONE,
    chromium_programs,
    look_as,
    open_browser,
)
from tests.console.every_page import FOR_NOBODY, Page, every_page
from tests.console.showcase import SETTINGS, showcase
from tests.console.steps import sign_in
from tests.servers import PROJECT, Server, wait_until

FOLDER = PROJECT / "docs" / "screenshots"
LOOKS = (LIGHT, DARK, PHONE)
_DAYS = 14
_COLOURS = 128  # enough for pages, and a third of the bytes
_HEIGHTS = (600, 1400)  # of the wide ones, in pixels
_HEIGHT = "return document.documentElement.scrollHeight"
_SUMMED = "return !document.body.innerText.includes('Being summed up')"


def file_of(page: Page, look: str) -> Path:
    return FOLDER / f"{page.name.replace('_', '-')}-{look}.png"


def main() -> None:
    programs = chromium_programs()
    if programs is None:
        sys.exit(CHROMIUM_MISSING)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        settings = {"DATABASE_URL": f"sqlite:///{folder / 'shown.db'}", **SETTINGS}
        server = Server(folder / "server.log", settings)
        server.start()
        try:
            with (
                showcase(server, days=_DAYS) as key,
                open_browser(programs, folder / "profile") as browser,
            ):
                _take_all(browser, server, key)
        finally:
            server.crash()


def _take_all(browser: Chrome, server: Server, key: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    # Who has not signed in comes first.
    pages = sorted(every_page(), key=lambda page: page.name not in FOR_NOBODY)
    signed_in = False
    for page in pages:
        if page.name not in FOR_NOBODY and not signed_in:
            sign_in(browser, server, key)
            signed_in = True
        browser.get(server.http(page.path))
        wait_until(lambda: browser.execute_script(_SUMMED), seconds=60)
        for look in LOOKS:
            if look.phone:
                look_as(browser, look)
            else:
                look_as(browser, look._replace(height=_HEIGHTS[0]))
                look_as(browser, look._replace(height=_height(browser)))
            _store(browser.get_screenshot_as_png(), file_of(page, look.name))
        print(f"{page.path}: {', '.join(look.name for look in LOOKS)}")
    size = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{len(pages) * len(LOOKS)} pictures, {size / 1000:.0f} kB, in {FOLDER}")


def _height(browser: Chrome) -> int:
    """As much of a page as there is, within reason."""
    least, most = _HEIGHTS
    height: int = browser.execute_script(_HEIGHT)
    return min(max(height, least), most)


def _store(png: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(_COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
