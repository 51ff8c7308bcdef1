"""The documents as they are written: blocks of commands, tables, headings and links.

It runs nothing and knows nothing of the code that the documents speak of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.servers import PROJECT

README = PROJECT / "README.md"
FOLDER = PROJECT / "docs"
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *FOLDER.glob("*.md")])

_FENCE = re.compile(r"^```(\w*)$")
# Stands in the line before a block, and is not shown: <!-- test: server -->
_MARK = re.compile(r"^<!-- test: (.+) -->$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`]*`")
_HEADING = re.compile(r"^#{1,6} (.+)$")


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` says how it is tested where its language does not."""

    path: Path
    line: int
    language: str
    mark: str
    lines: tuple[str, ...]

    @property
    def place(self) -> str:
        return f"{self.path.name}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command and the lines that the document shows as its output."""

    text: str
    output: tuple[str, ...]


def title(path: Path) -> str:
    """A document's name in the list of tests."""
    return str(path.relative_to(PROJECT))


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document, in order."""
    found = []
    lines = path.read_text(encoding="utf-8").splitlines()
    begin = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if fence and begin is None:
            begin, language = number, fence[1]
        elif line == "```" and begin is not None:
            mark = _MARK.match(lines[begin - 1]) if begin else None
            content = tuple(lines[begin + 1 : number])
            found.append(Block(path, begin + 1, language, mark[1] if mark else "", content))
            begin = None
    assert begin is None, f"{path.name}:{begin}: a block without an end"
    return found


def commands(block: Block) -> list[Command]:
    """What a `console` or `sh` block tells its reader to type.

    In `console` a command stands behind `$ ` and its output below it; every other line of `sh`
    is a command. A backslash at the end of a line goes on in the next one.
    """
    found: list[Command] = []
    lines = iter(block.lines)
    for line in lines:
        if block.language == "console" and not line.startswith("$ "):
            assert found, f"{block.place} begins with an output"
            found[-1] = Command(found[-1].text, (*found[-1].output, line))
        elif line.strip() and not line.startswith("#"):
            text = line.removeprefix("$ ")
            while text.endswith("\\"):
                text += "\n" + next(lines)
            found.append(Command(text, ()))
    return found


def prose(path: Path) -> list[str]:
    """The lines of a document outside of its blocks."""
    inside, found = False, []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside:
            found.append(line)
    return found


def links(path: Path) -> list[str]:
    """The targets of a document's links."""
    return [target for line in prose(path) for target in _LINK.findall(_CODE.sub("", line))]


def images(path: Path) -> list[tuple[str, str]]:
    """What a document's pictures show, in words, and where they are."""
    return [found for line in prose(path) for found in _IMAGE.findall(line)]


def anchors(path: Path) -> set[str]:
    """The anchors that a document's headings get when it is rendered."""
    headings = [match[1] for line in prose(path) if (match := _HEADING.match(line))]
    slugs = [re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings]
    return {
        slug if slug not in slugs[:number] else f"{slug}-{slugs[:number].count(slug)}"
        for number, slug in enumerate(slugs)
    }


def section(path: Path, heading: str) -> list[str]:
    """The lines below a heading, up to the next heading of whatever level."""
    lines = prose(path)
    places = [n for n, line in enumerate(lines) if _HEADING.match(line)]
    begin = next(n for n in places if lines[n].lstrip("# ") == heading)
    end = next((n for n in places if n > begin), len(lines))
    return lines[begin + 1 : end]


def table(path: Path, heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, cell by cell, without its head."""
    lines = section(path, heading)
    begin = next(n for n, line in enumerate(lines) if line.startswith("|---"))
    rows = []
    for line in lines[begin + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip().strip("|").split(" | ")])
    return rows


def code(cell: str) -> list[str]:
    """What stands in backticks in a cell."""
    return [text.strip("`") for text in _CODE.findall(cell)]
