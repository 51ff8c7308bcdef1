"""Every command in the documents is typed in a fresh checkout, and shows what they say it shows.

A block is tested by its language: `console` is typed and compared, `sh` is typed and must succeed.
A comment before it says what else it is, and is not rendered:

    <!-- test: server -->          runs until it is stopped; compared when it is ready
    <!-- test: server stopped -->  typed after Ctrl-C in the server's terminal
    <!-- test: background -->      runs beside the others, from when a charge point is online
    <!-- test: typed -->           lines behind `> ` are typed into the program, after each answer
    <!-- test: figures -->         on a terminal; every number may differ
    <!-- test: log -->             what the server showed meanwhile, its last lines
    <!-- test: postgresql -->      `DATABASE_URL` names a new PostgreSQL database
    <!-- test: file NAME -->       the content of a file that the commands behind it use
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import IN_CI
from tests.docs.comparison import difference
from tests.docs.documents import DOCUMENTS, Block, Command, blocks, commands, title
from tests.docs.workplace import DOCUMENTED_PORT, Workplace


@dataclass(frozen=True)
class Instead:
    """A command that is not typed as it is documented."""

    documented: str  # a pattern for the whole command
    typed: str  # "" if nothing is
    why: str
    mark: str = ""  # of the blocks that it holds for


SMALL = "--speed 0 --hours 1 --for 2 --charge-points 5 --start 2026-11-20T08:00"

# All exceptions. Besides, the port 8081 of every command is replaced by the server's.
INSTEAD = (
    Instead(r"(.*)make run", r"\1make run PORT=0", "8081 may be taken", mark="server"),
    Instead(r"make run", "make -n run", "it is run in another block, where it is stopped, too"),
    Instead(r"make test", "make -n test", "it would run inside of itself"),
    Instead(r"make faults(.*)", r"make -n faults\1", "it takes a quarter of an hour"),
    Instead(r"git pull", "", "nothing is fetched"),
    Instead(
        "flask --app wsgi api-key revoke k3f7x2ab",
        'flask --app wsgi api-key revoke "$(echo "$KEY" | cut -d_ -f2)"',
        "each key has an id of its own",
    ),
    Instead(
        r"export KEY=ocs_.*",
        'export KEY="$(.venv/bin/flask --app wsgi api-key create me --role admin 2>/dev/null)"',
        "each key is another",
    ),
    Instead(
        r"(.*simulate)(.*)",
        rf"\1\2 --url ws://localhost:{DOCUMENTED_PORT}/ocpp",
        "the default URL has the port 8081",
        mark="background",
    ),
    Instead(
        r"(.*simulate)(.*)",
        rf"\1\2 --url ws://localhost:{DOCUMENTED_PORT}/ocpp {SMALL}",
        "the default URL has the port 8081, a day takes minutes, and at night nobody charges",
        mark="figures",
    ),
)
PROGRAMS_OF_OTHERS = ("curl", "openssl", "sqlite3", "pg_dump", "pg_restore")
POSTGRESQL = "postgresql"


def with_commands(path: Path) -> list[Block]:
    """The blocks that are tested here: commands, and what they need or lead to."""
    return [b for b in blocks(path) if b.language in ("sh", "console") or b.mark]


WITH_COMMANDS = [path for path in DOCUMENTS if with_commands(path)]


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    place = Workplace(tmp_path / "checkout")
    try:
        yield place
    finally:
        place.close()


def _missing(what: str) -> None:
    """In CI everything is tested, or it fails."""
    (pytest.fail if IN_CI else pytest.skip)(what)


@pytest.mark.parametrize("path", WITH_COMMANDS, ids=title)
def test_documented_commands(path: Path, workplace: Workplace) -> None:
    missing = missing_programs(b for b in with_commands(path) if b.mark != POSTGRESQL)
    for block in with_commands(path):
        if block.mark != POSTGRESQL:
            follow(block, workplace, missing)
    if missing:
        _missing(f"all else was tested; not on this machine: {', '.join(sorted(missing))}")


@pytest.mark.parametrize(
    "path",
    [path for path in WITH_COMMANDS if any(b.mark == POSTGRESQL for b in with_commands(path))],
    ids=title,
)
def test_documented_commands_on_postgresql(
    path: Path, workplace: Workplace, postgresql_url: str
) -> None:
    wanted = [b for b in with_commands(path) if b.mark == POSTGRESQL]
    if missing := missing_programs(wanted):
        _missing(f"not on this machine: {', '.join(sorted(missing))}")
    workplace.run(f"export DATABASE_URL={shlex.quote(postgresql_url)}")
    for block in wanted:
        follow(block, workplace, missing)


@pytest.mark.parametrize("instead", INSTEAD, ids=lambda instead: instead.documented)
def test_every_exception_is_needed(instead: Instead) -> None:
    of_mark = [b for path in DOCUMENTS for b in with_commands(path) if b.mark == instead.mark]
    documented = [command.text for block in of_mark for command in commands(block)]
    assert any(re.fullmatch(instead.documented, text) for text in documented)


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_every_block_says_what_it_is(path: Path) -> None:
    # `bash` and `python` without a mark stand in api.md, which has tests of its own.
    languages = {"sh", "console", "bash", "python", "json", "text"}
    marks = re.compile(r"|server|server stopped|background|typed|figures|log|postgresql|file \S+")
    assert [b.place for b in blocks(path) if b.language not in languages] == []
    assert [b.place for b in blocks(path) if not marks.fullmatch(b.mark)] == []


def missing_programs(of: Iterator[Block] | list[Block]) -> set[str]:
    used = {command.text.split()[0] for block in of for command in commands(block)}
    return {program for program in used & {*PROGRAMS_OF_OTHERS} if shutil.which(program) is None}


def follow(block: Block, workplace: Workplace, missing: set[str]) -> None:
    """Does what the block says; fails where something else comes of it."""
    if block.mark.startswith("file "):
        text = "\n".join(block.lines) + "\n"
        (workplace.directory / block.mark.removeprefix("file ")).write_text(text, encoding="utf-8")
        return
    if block.mark == "server stopped":
        workplace.stop_server()
    if block.mark == "log":
        documented = ("...", *block.lines, "...")
        shown = workplace.log_with(lambda log: difference(log, documented) is None)
        compare(block, Command("the log", documented), shown, workplace)
        return
    for command in commands(block):
        if command.text.split()[0] not in missing:
            enter(block, command, workplace)


def enter(block: Block, command: Command, workplace: Workplace) -> None:
    typed = command.text
    for each in INSTEAD:
        if each.mark == block.mark and re.fullmatch(each.documented, typed):
            typed = re.sub(each.documented, each.typed, typed)
    if not typed:
        return
    typed = typed.replace(DOCUMENTED_PORT, workplace.port)
    status = 0
    if block.mark == "server":
        shown = workplace.serve(typed)
    elif block.mark == "background":
        workplace.begin(typed, r"[1-9]\d* online")
        return
    elif block.mark == "typed":
        lines = [line.removeprefix("> ") for line in command.output if line.startswith("> ")]
        shown = workplace.type_into(typed, lines)
    elif block.mark == "figures":
        status, shown = workplace.run_on_terminal(typed)
    else:
        status, shown = workplace.run(typed)
    if block.language == "console":  # also where it shows a failure
        compare(block, command, shown, workplace)
    else:
        assert status == 0, f"{block.place}: {typed}\n{shown}"


def compare(block: Block, command: Command, shown: str, workplace: Workplace) -> None:
    shown = shown.replace(workplace.port, DOCUMENTED_PORT)
    wrong = difference(shown, command.output, figures=block.mark == "figures")
    assert wrong is None, f"{block.place}: {command.text}\n{wrong}"
