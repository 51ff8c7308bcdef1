"""API keys that are shown to us: whose they are, or why they are refused.

Shared by the guard of the API and the console's way in; what their holders may do, those decide.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, cast

from flask import Flask, current_app, request

from ocpp_cs import api_keys, credentials
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_committer, current_engine
from ocpp_cs.api_keys import Role
from ocpp_cs.audit import Actor
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Committer
from ocpp_cs.throttle import FailureLimits

_NAME = "ocpp_cs.keys"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request. `key_id` is the public part of the key; empty without one."""

    actor: Actor
    role: Role
    key_id: str = ""

    @property
    def has_key(self) -> bool:
        return bool(self.key_id)


class KeyRefused(Exception):
    """The key is not good, the text says why; `retry_after_s` above 0: too many wrong ones came."""

    def __init__(self, key_id: str, why: str, retry_after_s: int = 0) -> None:
        super().__init__(why)
        self.key_id = key_id
        self.retry_after_s = retry_after_s


def register_keys(app: Flask, limits: FailureLimits) -> KeyCheck:
    app.extensions[_NAME] = check = KeyCheck(limits)
    return check


def current_keys() -> KeyCheck:
    check: KeyCheck = current_app.extensions[_NAME]
    return check


def without_key() -> Caller:
    """Who comes without a key where API_WITHOUT_KEY lets them read."""
    return Caller(Actor("without key", remote_address()), "analyst")


def remote_address() -> str:
    return request.remote_addr or ""


class KeyCheck:
    """Finds the holders of keys, and counts wrong keys."""

    def __init__(self, limits: FailureLimits) -> None:
        self._limits = limits
        self._noting: set[str] = set()
        self._lock = threading.Lock()

    def holder(self, shown: str) -> Caller:
        """The holder of the key; raises KeyRefused. A right one is never refused for the failures
        of others."""
        key_id, secret = credentials.parse_api_key(shown) or ("", "")
        found = current_engine().read(lambda: queries.api_key_secret(key_id))
        hash_text = credentials.DUMMY_API_KEY_HASH if found is None else found.secret_hash
        if not credentials.verify(hash_text, secret.encode()) or found is None:
            self._refuse(key_id, "There is no such API key.")
        # Who holds the secret may know why it is refused all the same.
        now = request_time()
        if found.revoked_at is not None:
            self._refuse(key_id, "This API key was revoked.")
        if not api_keys.is_valid(found.revoked_at, found.expires_at, now):
            self._refuse(key_id, "This API key has expired.")
        self._note_use(found, now)
        name = api_keys.actor_name(found.id, found.name)
        return Caller(Actor(name, remote_address()), cast(Role, found.role), found.id)

    def _refuse(self, key_id: str, why: str) -> NoReturn:
        """Counts it, unless there were too many before (A3)."""
        address = remote_address()
        if wait := self._limits.begin(address, key_id):
            raise KeyRefused(key_id, why, wait)
        self._limits.failed(address)
        told = (key_id or "of no known form", why)
        logger.info("API key %s refused: %s", *told, extra={"remote_address": address})
        raise KeyRefused(key_id, why)

    def _note_use(self, key: queries.ApiKeySecret, now: datetime) -> None:
        """Beside the request, which neither waits for it nor fails with it."""
        used_at = key.last_used_at
        if used_at is not None and now - used_at < api_keys.USE_NOTED_EVERY:
            return
        with self._lock:
            if key.id in self._noting:
                return
            self._noting.add(key.id)
        arguments = (current_committer(), key.id, now)
        threading.Thread(target=self._touch, args=arguments, name="api-key", daemon=True).start()

    def _touch(self, committer: Committer, key_id: str, now: datetime) -> None:
        try:
            committer.run(0, lambda tx: api_keys.touch(tx, key_id, now))
        except Exception as error:
            logger.warning("the use of API key %s could not be noted: %s", key_id, error)
        finally:
            with self._lock:
                self._noting.discard(key_id)
