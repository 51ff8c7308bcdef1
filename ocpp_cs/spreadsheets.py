"""What a CSV cell needs so that no spreadsheet runs it, and how that is undone.

It writes no files: lists do (`api.lists`), and `imports` reads them.
"""

from __future__ import annotations

import re

# What a spreadsheet takes for the beginning of a formula, or skips to find one; behind quotes, too,
# so that what is quoted can be told from what was so before.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def quoted(text: str) -> str:
    """A text that would run as a formula gets a quote before it."""
    return f"'{text}" if _FORMULA.match(text) else text


def unquoted(cell: str) -> str:
    """The text that `quoted` made this cell of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
