"""Pages of lists: filters out of the URL, a page of rows, and the link to the next one.

As in the API a page is what comes after a key, so that rows that arrive meanwhile neither repeat
nor hide others; a link back is the browser's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from flask import request
from werkzeug.exceptions import BadRequest

from ocpp_cs.api.cursors import CursorError, Key, KeyTypes, decode_cursor, encode_cursor
from ocpp_cs.api.database import current_engine
from ocpp_cs.console.page import FRAGMENT, this_url

PAGE_ROWS = 50
_AFTER = "after"
_LONGEST_WORD = 200
_UNSTORABLE = "\x00"

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of a list; the URLs of the next page and of the first one, None where none is."""

    rows: Sequence[Row]
    next_url: str | None
    first_url: str | None


def wanted_word(name: str) -> str | None:
    """A text that is looked for; None for an empty one."""
    return request.args.get(name, "").replace(_UNSTORABLE, "").strip()[:_LONGEST_WORD] or None


def wanted_choice(name: str, choices: Sequence[str]) -> str | None:
    """One of the choices; None for anything else."""
    word = request.args.get(name)
    return word if word in choices else None


def read_page(
    order: str,
    types: KeyTypes,
    rows_after: Callable[[Key | None, int], Sequence[Row]],
    key_of: Callable[[Row], Key],
) -> Page[Row]:
    """The page that the URL asks for. `order` names the list; its keys have these types."""
    word = request.args.get(_AFTER)
    try:
        after = None if word is None else decode_cursor(word, order, types)
    except CursorError:
        raise BadRequest from None
    rows = current_engine().read(lambda: rows_after(after, PAGE_ROWS + 1))
    shown = rows[:PAGE_ROWS]
    following = encode_cursor(order, key_of(shown[-1])) if len(rows) > PAGE_ROWS else None
    return Page(shown, following and _url(following), None if after is None else _url(None))


def _url(after: str | None) -> str:
    arguments = request.args.to_dict(flat=False)
    for name in (_AFTER, FRAGMENT):
        arguments.pop(name, None)
    return this_url(arguments if after is None else {**arguments, _AFTER: [after]})
