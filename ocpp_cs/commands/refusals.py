"""Why a command is not taken: a status of HTTP, a stable name, and a sentence for a person."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """`status` is 404, 409 or 422; `code` never changes, so that programs can go by it."""

    def __init__(
        self, status: int, code: str, detail: str, errors: Mapping[str, list[str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors: Mapping[str, list[str]] = errors or {}

    def renamed(self, names: Mapping[str, str]) -> Refused:
        """The same for a client that knows properties, the first of a path, by other names."""
        errors: dict[str, list[str]] = {}
        detail = self.detail
        for path, messages in self.errors.items():
            first, dot, rest = path.partition(".")
            shown = names.get(first, first) + dot + rest
            errors[shown] = messages
            detail = detail.replace(path, shown, 1)
        return Refused(self.status, self.code, detail, errors)
