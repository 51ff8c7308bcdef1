"""docs/events.md says what the code says: types and fields of events, and how one verifies."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from ocpp_cs import events
from ocpp_cs.api import events as api
from ocpp_cs.webhooks import dispatcher, sending
from ocpp_cs.webhooks.signature import new_secret, signed_headers
from tests.docs.documents import FOLDER, blocks, code, prose, section, table

DOCUMENT = FOLDER / "events.md"
TEXT = "\n".join(prose(DOCUMENT))


def type_of(content: Any) -> str:
    kinds = content.get("anyOf", [content])
    if {"type": "null"} in kinds:
        return type_of(kinds[0]) + "?"
    words = {"string": "text", "integer": "integer", "boolean": "boolean"}
    return "time" if content.get("format") == "date-time" else words[content["type"]]


@pytest.mark.parametrize("kind", events.TYPES.values(), ids=events.TYPES)
def test_every_type_is_described_field_by_field(kind: type[events.Event]) -> None:
    told = " ".join(" ".join(section(DOCUMENT, kind.type)).partition("|")[0].split())
    assert told == " ".join((kind.__doc__ or "").split())
    properties = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    assert table(DOCUMENT, kind.type) == [
        [f"`{name}`", type_of(content), content["description"]]
        for name, content in properties.items()
    ]


def test_no_type_is_made_up() -> None:
    found = re.findall(r"^### (.*)$", TEXT.partition("\n## Types\n")[2], re.MULTILINE)
    assert found == list(events.TYPES)


def test_the_fields_of_an_event_are_those_of_the_list() -> None:
    assert [code(row[0])[0] for row in table(DOCUMENT, "Following")] == list(api.Event().fields)


def test_the_snippet_verifies_what_is_sent() -> None:
    [snippet] = [b for b in blocks(DOCUMENT) if any("def verify" in line for line in b.lines)]
    names: dict[str, Any] = {}
    exec("\n".join(snippet.lines), names)
    verify = names["verify"]
    secret, body = new_secret(), b'{"events":[]}'
    now = int(datetime.now(UTC).timestamp())
    headers = signed_headers(secret, "3-17-17", now, body)
    assert verify(secret, headers, body)
    assert not verify(secret, headers, body + b" ")
    assert not verify(new_secret(), headers, body)
    assert not verify(secret, headers, body, now + 301)
    assert not verify(secret, {**headers, "webhook-timestamp": str(now - 1)}, body)
    # While a secret is changed, a sender may sign with both.
    other = signed_headers(new_secret(), "3-17-17", now, body)["webhook-signature"]
    both = {**headers, "webhook-signature": f"{other} {headers['webhook-signature']}"}
    assert verify(secret, both, body)


def test_figures_are_those_of_the_code() -> None:
    assert f"up to {dispatcher.BATCH} events" in TEXT
    assert f"every {dispatcher._LONGEST_PAUSE_S:.0f} s" in TEXT
    assert f"failed {dispatcher._SUSPECT} times" in TEXT
    assert f"and {dispatcher._LEASE_MARGIN_S:.0f} s" in TEXT
    assert f"{sending.LONGEST_ANSWER // 1024} KiB" in TEXT
