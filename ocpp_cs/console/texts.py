"""Every visible text, out of `texts/{language}.toml`, by its key; and the viewer's language.

A text may have named parameters, `{name}`. One with a `count` may be a table of `one` and `other`.
What a text says is trusted, what is put into it is not.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import request
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent / "texts"
COOKIE = "console_language"
_DEFAULT = "en"
_PARAMETER = re.compile(r"\{(\w+)\}")


class UnknownText(KeyError):
    """No such text is in the catalogue."""


@dataclass(frozen=True, slots=True)
class Language:
    """A catalogue; `code` is its name in HTML."""

    code: str
    texts: Mapping[str, str]

    @property
    def name(self) -> str:
        """As its speakers call it."""
        return self.texts["language.name"]

    def text(self, key: str, **parameters: Any) -> Markup:
        """The text, ready for HTML: parameters are escaped unless they are Markup. Whole numbers
        are written as people read them. Raises UnknownText."""
        found = self.texts.get(key)
        if found is None and "count" in parameters:
            found = self.texts.get(f"{key}.{'one' if parameters['count'] == 1 else 'other'}")
        if found is None:
            raise UnknownText(key)
        shown = {
            name: self.number(value) if type(value) in (int, float) else value
            for name, value in parameters.items()
        }
        return escape(found).format(**shown)

    def plain(self, key: str, **parameters: Any) -> str:
        """The same, to be escaped by whoever shows it."""
        return self.text(key, **parameters).unescape()

    def has(self, key: str) -> bool:
        return key in self.texts

    def number(self, value: float, digits: int = 0) -> str:
        """1234.5 as 1,234.5 or 1.234,5; with a true minus."""
        text = f"{abs(value):,.{digits}f}"
        marks = {",": self.texts["number.group"], ".": self.texts["number.decimal"]}
        sign = "\N{MINUS SIGN}" if value < 0 and text.strip("0.,") else ""
        return sign + "".join(marks.get(mark, mark) for mark in text)


def parameters_of(text: str) -> set[str]:
    """The names of what is put into a text."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def flat(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Texts by their whole keys, parts joined by dots."""
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _load(path: Path) -> Language:
    return Language(path.stem, dict(flat(tomllib.loads(path.read_text(encoding="utf-8")))))


LANGUAGES: Mapping[str, Language] = {
    path.stem: _load(path) for path in sorted(FOLDER.glob("*.toml"))
}


def current_language() -> Language:
    """The one that the viewer chose, else the best of what the browser accepts."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen not in LANGUAGES:
        accepted = request.accept_languages
        chosen = accepted.best_match(sorted(LANGUAGES), default=_DEFAULT) or _DEFAULT
    return LANGUAGES[chosen]
