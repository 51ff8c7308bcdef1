"""docs/api.md: every request in it is answered as the text says, and every flag is explained."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from ocpp_cs.rules import TransactionFlag, flag_names
from tests.api.answering import answering
from tests.api.conftest import Client, committer_of, key_of, on_sqlite
from tests.api.rows import START, Rows
from tests.servers import PROJECT

DOCUMENT = (PROJECT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = [line for kind, text in BLOCKS if kind == "bash" for line in text.splitlines()]
TAGS = "id_tag,status\n04e1a2b3,accepted\n"  # a file of the reader's
REFUSED = "charge_point=CB-4711"


def send(client: Client, command: str, key: str) -> Any:
    """The answer to a curl command of the document; $KEY is an API key there."""
    program, *words = shlex.split(command.replace("$KEY", key))
    assert program == "curl"
    url = urlsplit(words.pop())
    assert (url.scheme, url.netloc) == ("http", "localhost:8081")
    given: dict[str, Any] = {"headers": {}, "method": "GET"}
    rest = iter(words)
    for word in rest:
        if word == "-H":
            name, _, value = next(rest).partition(": ")
            given["headers"][name] = value
        elif word in ("-X", "-d", "--data-binary"):
            given["method" if word == "-X" else "data"] = next(rest).replace("@tags.csv", TAGS)
        elif word == "-o":
            next(rest)
        else:
            assert word in ("-i", "-s"), command
    return client.open(f"{url.path}?{url.query}", **given)


def expected_status(command: str) -> int:
    if REFUSED in command:
        return 422
    if "-X DELETE" in command and re.search(
        "/(charging-profiles|charge-points|id-tags)/[^/]*$", command
    ):
        return 204
    answered = ("/apply", "/local-list", "/close", "/resolve", "/pseudonymise", "?dry_run=true'")
    if "-X POST" not in command or "/commands/" in command or command.endswith(answered):
        return 200
    return 202 if command.endswith("/commands") else 201


@on_sqlite
def test_every_command_works(client: Client, rows: Rows) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    charge_point_id = rows.charge_point("CB-4711", session_epoch=1, present_until=soon)
    id = rows.stopped(charge_point_id)
    rows.command(charge_point_id)
    rows.sample(id, START, "11000", value=11000)
    for _ in range(2):
        rows.transaction(charge_point_id)
    rows.orphan_stop(charge_point_id)
    rows.quarantined_frame(charge_point_id)
    assert len(COMMANDS) > 15
    key = key_of(client, "admin")
    # As under `make run`: who shows no key may read.
    nobody = client.application.test_client()
    with answering(committer_of(client)):
        for command in COMMANDS:
            assert send(nobody, command, key).status_code == expected_status(command), command


def test_the_refusal_is_word_for_word(sqlite_client: Client) -> None:
    answers = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    [shown] = [answer for answer in answers if "errors" in answer]
    assert sqlite_client.get(f"/api/v1/transactions?{REFUSED}").json == shown


@pytest.mark.parametrize("flag", [name for flag in TransactionFlag for name in flag_names(flag)])
def test_every_flag_is_explained(flag: str) -> None:
    assert re.search(rf"^\|.*`{flag}`.*\|", DOCUMENT, re.MULTILINE)


def test_every_filter_is_named(sqlite_client: Client) -> None:
    document = sqlite_client.get("/openapi.json").json
    for path, item in document["paths"].items():
        for parameter in item.get("get", {}).get("parameters", []):
            assert f"`{parameter['name']}" in DOCUMENT, (path, parameter["name"])
