"""docs/api.md: every request in it is answered as the text says, and every flag is explained."""

from __future__ import annotations

import json
import re
import shlex
from urllib.parse import urlsplit

import pytest

from ocpp_cs.rules import TransactionFlag, flag_names
from tests.api.conftest import Client, on_sqlite
from tests.api.rows import START, Rows
from tests.servers import PROJECT

DOCUMENT = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
REFUSED = "charge_point=CB-4711"


def url_and_headers(command: str) -> tuple[str, dict[str, str]]:
    """What a curl command of the document asks for."""
    program, *words = shlex.split(command)
    assert program == "curl"
    headers = dict([words[words.index("-H") + 1].split(": ", 1)]) if "-H" in words else {}
    url = urlsplit(words[-1])
    assert (url.scheme, url.netloc) == ("http", "localhost:8081")
    return f"{url.path}?{url.query}", headers


@on_sqlite
def test_every_command_works(client: Client, rows: Rows) -> None:
    id = rows.stopped(rows.charge_point("CB-4711"))
    rows.sample(id, START, "11000", value=11000)
    assert len(COMMANDS) > 15
    for command in COMMANDS:
        path, headers = url_and_headers(command)
        answer = client.get(path, headers=headers)
        assert answer.status_code == (422 if REFUSED in command else 200), command


def test_the_refusal_is_word_for_word(sqlite_client: Client) -> None:
    [shown] = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    assert sqlite_client.get(f"/api/v1/transactions?{REFUSED}").json == shown


@pytest.mark.parametrize("flag", [name for flag in TransactionFlag for name in flag_names(flag)])
def test_every_flag_is_explained(flag: str) -> None:
    assert re.search(rf"^\|.*`{flag}`.*\|", DOCUMENT, re.MULTILINE)


def test_every_filter_is_named(sqlite_client: Client) -> None:
    document = sqlite_client.get("/openapi.json").json
    for path, item in document["paths"].items():
        for parameter in item["get"].get("parameters", []):
            assert f"`{parameter['name']}" in DOCUMENT, (path, parameter["name"])
