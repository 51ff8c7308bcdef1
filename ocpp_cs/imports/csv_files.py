"""Reads CSV as people send it: comma or semicolon, with or without a byte order mark.

What a column may hold is decided by the kind of file, not here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from ocpp_cs.spreadsheets import unquoted

LINES_MAX = 200_000
"""Lines of a file. What is longer goes in parts, so that charge points never wait for long."""

FAULTS_MAX = 100
"""Faults that are told, of all that are counted."""

# Keys that are looked up at a time.
PART = 500

T = TypeVar("T")
# Told how many lines were done since it was told last.
Progress = Callable[[int], None]


class Fault(NamedTuple):
    """What is wrong with a line of a file; the column is empty where it is no single one."""

    line: int
    column: str
    error: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{place}: {self.error}"


class ImportRefused(Exception):
    """Nothing of the file was taken. `faults` are the first ones of `total`."""

    def __init__(self, faults: Sequence[Fault], total: int) -> None:
        self.faults = tuple(faults)
        self.total = total
        faulty = "1 fault" if total == 1 else f"{total} faults"
        super().__init__(f"{faulty}: nothing was imported. {faults[0]}")


@dataclass(frozen=True, slots=True)
class Report:
    """What a file came to, in lines; or would come to, of a dry run."""

    dry_run: bool
    lines: int
    added: int
    changed: int
    unchanged: int


class Faults:
    """Collects what is wrong; the first ones, and how many there are."""

    def __init__(self) -> None:
        self.first: list[Fault] = []
        self.total = 0

    def add(self, line: int, column: str, error: str) -> None:
        self.total += 1
        if len(self.first) < FAULTS_MAX:
            self.first.append(Fault(line, column, error))

    def end(self) -> None:
        """Raises ImportRefused if there are any."""
        if self.total:
            raise ImportRefused(self.first, self.total)


class Line(NamedTuple):
    """A line by its number in the file, and its cells by their columns."""

    number: int
    cells: dict[str, str]


def decode(content: bytes) -> str:
    """The text of a file in UTF-8. Raises ImportRefused."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ImportRefused([Fault(line, "", "This is no UTF-8.")], 1) from None
    if "\x00" in text:
        line = text.count("\n", 0, text.index("\x00")) + 1
        raise ImportRefused([Fault(line, "", "There is a NUL in it.")], 1)
    return text


def read_lines(
    text: str, known: Sequence[str], faults: Faults
) -> tuple[tuple[str, ...], Iterator[Line]]:
    """The columns that a file has, and its lines; the first known column is the one it needs.

    Raises ImportRefused for a file that has other columns; its lines raise it where the rest
    cannot be read.
    """
    first_line = text.partition("\n")[0]
    delimiter = ";" if ";" in first_line else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise ImportRefused([Fault(1, "", f"No CSV: {error}.")], 1) from None
    for name in header:
        if name not in known:
            shown = ", ".join(known)
            faults.add(1, name[:80], f"Unknown column; known are: {shown}.")
        elif header.count(name) > 1:
            faults.add(1, name, "This column is there more than once.")
    if known[0] not in header:
        faults.add(1, known[0], "This column is missing.")
    faults.end()
    return tuple(header), _lines(reader, header, faults)


def _lines(reader: Iterator[list[str]], header: list[str], faults: Faults) -> Iterator[Line]:
    """Each line that has as many cells as the header; empty ones are skipped."""
    count = 0
    number = reader.line_num + 1  # type: ignore[attr-defined]
    try:
        for cells in reader:
            if cells:
                count += 1
                if count > LINES_MAX:
                    faults.add(number, "", f"A file has at most {LINES_MAX:,} lines.")
                    faults.end()
                if len(cells) == len(header):
                    yield Line(number, dict(zip(header, map(unquoted, cells), strict=True)))
                else:
                    faults.add(number, "", f"It has {len(cells)} cells, not {len(header)}.")
            number = reader.line_num + 1  # type: ignore[attr-defined]
    except csv.Error as error:
        faults.add(number, "", f"No CSV from here on: {error}.")
        faults.end()


def parts(items: Sequence[T], size: int = PART) -> Iterable[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
