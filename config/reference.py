"""Writes the Markdown table of all settings into the documents, between two markers.

It adds nothing to what `settings.py` says: run it (`make format`) after a setting changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from config import kinds
from config.settings import TABLE, Setting

BEGIN = "<!-- settings: made by `make format` from config/settings.py -->"
END = "<!-- end of settings -->"
DOCUMENTS = ("README.md", "docs/configuration.md")


def table() -> str:
    """The Markdown table, a row per setting, in the order of `config.settings.TABLE`."""
    head = "| variable | default | unit | accepted | meaning |\n|---|---|---|---|---|\n"
    return head + "".join(map(_row, TABLE))


def between_markers(document: str) -> str | None:
    """What stands between the markers of a document; None if it does not have both."""
    _, begin, rest = document.partition(f"{BEGIN}\n")
    content, end, _ = rest.partition(END)
    return content if begin and end else None


def refreshed(document: str) -> str:
    """The document with today's table between its markers; unchanged if it has none."""
    old = between_markers(document)
    if old is None:
        return document
    return document.replace(f"{BEGIN}\n{old}{END}", f"{BEGIN}\n{table()}{END}")


def _row(setting: Setting) -> str:
    cells = (
        f"`{setting.variable}`",
        f"`{text}`" if (text := as_text(setting.default)) else "",
        setting.unit,
        setting.accepts,
        setting.meaning,
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def as_text(default: object) -> str:
    """A default as one would write it in the environment."""
    if isinstance(default, tuple):
        return kinds.shown_tuple(default)
    return str(int(default)) if isinstance(default, bool) else str(default)


def main(paths: list[str]) -> None:
    for path in map(Path, paths):
        text = path.read_text(encoding="utf-8")
        if (new := refreshed(text)) != text:
            path.write_text(new, encoding="utf-8")
            print(f"{path}: table of settings refreshed")


if __name__ == "__main__":
    main(sys.argv[1:] or [path for path in DOCUMENTS if Path(path).exists()])
