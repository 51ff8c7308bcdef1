"""A flask-smorest blueprint that refuses what it does not know, and documents what it refuses.

Resources stand in modules of their own; this one holds what they all do with a request before
their view sees it.
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
from flask import request
from marshmallow import Schema, ValidationError
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy

from ocpp_cs.api.fields import INT64_MAX, TEXT_MAX, Text, Whole, number_range, text_range
from ocpp_cs.api.formats import JSON, accepted_format
from ocpp_cs.api.problems import refuse_fields

View = Callable[..., Any]

# Every parameter that stands in a path, once.
PATH_PARAMETERS: dict[str, Text | Whole] = {
    "charge_point_id": Text(
        "The charge point's OCPP identity, the last part of its connection URL.",
        "CB-4711",
        validate=text_range(),
    ),
    "transaction_id": Whole("The transaction's id.", 1, validate=number_range(0, INT64_MAX)),
    "id_tag": Text(
        "The id tag; upper and lower case are the same.", "0fc673", validate=text_range()
    ),
}
# What every resource may answer instead of itself.
_REFUSALS = {status: HTTPStatus(status).name for status in (401, 406, 422, 500, 503)}
_NOT_FOUND = {404: HTTPStatus(404).name}
_IN_RULE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")


class Parameters(Schema):
    """Base of the schemas of query parameters: an unknown one is refused and told the known."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        known = ", ".join(sorted(field.data_key or name for name, field in self.fields.items()))
        self.error_messages["unknown"] = (
            f"Unknown parameter; known are: {known}."
            if known
            else "Unknown parameter; this resource takes none."
        )
        for field in self.fields.values():
            # Swagger UI fills an `example` into its form and sends it; `examples` are just shown.
            metadata = dict(field.metadata)
            metadata["examples"] = [metadata.pop("example")]
            field.metadata = metadata


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


class Blueprint(flask_smorest.Blueprint):
    """Resources of one kind: paths, parameters and answers in one place, checked and documented."""

    ARGUMENTS_PARSER = _Parser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, name, description=description)
        self.before_request(_read_path)
        self._prepare_doc_cbks.append(_document_refusals)

    def route(self, rule: str, **options: Any) -> Callable[[Any], Any]:
        options.setdefault("parameters", [_documented(name) for name in _IN_RULE.findall(rule)])
        decorator: Callable[[Any], Any] = super().route(rule, **options)
        return decorator

    def item(self, schema: type[Schema], operation: str) -> Callable[[View], View]:
        """Decorates a view that answers with one resource, as JSON and without parameters."""

        def decorate(view: View) -> View:
            @wraps(view)
            def checked(*arguments: Any, **path: Any) -> Any:
                accepted_format((JSON,))
                return view(*arguments, **path)

            answered = self.response(200, schema)(checked)
            answered = self.doc(operationId=operation, responses={404: HTTPStatus(404).name})(
                answered
            )
            parsed: View = self.arguments(Parameters(), location="query", as_kwargs=True)(answered)
            return parsed

        return decorate


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


def _document_refusals(doc: dict[str, Any], *_: Any, **__: Any) -> dict[str, Any]:
    doc.setdefault("responses", {}).update(_REFUSALS)
    return doc
