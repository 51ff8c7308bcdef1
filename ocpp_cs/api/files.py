"""`/files` and `/file-transfers`: what charge points uploaded, firmware for them, how far that is.

How a charge point gets its URL stands in `commands.transfers`; where a file is kept, in `files`.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NoReturn

from flask import Response, abort, request
from flask.views import MethodView

from ocpp_cs import audit, files
from ocpp_cs.api import downloads
from ocpp_cs.api.access import BASE_PATH, current_actor
from ocpp_cs.api.blueprint import Blueprint, Parameters, named_refusals, request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.fields import (
    INT32_MAX,
    Row,
    Text,
    Time,
    Whole,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.lists import Listing, ListParameters, answer, filter_of
from ocpp_cs.api.options import current_options
from ocpp_cs.api.ordering import LOCATION
from ocpp_cs.api.problems import problem, refuse
from ocpp_cs.commands.transfers import KINDS
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.files import OF_ALL, FileTooLarge, NewFile

PURPOSES = ("diagnostics", "log", "firmware")
STATUSES = (
    "requested",
    "accepted",
    "in_progress",
    "completed",
    "rejected",
    "cancelled",
    "failed",
    "unknown",
)

blueprint = Blueprint("files", "Files: diagnostics and logs of charge points, firmware for them.")


class File(Row):
    """A file."""

    id = Whole("The file's id.", 17)
    charge_point_id = Text(
        "The charge point that uploaded it; null: firmware.", "CB-4711", nullable=True
    )
    purpose = Text("What it is.", "log", choices=PURPOSES)
    name = Text("Its name.", "security-2026-11-22.log")
    size_bytes = Whole("Its size.", 48213, unit="bytes")
    sha256 = Text(
        "Digest of its content, hexadecimal.",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    )
    created_by = Text("The charge point or the API key that it came from.", "CB-4711")
    created_at = Time("When it began to arrive.", "2026-11-22T10:00:00.000Z")


class FileTransfer(Row):
    """A command that moves a file, and how far that is."""

    id = Whole("The transfer's id.", 3)
    charge_point_id = Text("OCPP identity of the charge point.", "CB-4711", nullable=True)
    command_id = Whole("The command.", 17)
    action = Text("What it is.", "GetLog", choices=tuple(KINDS))
    request_id = Whole("Its requestId, where the action has one.", 1, nullable=True)
    location = Text(
        'Where the file goes to or comes from; "drop", or "drop:" and the number of a file, for a '
        "URL of our own. Passwords are blotted out.",
        "drop",
    )
    expires_at = Time("Until when our URL is good.", "2026-11-23T10:00:00.000Z", nullable=True)
    file_id = Whole("The file that was uploaded, or is to be fetched.", 17, nullable=True)
    file_name = Text("What the charge point calls it.", "security.log", nullable=True)
    status = Text(
        "requested until the charge point answers; accepted; in_progress; completed; rejected by "
        "the charge point; cancelled, also by a later request; failed; unknown: no answer came.",
        "completed",
        choices=STATUSES,
    )
    progress = Text("What the charge point said of it last, as in OCPP.", "Uploaded", nullable=True)
    created_by = Text("Who ordered it.", "booking (k3f7x2ab)")
    created_at = Time("When it was ordered.", "2026-11-22T10:00:00.000Z")
    updated_at = Time("When its status changed last.", "2026-11-22T10:00:09.000Z")
    finished_at = Time("When it ended.", "2026-11-22T10:00:09.000Z", nullable=True)


def _since() -> Time:
    return Time(
        "Only those made at or after this time.",
        "2026-11-01T00:00:00Z",
        data_key="from",
        required=False,
    )


def _until() -> Time:
    return Time(
        "Only those made before this time.", "2026-12-01T00:00:00Z", data_key="to", required=False
    )


class FileParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    purpose = Text("Only those of this kind.", "log", required=False, choices=PURPOSES)
    since = _since()
    until = _until()


class FileTransferParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    action = Text("Only those of this action.", "GetLog", required=False, choices=tuple(KINDS))
    request_id = Whole(
        "Only those with this requestId.",
        1,
        required=False,
        validate=number_range(-INT32_MAX - 1, INT32_MAX),
    )
    status = Text("Only those of this status.", "failed", required=False, choices=STATUSES)
    since = _since()
    until = _until()


class FirmwareParameters(Parameters):
    name = Text(
        "The file's name; charge points see it in the URL.",
        "wallbox-1.5.0.bin",
        validate=text_range(120),
    )


FILES = Listing("files", File, ("id",), (int,))
TRANSFERS = Listing("file-transfers", FileTransfer, ("id",), (int,))
_CONTENT = {"schema": {"type": "string", "format": "binary"}}
_RANGE = {
    "in": "header",
    "name": "Range",
    "required": False,
    "description": "A part of it, such as bytes=0-1023.",
    "schema": {"type": "string", "examples": ["bytes=0-1023"]},
}
_FIRMWARE_BODY = {
    "required": True,
    "description": "The file as it is, at most FIRMWARE_MAX_BYTES.",
    "content": {downloads.MEDIA_TYPE: {**_CONTENT, "example": "firmware"}},
}


@blueprint.route("/files")
class Files(MethodView):
    @FILES.view(blueprint, FileParameters, "list_files")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List the files.

        The newest first.
        """
        wanted = filter_of(queries.FileFilter, parameters)
        return answer(FILES, parameters, partial(queries.files, wanted))

    @blueprint.item(
        File, "upload_firmware", status=201, refusals=(400, 413, 415), parameters=FirmwareParameters
    )
    @blueprint.doc(requestBody=_FIRMWARE_BODY, responses={201: {"headers": {"Location": LOCATION}}})
    def post(self, name: str) -> Any:
        """Upload firmware.

        The body is the file. UpdateFirmware and SignedUpdateFirmware send charge points to it
        with the location `drop:` and the number of the file.
        """
        if request.mimetype != downloads.MEDIA_TYPE:
            refuse(415, f"The body must be {downloads.MEDIA_TYPE}, and Content-Type say so.")
        actor = current_actor()
        file = NewFile(
            charge_point_id=OF_ALL,
            purpose="firmware",
            name=files.safe_name(name, "firmware.bin"),
            limit=current_options().files.firmware_max_bytes,
            created_by=actor.name,
        )

        def completed(tx: Tx, file_id: int) -> None:
            audit.record(tx, actor, "file.create", f"files/{file_id}", request_time())

        try:
            id = files.receive(write, file, downloads.body(), request_time, completed=completed)
        except FileTooLarge:
            text = f"The file is larger than {file.limit} bytes."
            abort(problem(413, text, headers={"Connection": "close"}))
        return _found(id), 201, {"Location": f"{BASE_PATH}/files/{id}"}


@blueprint.route("/files/<file_id>")
class OneFile(MethodView):
    @blueprint.item(File, "get_file")
    def get(self, file_id: int) -> queries.FileRow:
        """Get what is known of a file."""
        return _found(file_id)

    @blueprint.item(None, "delete_file")
    def delete(self, file_id: int) -> None:
        """Delete a file.

        A charge point that fetches it just now is cut off.
        """
        found, actor = _found(file_id), current_actor()

        def record(tx: Tx) -> None:
            told = {"name": found.name, "sha256": found.sha256}
            audit.record(tx, actor, "file.delete", f"files/{file_id}", request_time(), told)

        write(record)
        files.delete(write, file_id)


@blueprint.route("/files/<file_id>/content")
class FileContent(MethodView):
    @blueprint.doc(
        operationId="get_file_content",
        parameters=[_RANGE],
        responses={
            200: {"description": "The file.", "content": {downloads.MEDIA_TYPE: _CONTENT}},
            206: {"description": "A part of it.", "content": {downloads.MEDIA_TYPE: _CONTENT}},
            **named_refusals((404, 416)),
        },
    )
    @blueprint.arguments(Parameters(), location="query", as_kwargs=True)
    def get(self, file_id: int) -> Response:
        """Download a file.

        As an attachment, whatever it is. `Range` gets a part of it.
        """
        content = current_engine().read(lambda: queries.file_content(file_id))
        return downloads.send(content or _refuse_file(file_id))


@blueprint.route("/file-transfers")
class FileTransfers(MethodView):
    @TRANSFERS.view(blueprint, FileTransferParameters, "list_file_transfers")
    def get(self, parameters: dict[str, Any]) -> Response:
        """List what became of the commands that move files.

        GetDiagnostics, GetLog, UpdateFirmware and SignedUpdateFirmware; the newest first.
        """
        wanted = filter_of(queries.FileTransferFilter, parameters)
        return answer(TRANSFERS, parameters, partial(queries.file_transfers, wanted))


@blueprint.route("/file-transfers/<file_transfer_id>")
class OneFileTransfer(MethodView):
    @blueprint.item(FileTransfer, "get_file_transfer")
    def get(self, file_transfer_id: int) -> queries.FileTransferRow:
        """Get what became of a command that moves a file."""
        found = current_engine().read(lambda: queries.file_transfer(file_transfer_id))
        return found or refuse(404, f"There is no file transfer {file_transfer_id}.")


def _found(id: int) -> queries.FileRow:
    return current_engine().read(lambda: queries.file(id)) or _refuse_file(id)


def _refuse_file(id: int) -> NoReturn:
    refuse(404, f"There is no file {id}.", code="unknown_file")
