"""What a run of faults works with: an engine, its databases, servers; and what it says at its end.

It breaks nothing itself: the runs do.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from tests.servers import (
    POSTGRESQL_MISSING,
    PROJECT,
    Postgresql,
    Server,
    postgresql_programs,
)

EngineName = Literal["sqlite", "postgresql"]
ENGINES: tuple[EngineName, ...] = ("sqlite", "postgresql")
# "ci": a share that the test suite can afford; "short": `make faults`; "full": what the document
# tells of.
Size = Literal["ci", "short", "full"]
SIZES: tuple[Size, ...] = ("ci", "short", "full")


@dataclass
class Outcome:
    """`figures`: how much was done and seen. `findings`: each thing that went wrong."""

    figures: dict[str, object]
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """The figures on one line."""
        return ", ".join(f"{name} {value}" for name, value in self.figures.items())


class Run(NamedTuple):
    """`work` does the run on a stage of any of `engines`; `in_tests`: the suite does it, too."""

    work: Callable[[Stage, Size], Outcome]
    engines: tuple[EngineName, ...] = ENGINES
    in_tests: bool = True


class Stage:
    """An engine to run on. All that it started is stopped when it is left.

    with on_stage("sqlite") as stage:
        server = stage.server(CALL_TIMEOUT="2")
    """

    def __init__(self, engine: EngineName, directory: Path, postgresql: Postgresql | None) -> None:
        self.engine = engine
        self.directory = directory
        self._postgresql = postgresql
        self._servers: list[Server] = []
        self._databases = 0

    @property
    def postgresql(self) -> Postgresql:
        assert self._postgresql is not None, "this stage is SQLite's"
        return self._postgresql

    def new_database(self) -> str:
        """The URL of a database that is empty, or a file that does not exist yet."""
        self._databases += 1
        if self._postgresql is not None:
            return self._postgresql.create_database()
        return f"sqlite:///{self.directory / f'faults-{self._databases}.db'}"

    def server(
        self,
        url: str,
        *,
        application: str = "wsgi:app",
        directory: Path = PROJECT,
        more: dict[str, str] | None = None,
        **settings: str,
    ) -> Server:
        """A running server on the database; `more` is what is not a setting of ours."""
        log = self.directory / f"server-{len(self._servers)}.log"
        server = Server(
            log,
            {"DATABASE_URL": url, "WEB_CONCURRENCY": "2", **settings},
            application=application,
            directory=directory,
        )
        server.environment.update(more or {})
        server.migrate()
        self._servers.append(server)
        server.start()
        return server

    def end(self) -> None:
        for server in self._servers:
            server.crash()


@contextmanager
def on_stage(engine: EngineName, postgresql: Postgresql | None = None) -> Iterator[Stage]:
    """A stage in a directory of its own; without `postgresql` it starts one where it needs it."""
    directory = Path(tempfile.mkdtemp(prefix="ocpp_cs-faults-"))
    own = None
    if engine == "postgresql" and postgresql is None:
        programs = postgresql_programs()
        assert programs is not None, POSTGRESQL_MISSING
        own = postgresql = Postgresql(programs)
    stage = Stage(engine, directory, postgresql if engine == "postgresql" else None)
    try:
        yield stage
    finally:
        stage.end()
        if own is not None:
            own.stop()
        shutil.rmtree(directory)
