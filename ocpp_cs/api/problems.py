"""Errors as RFC 9457 problems: the one body that every error of the HTTP side has.

It decides nothing about what is an error, and shows nothing internal: what went wrong inside
stands in the log, under the reference that the client got.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, NoReturn, cast

from flask import Flask, Response, abort, current_app, request
from marshmallow import fields
from werkzeug.exceptions import HTTPException, InternalServerError

from ocpp_cs.api.fields import Row, Text, Whole, example_of
from ocpp_cs.db.commit import StoreUnavailable
from ocpp_cs.db.engine import is_transient

MEDIA_TYPE = "application/problem+json"
Errors = Mapping[str, list[str]]
_RETRY_AFTER_S = 5
# RFC 9110's name, whatever the Python at hand calls it.
_TITLES = {422: "Unprocessable Content"}
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
_LONGEST_DETAIL = 400
_LONGEST_NAME = 100

logger = logging.getLogger(__name__)


class ImportFault(Row):
    """What is wrong with a line of a file."""

    line = Whole("The line; the header is line 1.", 3)
    column = Text("The column; empty where it is no single one.", "status")
    error = Text("What is wrong with it.", "Must be one of: accepted, blocked.")


class Problem(Row):
    """An error (RFC 9457)."""

    type = Text("Kind of problem; about:blank where status and title say it all.", "about:blank")
    title = Text("The status in words.", "Unprocessable Content")
    status = Whole("The HTTP status.", 422)
    detail = Text(
        "What is wrong with this request, for a person.",
        "limit: Must be greater than or equal to 1 and less than or equal to 1000.",
    )
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={
            "description": "What is wrong by parameter or field, where that is known.",
            "example": {"limit": ["Not a valid integer."]},
        },
    )
    code = Text(
        "The reason by a name that never changes, where a status has several.",
        "last_admin_key",
        required=False,
    )
    faults = fields.List(
        fields.Nested(ImportFault),
        metadata={
            "description": "What is wrong with a file, by line: the first ones of `faults_total`.",
            "example": [example_of(ImportFault)],
        },
    )
    faults_total = Whole("How many faults a file has.", 1, unit="faults", required=False)
    reference = Text(
        "With 500 and 503 only: what to look for in the server's log.", "9f86d081", required=False
    )


def problem(
    status: int,
    detail: str = "",
    *,
    errors: Errors | None = None,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """A problem as a response; `members` are added to its body."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or HTTPStatus(status).description,
        **({"errors": errors} if errors else {}),
        **members,
    }
    answer = cast(Response, current_app.json.response(body))
    answer.status_code = status
    answer.mimetype = MEDIA_TYPE
    answer.headers.update({"Cache-Control": "no-store", **(headers or {})})
    return answer


def fields_problem(errors: Mapping[Any, Any]) -> Response:
    """422 for parameters or fields; `errors` as marshmallow reports them, nested or not."""
    by_field = dict(_flat(errors))
    told = "; ".join(f"{name}: {messages[0]}" for name, messages in by_field.items())
    return problem(422, told[:_LONGEST_DETAIL], errors=by_field)


def refuse(status: int, detail: str = "", *, code: str = "") -> NoReturn:
    """Ends the request with a problem; `code` names the reason where a status has several."""
    members = {"code": code} if code else {}
    abort(problem(status, detail, errors=None, headers=None, **members))


def refuse_fields(errors: Mapping[Any, Any]) -> NoReturn:
    """Ends the request with 422."""
    abort(fields_problem(errors))


def register_problems(app: Flask) -> None:
    """What no view has handled becomes a problem, whatever it was."""
    app.register_error_handler(Exception, _failure)


def http_problem(error: HTTPException) -> Response:
    """What Flask and flask-smorest raise on their own: 404, 405, 413, 422 of parsers and so on."""
    if isinstance(error, InternalServerError):
        return _failure(error.original_exception or error)
    messages = (getattr(error, "data", None) or {}).get("messages")
    if isinstance(messages, Mapping):
        # The parser's outermost level says where the fields stood (query, json).
        return fields_problem({k: v for part in messages.values() for k, v in part.items()})
    # Werkzeug's own texts speak to people before browsers.
    detail = "" if error.description == type(error).description else error.description
    headers = {k: v for k, v in error.get_headers(request.environ) if k in _KEPT_HEADERS}
    return problem(error.code or 500, detail or "", headers=headers)


class Failure(NamedTuple):
    """What went wrong inside, as far as a client may know."""

    status: int
    reference: str


def failure_of(error: BaseException) -> Failure:
    """500, or 503 when the database is at fault and the request may be tried again; logged."""
    reference = secrets.token_hex(8)
    place = (reference, request.method, request.path)
    # Peewee's errors carry the driver's own, which says whose fault it is, as `orig`.
    if isinstance(error, StoreUnavailable) or is_transient(getattr(error, "orig", error)):
        logger.warning("reference %s: %s %r: no database", *place, exc_info=error)
        return Failure(503, reference)
    logger.error("reference %s: %s %r failed", *place, exc_info=error)
    return Failure(500, reference)


def _failure(error: BaseException) -> Response:
    status, reference = failure_of(error)
    if status == 503:
        return problem(
            503,
            f"The database does not answer at the moment. Reference: {reference}.",
            headers={"Retry-After": str(_RETRY_AFTER_S)},
            reference=reference,
        )
    return problem(
        500,
        f"An error of the server, not of the request. Reference: {reference}.",
        reference=reference,
    )


def _flat(errors: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    for key, value in errors.items():
        name = f"{prefix}{key}"[:_LONGEST_NAME]
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, [str(message) for message in value]
