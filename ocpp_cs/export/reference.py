"""Writes the dictionary of columns into docs/analysts.md, between two markers.

It adds nothing to what the API's schemas say: run it (`make format`) after a column changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ocpp_cs.export.resources import RESOURCES, type_of

BEGIN = "<!-- columns: made by `make format` from the schemas of the API -->"
END = "<!-- end of columns -->"
DOCUMENT = "docs/analysts.md"


def dictionary() -> str:
    """A Markdown table per resource, a row per column; ? after a type: may be empty."""
    return "\n".join(_table(name) for name in RESOURCES)


def _table(name: str) -> str:
    head = "| column | type | unit | meaning | example |\n|---|---|---|---|---|\n"
    fields = RESOURCES[name].columns.fields
    return f"### {name}\n\n{head}" + "".join(_row(column, fields[column]) for column in fields)


def _row(column: str, field: Any) -> str:
    example = field.metadata["example"]
    shown = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
    cells = (
        f"`{column}`",
        type_of(field) + ("?" if field.allow_none else ""),
        field.metadata.get("x-unit", ""),
        field.metadata["description"],
        f"`{shown}`",
    )
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"


def refreshed(document: str) -> str:
    """The document with today's tables between its markers."""
    before, _, rest = document.partition(f"{BEGIN}\n")
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{dictionary()}{END}{after}"


def main(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if (new := refreshed(text)) != text:
        path.write_text(new, encoding="utf-8")
        print(f"{path}: dictionary of columns refreshed")


if __name__ == "__main__":
    main(Path(sys.argv[1] if sys.argv[1:] else DOCUMENT))
