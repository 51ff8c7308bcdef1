"""An order: a command that has no row yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

from ocpp_cs.files import ANYWHERE, FilePolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be sent, and how long it may wait for the charge point to be there.

    `deliver_within_s` 0: only over the connection that is there now. `key_hash` as `key_hash_of`
    gives it. `files` says where files may come from and go to.
    """

    action: str
    request: Struct
    deliver_within_s: int = 0
    batch_id: int | None = None
    local_list_update_id: int | None = None
    not_before: datetime | None = None
    key_hash: str | None = None
    files: FilePolicy = ANYWHERE

    @property
    def automatic(self) -> bool:
        """Whether nobody waits for it: it leaves a charge point time to settle (F10, F11)."""
        return self.deliver_within_s > 0 or self.batch_id is not None
