"""Keys of charge points and of the REST API: made, hashed, compared, and read from a header.

It decides nothing: who has to show a key and what a wrong one leads to is the affair of the
handshake and of the API's guard.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

SHORTEST_KEY = 16
"""Bytes of a key, at least (security whitepaper, A00.FR.205)."""

LONGEST_KEY = 40
"""Bytes of a key as it is typed or sent, at most: 20 bytes in hexadecimal (A00.FR.205)."""

_SALT_BYTES = 16
_DIGEST_BYTES = 32
# 16 MiB and some 50 ms: what a person chose can be guessed, 160 random bits cannot.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**14, 8, 1
_SCRYPT_MEMORY = 64 * 1024 * 1024
# The hexadecimal text of 16 to 20 bytes.
_HEXADECIMAL = re.compile(rb"(?:[0-9A-Fa-f]{2}){16,20}")
# Letters and digits of base32: a double click marks a whole key, and nothing of it needs quoting.
_API_KEY_ID_BYTES = 5
_API_KEY_SECRET_BYTES = 32
_API_KEY = re.compile(r"ocs_([a-z2-7]{8})_([a-z2-7]{52})", re.ASCII)


def generate_key() -> str:
    """A new key: 20 random bytes as the 40 hexadecimal digits that AuthorizationKey takes."""
    return secrets.token_bytes(20).hex()


def hash_key(secret: bytes, *, generated: bool) -> str:
    """What is stored in the key's place, with a salt of its own.

    `generated` says that the key is 20 random bytes of ours: a plain HMAC is enough for it, and it
    costs nothing when a whole fleet reconnects. Everything else gets scrypt. Raises ValueError for
    a key that is too short or too long to be one.
    """
    if not SHORTEST_KEY <= len(secret) <= LONGEST_KEY:
        raise ValueError(f"a key has {SHORTEST_KEY} to {LONGEST_KEY} bytes")
    salt = secrets.token_bytes(_SALT_BYTES)
    kind = "hmac-sha256" if generated else "scrypt"
    return f"{kind}${salt.hex()}${_digest(kind, salt, _key_bytes(secret)).hex()}"


def verify(hash_text: str, presented: bytes) -> bool:
    """Whether `presented` is the key behind `hash_text`, in constant time; False for a bad hash.

    The raw bytes of a key and its hexadecimal text, in either case, are the same key (R17).
    """
    kind, _, rest = hash_text.partition("$")
    salt, _, digest = rest.partition("$")
    try:
        expected = bytes.fromhex(digest)
        found = _digest(kind, bytes.fromhex(salt), _key_bytes(presented))
    except ValueError:
        return False
    return hmac.compare_digest(expected, found)


def is_slow(hash_text: str) -> bool:
    """Whether `verify` takes time and memory on purpose, so that it has to be rationed."""
    return hash_text.startswith("scrypt$")


DUMMY_HASH = f"scrypt${bytes(_SALT_BYTES).hex()}${bytes(_DIGEST_BYTES).hex()}"
"""The hash of no key: verifying against it takes as long as against that of a person's key (A4)."""


def parse_basic(header: str) -> tuple[bytes, bytes] | None:
    """User and password of an `Authorization` header; None if it is not a readable Basic one.

    As bytes, since OCPP-J's own example has a password that is no text (J §6.2.2); the user ends
    at the first colon.
    """
    scheme, _, encoded = header.strip().partition(" ")
    encoded = encoded.strip()
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        return None
    user, colon, password = decoded.partition(b":")
    return (user, password) if colon else None


def generate_api_key() -> tuple[str, str]:
    """Id and secret of a new key of the REST API; the secret is 32 random bytes."""
    return _base32(_API_KEY_ID_BYTES), _base32(_API_KEY_SECRET_BYTES)


def api_key_text(key_id: str, secret: str) -> str:
    """The key as its holder gets it, and shows it: `ocs_<id>_<secret>`."""
    return f"ocs_{key_id}_{secret}"


def parse_api_key(text: str) -> tuple[str, str] | None:
    """Id and secret; None for what no key looks like."""
    found = _API_KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def hash_api_key(secret: str) -> str:
    """What is stored of a secret, for `verify`; a plain HMAC, as nobody guesses 32 bytes (A17)."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"hmac-sha256${salt.hex()}${_digest('hmac-sha256', salt, secret.encode()).hex()}"


DUMMY_API_KEY_HASH = f"hmac-sha256${bytes(_SALT_BYTES).hex()}${bytes(_DIGEST_BYTES).hex()}"
"""The hash of no key of the REST API: an unknown id costs as much time as a known one (A4)."""


def _base32(size: int) -> str:
    return base64.b32encode(secrets.token_bytes(size)).decode().rstrip("=").lower()


def _key_bytes(secret: bytes) -> bytes:
    """The raw key where its hexadecimal text is given."""
    return bytes.fromhex(secret.decode("ascii")) if _HEXADECIMAL.fullmatch(secret) else secret


def _digest(kind: str, salt: bytes, secret: bytes) -> bytes:
    if kind == "hmac-sha256":
        return hmac.digest(salt, secret, "sha256")
    if kind == "scrypt":
        return hashlib.scrypt(
            # Of one length: scrypt takes a password for the same with a NUL added.
            hashlib.sha256(secret).digest(),
            salt=salt,
            n=_SCRYPT_N,
            r=_SCRYPT_R,
            p=_SCRYPT_P,
            maxmem=_SCRYPT_MEMORY,
            dklen=_DIGEST_BYTES,
        )
    raise ValueError(f"no such hash: {kind}")
