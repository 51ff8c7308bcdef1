"""The end of a command as a value, and the form in which its payloads are stored.

What an end changes stands in `outcomes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from msgspec import Struct

from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """One command has reached its final state.

    `response` is set with `answered` only, and only if the answer kept to its schema.
    """

    command_id: int
    charge_point_id: int
    identity: str
    action: str
    request: Struct
    status: str  # "answered", "rejected", "timeout", "expired", "cancelled", "unknown"
    response: Struct | None
    error_code: str | None
    error_description: str | None
    session_epoch: int | None
    created_by: str
    local_list_update_id: int | None
    now: datetime

    @property
    def why(self) -> str:
        """A sentence about one that was not answered."""
        fault = self.error_description or self.error_code
        return f"Command {self.command_id} is {self.status}: {fault}"


def decode_request(action: str, request: str) -> Struct:
    """A stored request as its type; it was validated before it was stored."""
    decoded: Struct = FROM_CENTRAL_SYSTEM[action].request_decoder.decode(request)
    return decoded


def encode(payload: Struct) -> str:
    """A payload as JSON text, as it goes on the wire."""
    return msgspec.json.encode(payload).decode()
