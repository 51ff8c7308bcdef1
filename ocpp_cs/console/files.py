"""`/console/files`: the style sheet, the script and the icon, to whoever asks."""

from __future__ import annotations

from flask import Response, send_from_directory
from werkzeug.exceptions import NotFound

from ocpp_cs.console.assets import FOLDER, digest_of
from ocpp_cs.console.blueprint import anybody, console

_FOR_GOOD = "public, max-age=31536000, immutable"
_NAMES = frozenset(path.name for path in FOLDER.iterdir())


@console.get("/console/files/<digest>/<name>")
@anybody
def asset(digest: str, name: str) -> Response:
    if name not in _NAMES or digest != digest_of(name):
        raise NotFound
    answer = send_from_directory(FOLDER, name)
    answer.headers["Cache-Control"] = _FOR_GOOD
    return answer
