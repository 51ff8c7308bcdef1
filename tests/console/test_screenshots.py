"""The pictures in docs/screenshots: each page has its own, and all together they are small."""

from __future__ import annotations

from tests.console.every_page import every_page
from tests.console.screenshots import FOLDER, LOOKS, file_of

_MOST_BYTES = 2_500_000


def test_every_page_has_its_pictures() -> None:
    wanted = {file_of(page, look.name).name for page in every_page() for look in LOOKS}
    assert {path.name for path in FOLDER.glob("*.png")} == wanted, "run `make screenshots`"


def test_the_pictures_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < _MOST_BYTES
