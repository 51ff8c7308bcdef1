"""What these tests share: a plain WebSocket client that types frames, and looks at what is stored.

No knowledge of ours is in it: REST and SQL as anybody may ask them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import requests
from websockets.sync.client import ClientConnection, connect

from tests.servers import Server


@contextmanager
def plain_client(server: Server, identity: str) -> Iterator[ClientConnection]:
    """A WebSocket client that offers no subprotocol."""
    with connect(server.ws_url(identity), compression=None) as client:
        yield client


def ask(client: ClientConnection, frame: str, *, timeout: float = 10.0) -> Any:
    """Sends the frame; the next frame that comes back."""
    client.send(frame)
    return json.loads(client.recv(timeout))


def items(server: Server, path: str) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    rows: list[dict[str, Any]] = []
    url: str | None = server.http(path)
    while url is not None:
        answer = requests.get(url, timeout=30)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["items"]
        following = answer.links.get("next")
        url = None if following is None else requests.compat.urljoin(url, following["url"])
    return rows


@contextmanager
def plain_sql(url: str) -> Iterator[Any]:
    """A connection that knows nothing of our models."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            yield connection
    else:
        with psycopg.connect(url) as connection:
            yield connection


def milliseconds(value: Any) -> int:
    """A stored or a sent time, as milliseconds since 1970."""
    if isinstance(value, int):
        return value
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return round(value.astimezone(UTC).timestamp() * 1000)
