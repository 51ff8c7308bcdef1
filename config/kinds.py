"""The kinds of settings: how the text of a variable becomes a value, and what is accepted.

No setting is named here: `settings.py` builds its table from these. Each returns a dataclass field
whose metadata holds the rest of the setting's row; a reader raises ValueError for a bad text.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeVar, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

T = TypeVar("T")
Network = IPv4Network | IPv6Network
EVERYWHERE: tuple[Network, ...] = (ip_network("0.0.0.0/0"), ip_network("::/0"))
"""What `*` means where networks are listed."""

_SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def setting(
    default: T,
    read: Callable[[str], T],
    accepts: str,
    meaning: str,
    *,
    unit: str = "",
    secret: bool = False,
) -> T:
    """A setting of any kind; `accepts` ends the sentence "it must be ..." of a refused value."""
    row = {"read": read, "accepts": accepts, "meaning": meaning, "unit": unit, "secret": secret}
    return dataclasses.field(default=default, repr=not secret, metadata=row)


def whole(default: int, lowest: int, highest: int, unit: str, meaning: str) -> int:
    """A whole number, bounds included."""

    def read(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,18}", text) or not lowest <= int(text) <= highest:
            raise ValueError(text)
        return int(text)

    accepts = f"a whole number from {lowest} to {highest}"
    return setting(default, read, accepts, meaning, unit=unit)


def seconds(default: float, lowest: float, highest: float, meaning: str) -> float:
    """A time in seconds, decimals allowed, bounds included."""

    def read(text: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,9})?", text):
            raise ValueError(text)
        if not lowest <= float(text) <= highest:
            raise ValueError(text)
        return float(text)

    accepts = f"a number of seconds from {lowest:g} to {highest:g}"
    return setting(default, read, accepts, meaning, unit="s")


def time_zone(text: str) -> str:
    """The name of a time zone, as IANA spells it."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(text) from error
    return text


def hours(text: str) -> float:
    """Reads a number of hours, decimals allowed."""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or not 0.001 <= float(text) <= 720:
        raise ValueError(text)
    return float(text)


def switch(default: bool, meaning: str) -> bool:
    """Off or on."""

    def read(text: str) -> bool:
        if text.lower() not in _SWITCH:
            raise ValueError(text)
        return _SWITCH[text.lower()]

    return setting(default, read, "0 or 1", meaning)


def choice(default: T, literal: object, meaning: str) -> T:
    """One of the texts of a `typing.Literal`, in upper or lower case."""
    choices: tuple[T, ...] = get_args(literal)

    def read(text: str) -> T:
        return choices[list(map(str, choices)).index(text.lower())]  # ValueError for no choice

    *others, last = map(str, choices)
    return setting(default, read, f"{', '.join(others)} or {last}", meaning)


def text(default: str, longest: int, accepts: str, meaning: str) -> str:
    """Any text of one line."""

    def read(value: str) -> str:
        if len(value) > longest or not value.isprintable():
            raise ValueError(value)
        return value

    return setting(default, read, accepts, meaning)


def token(meaning: str) -> str:
    """A secret that programs show; empty by default: none."""

    def read(text: str) -> str:
        if not re.fullmatch(r"([0-9A-Za-z_.~+/=-]{16,512})?", text):
            raise ValueError
        return text

    accepts = "16 to 512 letters, digits or characters of _ . ~ + / = -"
    return setting("", read, accepts, meaning, secret=True)


def words(default: tuple[str, ...], pattern: str, accepts: str, meaning: str) -> tuple[str, ...]:
    """Any number of words, in lower case, separated by commas or blanks."""

    def read(value: str) -> tuple[str, ...]:
        found = tuple(value.lower().replace(",", " ").split())
        if not all(re.fullmatch(pattern, word) for word in found):
            raise ValueError(value)
        return found

    return setting(default, read, accepts, meaning)


def public_url(text: str) -> str:
    """Reads the URL that a server is reached by, without a slash at its end; none is fine."""
    if not text:
        return text
    parts = urlsplit(text)
    fine = parts.scheme in ("http", "https") and _host_and_port(parts.netloc) and parts.hostname
    if not fine or parts.query or parts.fragment or re.search(r"[\s\\\"<>]", text):
        raise ValueError(text)
    return text.rstrip("/")


def host(text: str) -> str:
    """Reads a host name or an IP address, IPv6 without brackets."""
    if not re.fullmatch(r"[0-9A-Za-z_.:%-]{1,253}", text):
        raise ValueError(text)
    return text


def networks(default: str, meaning: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas; `*` is all of them, blank none."""

    def read(text: str) -> tuple[Network, ...]:
        if text == "*":
            return EVERYWHERE
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())

    accepts = "IP addresses and networks such as 10.0.0.0/8, separated by commas, or *"
    return setting(read(default), read, accepts, meaning)


def shown_tuple(value: tuple[object, ...]) -> str:
    """Networks or words as one would write them in the environment."""
    return "*" if value == EVERYWHERE else ", ".join(map(str, value))


def file(meaning: str) -> str:
    """The path of a file, empty by default: none. Whether it is there is seen where it is read."""
    return text("", 4096, "the path of a file", meaning)


def database_url(text: str) -> str:
    """Reads the URL of an SQLite file or of a PostgreSQL database, several hosts allowed."""
    parts = urlsplit(text)
    if parts.scheme == "sqlite":
        # Three slashes, then the path. An in-memory database has one connection; we need two.
        path = text.removeprefix("sqlite:///")
        fine = path not in ("", text) and not path.startswith(":memory:") and "?" not in path
    else:
        hosts = parts.netloc.rpartition("@")[2].split(",")
        fine = parts.scheme in ("postgres", "postgresql") and all(map(_host_and_port, hosts))
        fine = fine and "://" in text
    if not fine or re.search(r"\s", text):
        raise ValueError
    return text


def _host_and_port(text: str) -> bool:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::([0-9]{1,5}))?", text)
    return found is not None and 0 < int(found[2] or 5432) < 65536
