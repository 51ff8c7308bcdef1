"""A charge point that is there, somebody with a key who commands it, and its answers.

The gateway is played: commands are claimed and ended as a connection does it, without a socket.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ocpp_cs.commands import table
from ocpp_cs.commands.table import Claimed, Result
from ocpp_cs.ocpp16.messages import ACTIONS
from tests.api.conftest import Client, committer_of, key_of, with_key
from tests.api.rows import Rows
from tests.servers import wait_until


class Commanded:
    """Requests with an operator's key, and a charge point `CB-4711` that answers when told to."""

    def __init__(self, client: Client, rows: Rows) -> None:
        self._client = with_key(client, key_of(client, "operator"))
        self.analyst = with_key(client, key_of(client, "analyst"))
        self.committer = committer_of(client)
        self.charge_point_id = rows.charge_point(
            session_epoch=1, present_until=datetime.now(UTC) + timedelta(hours=1)
        )
        self.sent: list[Claimed] = []

    def request(self, method: str, path: str, **options: Any) -> Any:
        return self._client.open(f"/api/v1{path}", method=method, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    @contextmanager
    def answering(self, **payload: Any) -> Iterator[None]:
        """The charge point answers the next command so, during the block."""
        with self.ending(lambda claimed: _answered(claimed, payload)):
            yield

    @contextmanager
    def ending(self, result: Any) -> Iterator[None]:
        """The next command ends as `result(claimed)` says, during the block."""
        failures: list[BaseException] = []

        def play() -> None:
            try:
                claimed = self.claim()
                self.finish(claimed, result(claimed))
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=play, daemon=True)
        thread.start()
        yield
        thread.join(15)
        assert not failures, failures

    def claim(self) -> Claimed:
        """Takes the next command, as soon as there is one."""
        claimed: Claimed = wait_until(self._try_to_claim, what="a command is claimed")
        return claimed

    def finish(self, claimed: Claimed, result: Result) -> None:
        self.sent.append(claimed)
        now = datetime.now(UTC)
        assert self.committer.run(
            0, lambda tx: table.finish(tx, claimed, result, session_epoch=1, now=now)
        )

    def _try_to_claim(self) -> Claimed | None:
        return self.committer.run(
            0,
            lambda tx: table.claim(
                tx, self.charge_point_id, 1, settled=True, timeout_s=30, now=datetime.now(UTC)
            ),
        )


def _answered(claimed: Claimed, payload: dict[str, Any]) -> Result:
    decoder = ACTIONS[claimed.action].response_decoder
    return Result(status="answered", response=decoder.decode(msgspec.json.encode(payload)))
