"""What tests of the console share: an app with the API and the console, and browsers of it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from selenium.webdriver import Chrome
from werkzeug.test import TestResponse

from ocpp_cs import api_keys
from ocpp_cs.api import init_api
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.console import init_console
from ocpp_cs.console.kept import THREAD
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.throttle import FailureLimits
from tests.api.conftest import engine, rows
from tests.browser import CHROMIUM_MISSING, chromium_programs, open_browser
from tests.conftest import IN_CI

__all__ = ["engine", "rows"]


class Visitor:
    """A browser without JavaScript: keeps cookies, and fills in forms of pages that it has got."""

    def __init__(self, app: Flask) -> None:
        self.client = app.test_client()
        self.form_token = ""

    def get(self, path: str, **options: Any) -> TestResponse:
        answer = self.client.get(path, **options)
        if found := re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text):
            self.form_token = found[1]
        return answer

    def post(self, path: str, **fields: str) -> TestResponse:
        return self.client.post(path, data={"csrf": self.form_token, **fields})

    def sign_in(self, key: str, **fields: str) -> TestResponse:
        self.get("/sign-in")
        return self.post("/sign-in", key=key, **fields)


class Console:
    """An app, and the keys that are made for it."""

    def __init__(self, engine: Engine, *, without_key: bool = False) -> None:
        self.committer = Committer(engine)
        self.app = Flask(__name__, static_folder=None)
        limits = FailureLimits(per_id=3, per_address=100)
        init_api(self.app, self.committer, api_without_key=without_key, limits=limits)
        init_console(self.app)

    def key(self, role: Role, **wishes: Any) -> api_keys.NewKey:
        given = {"name": f"the {role}", "actor": COMMAND_LINE, "now": datetime.now(UTC), **wishes}
        return self.committer.run(0, lambda tx: api_keys.create(tx, role=role, **given))

    def revoke(self, key_id: str) -> None:
        now = datetime.now(UTC)
        self.committer.run(0, lambda tx: api_keys.revoke(tx, key_id, actor=COMMAND_LINE, now=now))

    def visitor(self) -> Visitor:
        return Visitor(self.app)

    def visitor_as(self, role: Role) -> Visitor:
        """A browser that is signed in."""
        visitor = self.visitor()
        assert visitor.sign_in(self.key(role).text).status_code == 303
        visitor.get("/")
        return visitor


@contextmanager
def running_console(engine: Engine, *, without_key: bool = False) -> Iterator[Console]:
    console = Console(engine, without_key=without_key)
    try:
        yield console
    finally:
        # Nobody reads any more when the database goes.
        for thread in threading.enumerate():
            if thread.name == THREAD:
                thread.join(30)
        console.committer.close()


@pytest.fixture
def console(engine: Engine) -> Iterator[Console]:
    with running_console(engine) as console:
        yield console


@pytest.fixture
def open_console(engine: Engine) -> Iterator[Console]:
    """One that may be looked at without a key, as with `make run`."""
    with running_console(engine, without_key=True) as console:
        yield console


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """A browser without history. In CI its absence is a failure, never a skip."""
    programs = chromium_programs()
    if programs is None:
        (pytest.fail if IN_CI else pytest.skip)(CHROMIUM_MISSING)
    with open_browser(programs, tmp_path / "profile") as driver:
        yield driver
