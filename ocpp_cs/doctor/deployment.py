"""What the checks look at, and what they say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal, NamedTuple

from config.platforms import Platform, platform_of
from config.settings import Settings
from ocpp_cs.db import migrate
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.inspection import DatabaseState, inspect


class Finding(NamedTuple):
    """An error makes the deployment unfit; a warning may be meant so. `fix`: what to do."""

    severity: Literal["warning", "error"]
    text: str
    fix: str


@dataclass(frozen=True)
class Deployment:
    """`descriptors`: hard limit of open files, None if there is none. `mountinfo`: as
    `platforms.mounts` has it. `free_bytes`: what is free at the SQLite file, None for PostgreSQL.
    """

    settings: Settings
    environ: Mapping[str, str]
    engine: Engine
    clock: Callable[[], datetime]
    descriptors: int | None
    mountinfo: str
    free_bytes: int | None

    @property
    def now(self) -> datetime:
        return self.clock()

    @property
    def platform(self) -> Platform | None:
        return platform_of(self.environ)

    @property
    def on_loopback(self) -> bool:
        """Whether nobody but this machine reaches the port."""
        return self.settings.host in ("127.0.0.1", "localhost", "::1")

    @cached_property
    def pending(self) -> list[str]:
        """Migrations that are missing; raises where the database cannot be reached."""
        return migrate.missing(self.engine)

    @cached_property
    def state(self) -> DatabaseState | None:
        """None where it cannot be asked: the check of the database says so, once."""
        try:
            return None if self.pending else inspect(self.engine, self.clock)
        except Exception:
            return None
