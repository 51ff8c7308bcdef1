"""A flask-smorest blueprint that refuses what it does not know, and documents what it refuses.

Resources stand in modules of their own; this one holds what they all do with a request before
their view sees it. Who may make the request is `access`'s decision: here it is only documented.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from http import HTTPStatus
from typing import Any

import flask_smorest
import marshmallow
import msgspec
from flask import Flask, Response, request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy

from ocpp_cs.api.fields import (
    INT64_MAX,
    TEXT_MAX,
    Number,
    Text,
    Truth,
    Whole,
    number_range,
    text_range,
)
from ocpp_cs.api.formats import JSON, accepted_format
from ocpp_cs.api.problems import refuse, refuse_fields
from ocpp_cs.api_keys import Role

View = Callable[..., Any]

# Methods that change nothing.
READING = ("GET", "HEAD", "OPTIONS")
LARGEST_BODY = 1024 * 1024  # bytes
SECURITY_SCHEME = "bearer"

# Every parameter that stands in a path, once.
PATH_PARAMETERS: dict[str, Text | Whole] = {
    "charging_profile_id": Whole(
        "The profile's id in the library.", 1, validate=number_range(0, INT64_MAX)
    ),
    "charge_point_id": Text(
        "The charge point's OCPP identity, the last part of its connection URL.",
        "CB-4711",
        validate=text_range(),
    ),
    "batch_id": Whole("The batch's id.", 5, validate=number_range(0, INT64_MAX)),
    "certificate_request_id": Whole(
        "The certificate request's id.", 5, validate=number_range(0, INT64_MAX)
    ),
    "file_id": Whole("The file's id.", 17, validate=number_range(0, INT64_MAX)),
    "file_transfer_id": Whole("The transfer's id.", 3, validate=number_range(0, INT64_MAX)),
    "command_id": Whole("The command's id.", 17, validate=number_range(0, INT64_MAX)),
    "local_list_update_id": Whole("The update's id.", 3, validate=number_range(0, INT64_MAX)),
    "orphan_stop_id": Whole("The orphan stop's id.", 1, validate=number_range(0, INT64_MAX)),
    "quarantined_frame_id": Whole(
        "The frame's id in the quarantine.", 1, validate=number_range(0, INT64_MAX)
    ),
    "reservation_id": Whole("The reservation's id.", 7, validate=number_range(0, INT64_MAX)),
    "session_id": Whole("The session's id.", 3, validate=number_range(0, INT64_MAX)),
    "transaction_id": Whole("The transaction's id.", 1, validate=number_range(0, INT64_MAX)),
    "webhook_id": Whole("The webhook's id.", 3, validate=number_range(0, INT64_MAX)),
    "delivery_id": Whole("The delivery's id.", 5, validate=number_range(0, INT64_MAX)),
    "id_tag": Text(
        "The id tag; upper and lower case are the same.", "0fc673", validate=text_range()
    ),
    "api_key_id": Text(
        "The key's id: what stands between the underscores of the key.",
        "k3f7x2ab",
        validate=text_range(),
    ),
}
# What every resource may answer instead of itself, and what one that takes a body may, too.
_REFUSALS = (401, 403, 406, 422, 429, 500, 503)
_BODY_REFUSALS = (400, 413, 415)
_IN_RULE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


class Parameters(Schema):
    """Base of the schemas of query parameters: an unknown one is refused and told the known."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.error_messages["unknown"] = _told_unknown("parameter", self)
        for field in self.fields.values():
            # Swagger UI fills an `example` into its form and sends it; `examples` are just shown.
            metadata = dict(field.metadata)
            metadata["examples"] = [metadata.pop("example")]
            field.metadata = metadata


class Body(Schema):
    """Base of the schemas of bodies and of their parts: JSON's types as they are, nothing else.

    A parameter is a text that may say a number; in JSON "5" is a text, and true is no 1.
    """

    class Meta:
        unknown = marshmallow.RAISE

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.error_messages["unknown"] = _told_unknown("field", self)

    @marshmallow.pre_load
    def _refuse_texts(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, dict):
            return data
        errors = {}
        for name, field in self.fields.items():
            value = data.get(field.data_key or name)
            if isinstance(field, Whole | Number | Truth) and isinstance(value, str):
                errors[field.data_key or name] = [field.error_messages["invalid"]]
            elif isinstance(field, Whole) and isinstance(value, float) and value.is_integer():
                data = {**data, field.data_key or name: int(value)}  # to JSON Schema, 5.0 is 5
        if errors:
            raise ValidationError(errors)
        return data


def _told_unknown(what: str, schema: Schema) -> str:
    known = ", ".join(sorted(field.data_key or name for name, field in schema.fields.items()))
    if not known:
        return f"Unknown {what}; this resource takes none."
    return f"Unknown {what}; known are: {known}."


class _Parser(FlaskParser):
    # The parser's own default drops unknown parameters: a misspelt filter gave the whole table.
    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": marshmallow.RAISE,
    }

    def load_querystring(self, req: Any, schema: Schema) -> Any:
        twice = {name: ["Given more than once."] for name in req.args if _repeated(req, name)}
        if twice:
            raise ValidationError(twice)
        return MultiDictProxy(req.args, schema)

    def load_json(self, req: Any, schema: Schema) -> Any:
        return read_json()


class Blueprint(flask_smorest.Blueprint):
    """Resources of one kind: paths, parameters and answers in one place, checked and documented."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, name: str, description: str, *, role: Role | None = None) -> None:
        """`role` is what every request needs; without it reading and changing differ."""
        super().__init__(name, name, description=description)
        self._role = role
        self.before_request(_read_path)
        self._prepare_doc_cbks += [_document_headers, _document_refusals, self._document_access]

    def role_for(self, method: str) -> Role:
        """The least role that may send a request of this method to these resources."""
        return self._role or ("analyst" if method in READING else "operator")

    def route(self, rule: str, **options: Any) -> Callable[[Any], Any]:
        options.setdefault("parameters", [_documented(name) for name in _IN_RULE.findall(rule)])
        decorator: Callable[[Any], Any] = super().route(rule, **options)
        return decorator

    def item(
        self,
        schema: type[Schema] | None,
        operation: str,
        *,
        status: int = 200,
        refusals: tuple[int, ...] = (404,),
        parameters: type[Parameters] = Parameters,
    ) -> Callable[[View], View]:
        """Decorates a view that answers with one resource, as JSON.

        Without `schema` it answers with no content, and `status` is 204. `refusals` are what it
        may answer besides those of every resource. The view gets the values of `parameters`, of
        which there are none without it, by their names.
        """

        def decorate(view: View) -> View:
            @wraps(view)
            def checked(*arguments: Any, **values: Any) -> Any:
                accepted_format((JSON,))
                answer = view(*arguments, **values)
                return Response(status=204) if schema is None else answer

            answered = self.response(204 if schema is None else status, schema)(checked)
            answered = self.doc(operationId=operation, responses=named_refusals(refusals))(answered)
            parsed: View = self.arguments(parameters(), location="query", as_kwargs=True)(answered)
            return parsed

        return decorate

    def body(self, schema: type[Body]) -> Callable[[View], View]:
        """Decorates a view, below `item`, that takes a JSON body: its first argument, loaded."""

        def decorate(view: View) -> View:
            documented = self.doc(responses=named_refusals(_BODY_REFUSALS))(view)
            told = {"description": first_paragraph(schema), "example": _example_body(schema)}
            parsed: View = self.arguments(schema(), location="json", **told)(documented)
            return parsed

        return decorate

    def _document_access(
        self, doc: dict[str, Any], doc_info: dict[str, Any], *, app: Flask, method: str, **_: Any
    ) -> dict[str, Any]:
        role = self.role_for(method.upper())
        key: dict[str, list[str]] = {SECURITY_SCHEME: []}
        # Requirements are alternatives; the empty one is met by whoever comes without a key.
        free = role == "analyst" and app.config["API_WITHOUT_KEY"]
        doc["security"] = [{}, key] if free else [key]
        doc["x-role"] = role
        told = f"Needs an API key of the role {role}" + ("." if role == "admin" else ", or above.")
        described = doc_info["docstring"].get("description")
        doc_info["docstring"]["description"] = f"{described}\n\n{told}" if described else told
        return doc


def first_paragraph(schema: type[Schema]) -> str:
    """What a schema is, in the words of its docstring."""
    return " ".join((schema.__doc__ or "").strip().split("\n\n")[0].split())


def _example_body(schema: type[Body]) -> dict[str, Any]:
    """What has to be said, as the fields' examples say it; all of it where nothing has to."""
    fields = schema().fields
    needed = [name for name, field in fields.items() if field.required] or list(fields)
    return {fields[name].data_key or name: fields[name].metadata["example"] for name in needed}


def read_json() -> dict[str, Any]:
    """The JSON object in the request's body; ends the request unless there is exactly one."""
    request.max_content_length = LARGEST_BODY
    if request.mimetype != JSON.media_type:
        refuse(415, f"The body must be {JSON.media_type}, and the header Content-Type say so.")
    try:
        content = msgspec.json.decode(request.get_data())
    except (ValueError, RecursionError) as error:
        refuse(400, f"The body cannot be read as JSON: {error}.")
    if not isinstance(content, dict):
        refuse(422, "The body must be a JSON object.")
    return content


def request_time() -> datetime:
    """The clock of the API, in whole milliseconds: read once per request."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _read_path() -> None:
    """Path parameters get the type that their field has, or the request ends with 422."""
    values = request.view_args or {}
    for name in values.keys() & PATH_PARAMETERS.keys():
        try:
            values[name] = PATH_PARAMETERS[name].deserialize(values[name])
        except ValidationError as error:
            refuse_fields({name: error.messages})


def _repeated(req: Any, name: str) -> bool:
    return len(req.args.getlist(name)) > 1


def _documented(name: str) -> dict[str, Any]:
    field = PATH_PARAMETERS[name]
    schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
    if isinstance(field, Whole):
        schema = {"type": "integer", "minimum": 0, "maximum": INT64_MAX}
    return {
        "in": "path",
        "name": name,
        "required": True,
        "description": field.metadata["description"],
        "example": field.metadata["example"],
        "schema": schema,
    }


def named_refusals(statuses: tuple[int, ...]) -> dict[int, str]:
    """Errors that a view may answer with, for `doc(responses=...)`."""
    return {status: HTTPStatus(status).name for status in statuses}


def _document_headers(doc: dict[str, Any], doc_info: dict[str, Any], **_: Any) -> dict[str, Any]:
    """What a view documents by hand comes beside the parameters of its schemas, not in place."""
    by_hand = doc_info.get("manual_doc", {}).pop("parameters", [])
    doc["parameters"] = [*doc.get("parameters", []), *by_hand]
    return doc


def _document_refusals(doc: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
    doc.setdefault("responses", {}).update(named_refusals(_REFUSALS))
    return doc
