"""What the log says about one connection."""

from __future__ import annotations

import logging
import secrets

from ocpp_cs.handlers import ConnectedChargePoint

logger = logging.getLogger("ocpp_cs.gateway")


class ConnectionLog:
    """Lines about one connection, each with its charge point and the name of the connection: the
    charge point's key and the session's epoch."""

    __slots__ = ("_identity", "_name")

    def __init__(self, charge_point: ConnectedChargePoint) -> None:
        self._identity = charge_point.identity
        self._name = f"{charge_point.id}-{charge_point.epoch}"

    def fields(self, message_id: str | None = None) -> dict[str, str | None]:
        """What every line has; `message_id` where there is one."""
        return {"charge_point": self._identity, "connection": self._name, "message_id": message_id}

    def info(self, text: str, message_id: str | None = None) -> None:
        logger.info(text, extra=self.fields(message_id))

    def defect(self, text: str, message_id: str | None = None) -> str:
        """Logs the exception that is being handled; the reference that stands beside it (A18)."""
        reference = secrets.token_hex(6)
        logger.exception(text, extra={**self.fields(message_id), "reference": reference})
        return reference
