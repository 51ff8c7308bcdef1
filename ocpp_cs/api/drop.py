"""`/drop/<token>/`: URLs that are good once, for charge points that upload or fetch a file (A16).

No key is asked for: whoever knows the URL is the charge point that it was made for. It stands
outside of the API, as charge points know nothing of that, and in no document.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, abort, request

from ocpp_cs import files
from ocpp_cs.api import downloads
from ocpp_cs.api.blueprint import request_time
from ocpp_cs.api.database import current_engine, write
from ocpp_cs.api.options import current_options
from ocpp_cs.api.problems import problem
from ocpp_cs.commands import transfers
from ocpp_cs.commands.transfers import PATH, UrlUsed, token_digest
from ocpp_cs.db import queries
from ocpp_cs.db.commit import Tx
from ocpp_cs.files import FileGone, FileTooLarge, NewFile

blueprint = Blueprint("drop", __name__)

_NO_SUCH_URL = "This URL does not exist, has expired, or was used."

logger = logging.getLogger(__name__)


@blueprint.route(f"{PATH}<path:rest>", methods=["GET", "PUT", "POST"], merge_slashes=False)
def drop(rest: str) -> Response:
    """What charge points append to the URL is the file's name: `<token>/log.zip`."""
    token, _, name = rest.partition("/")
    digest, now = token_digest(token), request_time()
    found = current_engine().read(lambda: queries.open_url(digest, now))
    if found is None:
        abort(problem(404, _NO_SUCH_URL))
    kind = transfers.KINDS[found.action]
    if kind.upload and request.method in ("PUT", "POST"):
        return _upload(found, kind, digest, name)
    if not kind.upload and request.method in ("GET", "HEAD"):
        return _download(found)
    allowed = "PUT, POST" if kind.upload else "GET, HEAD"
    return problem(405, f"Here one may {allowed}.", headers={"Allow": allowed})


def _download(found: queries.OpenUrl) -> Response:
    content = current_engine().read(lambda: queries.file_content(found.file_id or 0))
    if content is None:
        abort(problem(404, _NO_SUCH_URL))
    return downloads.send(content)


def _upload(found: queries.OpenUrl, kind: transfers.Kind, digest: str, name: str) -> Response:
    limit = current_options().files.upload_max_bytes
    if (request.content_length or 0) > limit + downloads.READ_BYTES:  # of a multipart frame
        return _too_large(limit)
    called = downloads.file_name() or name or found.file_name or ""
    file = NewFile(
        charge_point_id=found.owner,
        purpose=kind.purpose,
        name=files.safe_name(called, f"{kind.purpose}-{found.transfer_id}"),
        limit=limit,
        created_by=found.identity,
    )

    def completed(tx: Tx, file_id: int) -> None:
        transfers.fulfil(tx, found.transfer_id, digest, file_id, request_time())

    try:
        file_id = files.receive(
            lambda work: write(work, charge_point=found.identity),
            file,
            downloads.body(),
            request_time,
            completed=completed,
        )
    except FileTooLarge:
        return _too_large(limit)
    except (UrlUsed, FileGone):
        return problem(409, _NO_SUCH_URL)
    logger.info(
        "%s uploaded file %d", found.identity, file_id, extra={"charge_point": found.identity}
    )
    return _created()


def _created() -> Response:
    return Response(status=201, headers={"Cache-Control": "no-store"})


def _too_large(limit: int) -> Any:
    text = f"The file is larger than {limit} bytes."
    return problem(413, text, headers={"Connection": "close"})
