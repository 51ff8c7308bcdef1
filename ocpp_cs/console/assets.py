"""The files of pages: the style sheet, the script and the icon, kept for good by browsers.

Each has a digest of its content in its URL, so that a new release brings new ones.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from flask import url_for

FOLDER = Path(__file__).parent / "static"


@cache
def digest_of(name: str) -> str:
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:16]


def asset_url(name: str) -> str:
    return url_for("console.asset", digest=digest_of(name), name=name)
