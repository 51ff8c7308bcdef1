"""Files to and from charge points: where they are sent, and how far that is (§4.4, §4.5, L01, N01).

The location of such a command is a URL that the operator's settings allow, or "drop": then a URL
of our own is made, which nobody can guess and which is good for one upload, or for the download of
one firmware ("drop:17"), for a time. We never fetch a URL ourselves (A16).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct

from ocpp_cs.commands.addressee import Addressee
from ocpp_cs.commands.ends import End
from ocpp_cs.commands.refusals import Refused
from ocpp_cs.commands.secrets import without_secrets
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import FileTransfer, StoredFile
from ocpp_cs.db.statement import Statement
from ocpp_cs.files import FilePolicy, Purpose
from ocpp_cs.ocpp16.times import parse_time

PATH = "/drop/"
"""Of our own URLs."""

TOKEN_BYTES = 32


class Kind(NamedTuple):
    """An action that moves a file: what it moves, and where its location stands in the request."""

    purpose: Purpose
    upload: bool
    place: tuple[str, ...]
    name: str  # of the location on the wire
    retrieve: str = ""


KINDS: Mapping[str, Kind] = {
    "GetDiagnostics": Kind("diagnostics", True, ("location",), "location"),
    "GetLog": Kind("log", True, ("log", "remote_location"), "log.remoteLocation"),
    "UpdateFirmware": Kind("firmware", False, ("location",), "location", "retrieve_date"),
    "SignedUpdateFirmware": Kind(
        "firmware", False, ("firmware", "location"), "firmware.location", "retrieve_date_time"
    ),
}

_DROP = re.compile(r"drop(?::([1-9][0-9]{0,8}))?")
_COMPLETED = frozenset(("Uploaded", "Installed"))
_FAILED = frozenset(
    (
        "BadMessage",
        "DownloadFailed",
        "InstallationFailed",
        "InstallVerificationFailed",
        "InvalidSignature",
        "NotSupportedOperation",
        "PermissionDenied",
        "UploadFailed",
        "UploadFailure",
    )
)
# A report without a number is about the latest transfer, unless that has ended for so long.
_STILL_MEANT = timedelta(days=1)

_INSERT = Statement(
    lambda p: FileTransfer.insert(
        charge_point_id=p.charge_point_id,
        command_id=p.command_id,
        action=p.action,
        request_id=p.request_id,
        location=p.location,
        token_hash=p.token_hash,
        expires_at=p.expires_at,
        file_id=p.file_id,
        status="requested",
        created_by=p.created_by,
        created_at=p.now,
        updated_at=p.now,
    )
)
_FIRMWARE = Statement(
    lambda p: StoredFile.select(StoredFile.name).where(
        (StoredFile.id == p.file_id)
        & (StoredFile.purpose == "firmware")
        & StoredFile.completed_at.is_null(False)
    )
)
_OF_COMMAND = Statement(
    lambda p: FileTransfer.select(FileTransfer.id, FileTransfer.status).where(
        FileTransfer.command_id == p.command_id
    )
)
_SET = Statement(
    lambda p: FileTransfer.update(
        status=p.status, progress=p.progress, finished_at=p.finished_at, updated_at=p.now
    ).where(FileTransfer.id == p.id)
)
_NAME = Statement(
    lambda p: FileTransfer.update(file_name=p.file_name).where(FileTransfer.id == p.id)
)
_CANCEL_OLDER = Statement(
    lambda p: FileTransfer.update(
        status="cancelled", token_hash=None, finished_at=p.now, updated_at=p.now
    ).where(
        (FileTransfer.charge_point_id == p.charge_point_id)
        & (FileTransfer.id < p.id)
        & (FileTransfer.action == p.action)
        & FileTransfer.finished_at.is_null()
    )
)
_LATEST = Statement(
    lambda p: (
        FileTransfer.select(FileTransfer.id, FileTransfer.status, FileTransfer.finished_at)
        .where(
            (FileTransfer.charge_point_id == p.charge_point_id) & (FileTransfer.action == p.action)
        )
        .order_by(FileTransfer.id.desc())
        .limit(1)
    )
)
_OF_REQUEST = Statement(
    lambda p: (
        FileTransfer.select(FileTransfer.id, FileTransfer.status, FileTransfer.finished_at)
        .where(
            (FileTransfer.charge_point_id == p.charge_point_id)
            & (FileTransfer.action == p.action)
            & (FileTransfer.request_id == p.request_id)
        )
        .order_by(FileTransfer.id.desc())
        .limit(1)
    )
)
_FULFIL = Statement(
    lambda p: FileTransfer.update(
        file_id=p.file_id,
        token_hash=None,
        status="completed",
        finished_at=p.now,
        updated_at=p.now,
    ).where((FileTransfer.id == p.id) & (FileTransfer.token_hash == p.token_hash))
)


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a transfer before its command has a number."""

    location: str
    request_id: int | None
    token_hash: str | None = None
    expires_at: datetime | None = None
    file_id: int | None = None


class UrlUsed(Exception):
    """Another upload has used up the URL."""


# --- Ordered --------------------------------------------------------------------------------------


def prepare(
    tx: Tx, action: str, request: Struct, files: FilePolicy, *, waits_s: int, now: datetime
) -> tuple[Struct, Draft | None]:
    """The request with a URL in the place of "drop", and what becomes its transfer; None for
    actions that move no file. Raises Refused (422)."""
    kind = KINDS.get(action)
    if kind is None:
        return request, None
    location = _location(request, kind)
    request_id: int | None = getattr(request, "request_id", None)
    drop = _DROP.fullmatch(location)
    if drop is None:
        check_location(location, kind.name, files)
        return request, Draft(without_secrets(location), request_id)
    name, file_id = "", None
    if kind.upload and drop[1]:
        raise _refused(kind, "bad_location", 'An upload goes to "drop", without a number.')
    if not kind.upload:
        file_id = int(drop[1] or 0)
        row = tx.one(_FIRMWARE, file_id=file_id)
        if row is None:
            raise _refused(
                kind, "unknown_file", 'Firmware is "drop:" and the number of one in /files.'
            )
        name = quote(row[0])
    if not files.public_url:
        raise _refused(kind, "no_public_url", "PUBLIC_URL is not set.")
    token = secrets.token_urlsafe(TOKEN_BYTES)
    url = f"{files.public_url}{PATH}{token}/{name}"
    begins = max(now + timedelta(seconds=waits_s), _retrieved_at(request, kind) or now)
    expires_at = begins + timedelta(hours=files.link_hours)
    draft = Draft(location, request_id, token_digest(token), expires_at, file_id)
    return _with_location(request, kind, url), draft


def begin(
    tx: Tx,
    addressee: Addressee,
    action: str,
    draft: Draft,
    command_id: int,
    *,
    created_by: str,
    now: datetime,
) -> None:
    """The transfer of a command that was just queued."""
    tx.execute(
        _INSERT,
        charge_point_id=addressee.id,
        command_id=command_id,
        action=action,
        request_id=draft.request_id,
        location=draft.location,
        token_hash=draft.token_hash,
        expires_at=draft.expires_at,
        file_id=draft.file_id,
        created_by=created_by,
        now=now,
    )


def check_location(location: str, name: str, files: FilePolicy) -> None:
    """Raises Refused (422) for a URL that the settings do not allow (A16)."""
    try:
        parts = urlsplit(location)
        host = (parts.hostname or "").lower()
        _ = parts.port
    except ValueError:
        parts, host = None, ""
    if parts is None or not host or re.search(r"[\s\x00-\x1f\\]", location):
        fault = 'Not a URL with a host, nor "drop".'
    elif parts.scheme.lower() not in files.schemes:
        fault = f"The scheme must be one of LOCATION_SCHEMES: {', '.join(files.schemes)}."
    elif files.hosts and not any(_matches(host, pattern) for pattern in files.hosts):
        fault = "The host is not one of LOCATION_HOSTS."
    else:
        return
    raise Refused(422, "location_not_allowed", f"{name}: {fault}", {name: [fault]})


def token_digest(token: str) -> str:
    """What is stored of the part of a URL that nobody can guess."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern.strip("[]")


def _location(request: Any, kind: Kind) -> str:
    for name in kind.place:
        request = getattr(request, name)
    return str(request)


def _with_location(request: Any, kind: Kind, url: str) -> Any:
    *above, last = kind.place
    part = getattr(request, above[0]) if above else request
    changed = msgspec.structs.replace(part, **{last: url})
    return msgspec.structs.replace(request, **{above[0]: changed}) if above else changed


def _retrieved_at(request: Any, kind: Kind) -> datetime | None:
    """When the charge point is to begin with it, which may be next week."""
    part = getattr(request, kind.place[0]) if len(kind.place) > 1 else request
    text = getattr(part, kind.retrieve, None) if kind.retrieve else None
    return None if text is None else parse_time(text)[0]


def _refused(kind: Kind, code: str, fault: str) -> Refused:
    return Refused(422, code, f"{kind.name}: {fault}", {kind.name: [fault]})


# --- What became of it ----------------------------------------------------------------------------


def answered(tx: Tx, end: End) -> None:
    """The command of a transfer has ended."""
    row = tx.one(_OF_COMMAND, command_id=end.command_id)
    if row is None:
        return
    id, status = row
    file_name = getattr(end.response, "file_name", None) or getattr(end.response, "filename", None)
    if file_name is not None:
        tx.execute(_NAME, id=id, file_name=file_name)
    if getattr(end.response, "status", None) == "AcceptedCanceled":
        values = {"charge_point_id": end.charge_point_id, "action": end.action}
        tx.execute(_CANCEL_OLDER, **values, id=id, now=end.now)
    if status != "requested":  # a report was faster than the answer
        return
    status, progress = _verdict(end, file_name)
    over = status in ("rejected", "failed", "cancelled")
    tx.execute(
        _SET,
        id=id,
        status=status,
        progress=progress,
        finished_at=end.now if over else None,
        now=end.now,
    )


def reported(
    tx: Tx,
    charge_point_id: int,
    action: str,
    *,
    status: str,
    request_id: int | None,
    now: datetime,
) -> None:
    """A charge point says how far it is; `Idle` says that nothing is going on."""
    if status == "Idle":
        return
    values = {"charge_point_id": charge_point_id, "action": action}
    if request_id is None:
        row = tx.one(_LATEST, **values)
        finished_at = None if row is None else read_time(row[2])
        if finished_at is not None and finished_at < now - _STILL_MEANT:
            return
    else:
        row = tx.one(_OF_REQUEST, **values, request_id=request_id)
    if row is None:
        return
    id, before, _ = row
    if status in _COMPLETED or before == "completed":
        after = "completed"  # our drop may know sooner than its report arrives
    else:
        after = "failed" if status in _FAILED else "in_progress"
    over = after != "in_progress"
    tx.execute(
        _SET, id=id, status=after, progress=status, finished_at=now if over else None, now=now
    )


def fulfil(tx: Tx, transfer_id: int, token_hash: str, file_id: int, now: datetime) -> None:
    """The upload has arrived, and its URL is used up. Raises UrlUsed for the second of two."""
    if not tx.execute(
        _FULFIL, id=transfer_id, token_hash=token_hash, file_id=file_id, now=now
    ).rowcount:
        raise UrlUsed


def _verdict(end: End, file_name: str | None) -> tuple[str, str | None]:
    """Status of the transfer, and what the charge point said."""
    if end.status != "answered":
        ends = {"rejected": "rejected", "expired": "failed", "cancelled": "cancelled"}
        return ends.get(end.status, "unknown"), end.error_code
    if end.response is None:
        return "unknown", end.error_code
    told: str | None = getattr(end.response, "status", None)
    if end.action == "GetDiagnostics":
        return ("accepted" if file_name else "rejected"), None
    accepted = told in (None, "Accepted", "AcceptedCanceled")
    return ("accepted" if accepted else "rejected"), told
