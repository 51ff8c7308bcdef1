"""Which refused handshakes were probably meant to be those of a charge point that is waited for.

Pure: it looks at what was recorded under identities that nobody has registered, and guesses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from ocpp_cs.db.queries import ConnectionAttemptRow

Kind = Literal["case", "path", "no_identity", "similar", "tls", "address"]

_SIMILAR = 0.8  # BOX-17 and B0X-17, but not BOX-17 and CP-17
_TLS = "tls_"


class NearMiss(NamedTuple):
    """A refused handshake, and why it may have been meant; `kind` names its text."""

    row: ConnectionAttemptRow
    kind: Kind


def near_misses(
    identity: str, strangers: Iterable[ConnectionAttemptRow], addresses: Collection[str]
) -> list[NearMiss]:
    """Those of the strangers that nearly fit. `addresses`: from where the charge point itself has
    tried already."""
    found = ((row, _kind(identity, row, addresses)) for row in strangers)
    return [NearMiss(row, kind) for row, kind in found if kind is not None]


def _kind(identity: str, row: ConnectionAttemptRow, addresses: Collection[str]) -> Kind | None:
    tried = row.charge_point_id
    if tried.strip().casefold() == identity.strip().casefold():
        return "case"
    if row.outcome == "wrong_path":
        return "path"
    if row.outcome == "bad_identity":
        return "no_identity"
    if row.outcome.startswith(_TLS) and not tried:
        return "tls"
    if SequenceMatcher(None, tried.casefold(), identity.casefold()).ratio() >= _SIMILAR:
        return "similar"
    return "address" if row.remote_address in addresses else None
