"""What logins may cost: slow hashes one after the other, verified keys remembered.

It does not know who may log in: that is the handshake's decision. `throttle` counts guesses.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Sequence

from ocpp_cs import credentials
from ocpp_cs.db.offload import offload

# Each slow check takes 16 MiB and a processor (F28).
_SLOW_CHECKS_AT_ONCE = 2
# A charge point gives up its handshake after some ten seconds.
_LONGEST_WAIT_S = 10.0
_REMEMBERED_FOR_S = 15 * 60.0
_REMEMBERED = 20_000


class Overloaded(Exception):
    """Too many slow checks are waiting."""


class KeyCheck:
    """Compares presented keys with stored hashes."""

    def __init__(self) -> None:
        self._gate = threading.BoundedSemaphore(_SLOW_CHECKS_AT_ONCE)
        self._secret = secrets.token_bytes(32)
        self._verified: dict[bytes, float] = {}

    def find(self, hashes: Sequence[str], presented: bytes, *, hide: bool) -> str | None:
        """The first of `hashes` whose key was presented, or None. Raises Overloaded.

        With `hide` a failure takes as long whatever kind of hashes there are, if any (A4).
        """
        for hash_text in hashes:
            if self._matches(hash_text, presented):
                return hash_text
        if hide and not any(map(credentials.is_slow, hashes)):
            self._slowly(credentials.DUMMY_HASH, presented)
        return None

    def _matches(self, hash_text: str, presented: bytes) -> bool:
        if not credentials.is_slow(hash_text):
            return credentials.verify(hash_text, presented)
        token = self._token(hash_text, presented)
        if self._verified.get(token, 0.0) > time.monotonic():
            return True
        if not self._slowly(hash_text, presented):
            return False
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = time.monotonic() + _REMEMBERED_FOR_S
        return True

    def _slowly(self, hash_text: str, presented: bytes) -> bool:
        if not self._gate.acquire(timeout=_LONGEST_WAIT_S):
            raise Overloaded
        try:
            return offload(lambda: credentials.verify(hash_text, presented))
        finally:
            self._gate.release()

    def _token(self, hash_text: str, presented: bytes) -> bytes:
        """Tells verified keys apart without keeping them; worthless outside of this process."""
        message = hash_text.encode() + hashlib.sha256(presented).digest()
        return hmac.digest(self._secret, message, "sha256")
