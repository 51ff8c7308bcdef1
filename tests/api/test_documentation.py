"""The OpenAPI document is valid and whole, and Swagger UI asks nobody but this server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from ocpp_cs.db.engine import Engine
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM
from tests.api.conftest import Client, client_of
from tests.api.rows import START, STOP, Rows


@pytest.fixture
def document(sqlite_client: Client) -> Any:
    return sqlite_client.get("/openapi.json").json


def operations(document: Any) -> Iterator[tuple[str, Any, list[Any]]]:
    """Method and path, the operation, and all its parameters."""
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method} {path}", operation, shared + operation.get("parameters", [])


def test_is_valid(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_has_every_path(document: Any) -> None:
    assert set(document["paths"]) == {
        "/api/v1/api-keys",
        "/api/v1/api-keys/{api_key_id}",
        "/api/v1/audit-events",
        "/api/v1/certificate-requests",
        "/api/v1/certificate-requests/{certificate_request_id}",
        "/api/v1/certificate-requests/{certificate_request_id}/csr",
        "/api/v1/certificate-requests/{certificate_request_id}/decline",
        "/api/v1/certificate-requests/{certificate_request_id}/send",
        "/api/v1/certificate-requests/{certificate_request_id}/sign",
        "/api/v1/certificates",
        "/api/v1/file-transfers",
        "/api/v1/file-transfers/{file_transfer_id}",
        "/api/v1/files",
        "/api/v1/files/{file_id}",
        "/api/v1/files/{file_id}/content",
        "/api/v1/charge-points",
        "/api/v1/charge-points/{charge_point_id}",
        "/api/v1/charge-points/{charge_point_id}/availability",
        *(
            f"/api/v1/charge-points/{{charge_point_id}}/commands/{action}"
            for action in FROM_CENTRAL_SYSTEM
        ),
        "/api/v1/charge-points/{charge_point_id}/certificate-requests",
        "/api/v1/charge-points/{charge_point_id}/configuration",
        "/api/v1/charge-points/{charge_point_id}/connectors",
        "/api/v1/charge-points/{charge_point_id}/data-transfers",
        "/api/v1/charge-points/{charge_point_id}/deviations",
        "/api/v1/charge-points/{charge_point_id}/diagnostics-events",
        "/api/v1/charge-points/{charge_point_id}/firmware-events",
        "/api/v1/charge-points/{charge_point_id}/local-list",
        "/api/v1/charge-points/{charge_point_id}/local-list/entries",
        "/api/v1/charge-points/{charge_point_id}/local-list/updates",
        "/api/v1/charge-points/{charge_point_id}/local-list/updates/{local_list_update_id}",
        "/api/v1/charge-points/{charge_point_id}/charging-profiles",
        "/api/v1/charge-points/{charge_point_id}/security-events",
        "/api/v1/charge-points/{charge_point_id}/sessions",
        "/api/v1/charge-points/{charge_point_id}/sessions/{session_id}",
        "/api/v1/charge-points/{charge_point_id}/status-events",
        "/api/v1/charging-profiles",
        "/api/v1/charging-profiles/{charging_profile_id}",
        "/api/v1/charging-profiles/{charging_profile_id}/apply",
        "/api/v1/command-batches",
        "/api/v1/command-batches/{batch_id}",
        "/api/v1/commands",
        "/api/v1/commands/{command_id}",
        "/api/v1/connection-attempts",
        "/api/v1/events",
        "/api/v1/webhooks",
        "/api/v1/webhooks/{webhook_id}",
        "/api/v1/webhooks/{webhook_id}/deliveries",
        "/api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/retry",
        "/api/v1/webhooks/{webhook_id}/retry",
        "/api/v1/webhooks/{webhook_id}/test",
        "/api/v1/reports/energy",
        "/api/v1/reports/unrecorded-energy",
        "/api/v1/reports/utilisation",
        "/api/v1/orphan-stops",
        "/api/v1/orphan-stops/{orphan_stop_id}",
        "/api/v1/orphan-stops/{orphan_stop_id}/resolve",
        "/api/v1/quarantine",
        "/api/v1/quarantine/{quarantined_frame_id}",
        "/api/v1/quarantine/{quarantined_frame_id}/resolve",
        "/api/v1/messages",
        "/api/v1/meter-values",
        "/api/v1/reservations",
        "/api/v1/reservations/{reservation_id}",
        "/api/v1/transactions",
        "/api/v1/transactions/{transaction_id}",
        "/api/v1/transactions/{transaction_id}/close",
        "/api/v1/transactions/{transaction_id}/meter-values",
        "/api/v1/id-tags",
        "/api/v1/id-tags/import",
        "/api/v1/id-tags/{id_tag}",
        "/api/v1/id-tags/{id_tag}/pseudonymise",
        "/healthz",
        "/readyz",
    }


def test_every_field_has_a_description_and_an_example(document: Any) -> None:
    without = [
        f"{name}.{field}: {word}"
        for name, schema in document["components"]["schemas"].items()
        for field, content in schema["properties"].items()
        for word in ("description", "example")
        if content.get(word) in (None, "")
    ]
    assert without == []


def fields_of(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every field of a schema and of what is written out within it, with its place."""
    for name, content in schema.get("properties", {}).items():
        yield f"{place}.{name}", content
        yield from fields_of(content, f"{place}.{name}")
        yield from fields_of(content.get("items", {}), f"{place}.{name}[]")


def test_everything_that_is_sent_or_answered_is_described(document: Any) -> None:
    without = [
        name
        for name, schema in document["components"]["schemas"].items()
        if not schema.get("description")
    ]
    for name, operation, parameters in operations(document):
        without += [name for word in ("summary", "description") if not operation.get(word)]
        without += [f"{name} {each['name']}" for each in parameters if not each.get("description")]
        body = operation.get("requestBody")
        if body is not None:
            [content] = body["content"].values()
            without += [f"{name} body"] * (not body.get("description") or "example" not in content)
    assert without == []


def test_every_quantity_has_its_unit(document: Any) -> None:
    """A number without a unit is a name, a place in an order, a share of 1, or has its unit beside
    it."""
    names = re.compile(
        r"(.*_)?id|.*(_of|_by|_version|_level|_profile|_status)|status|line|share"
        r"|(next_)?after|position"
    )
    beside = {"value", "min_value", "max_value"}
    without = []
    for name, schema in document["components"]["schemas"].items():
        if name.startswith("ocpp16."):  # the specification's, whose texts name the units
            continue
        for place, content in fields_of(schema, name):
            kind, field = content.get("type"), place.rpartition(".")[2]
            numeric = {"integer", "number"} & set(kind if isinstance(kind, list) else [kind])
            if numeric and "x-unit" not in content and not names.fullmatch(field):
                without += [place] * (field not in beside)
    assert without == []


def test_every_example_is_one(document: Any) -> None:
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        whole = {**schema, "components": document["components"]}
        example = {field: content["example"] for field, content in schema["properties"].items()}
        Draft202012Validator(whole).validate(example)


def test_every_unit_is_in_the_name_and_in_the_field(document: Any) -> None:
    units = {"_wh": "Wh", "_w": "W", "_s": "s"}
    for name, schema in document["components"]["schemas"].items():
        for field, content in schema["properties"].items():
            expected = [unit for ending, unit in units.items() if field.endswith(ending)]
            if expected:
                assert content.get("x-unit") == expected[0], f"{name}.{field}"


def test_every_operation_is_described(document: Any) -> None:
    seen = set()
    for name, operation, parameters in operations(document):
        assert operation["summary"], name
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])
        for parameter in parameters:
            assert parameter["description"], (name, parameter)
            assert "example" in parameter or parameter["schema"]["examples"], (name, parameter)
    assert all(tag["description"] for tag in document["tags"])


def test_no_example_of_an_optional_parameter_gets_into_swagger_uis_form(document: Any) -> None:
    for name, _, parameters in operations(document):
        for parameter in parameters:
            if not parameter["required"]:
                assert "example" not in parameter, name
                assert "example" not in parameter["schema"], name


def test_every_error_is_a_problem(document: Any) -> None:
    for name, operation, _ in operations(document):
        if "/api/v1" in name:
            refusals = {"401", "403", "406", "422", "429", "500", "503"}
            assert refusals <= set(operation["responses"]), name
        for status, response in operation["responses"].items():
            if status == "default" or int(status) >= 400:
                assert response["$ref"].startswith("#/components/responses/"), name
    for response in document["components"]["responses"].values():
        assert response["content"] == {
            "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
        }


def test_every_operation_says_which_role_it_needs(engine: Engine) -> None:
    for without_key in (False, True):
        document = client_of(engine, api_without_key=without_key).get("/openapi.json").json
        assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
        for name, operation, _ in operations(document):
            if "/api/v1" not in name:
                assert operation["security"] == []
                continue
            role = operation["x-role"]
            own = (
                "admin"
                if re.search("/(api-keys|audit-events|webhooks|pseudonymise)", name)
                else None
            )
            assert role == (own or ("analyst" if name.startswith("get ") else "operator")), name
            assert f"Needs an API key of the role {role}" in operation["description"]
            free = without_key and role == "analyst"
            assert operation["security"] == ([{}] if free else []) + [{"bearer": []}], name


def test_every_body_is_documented(document: Any) -> None:
    for name, operation, _ in operations(document):
        if "requestBody" in operation:
            assert {"400", "413", "415"} <= set(operation["responses"]), name
            form = "text/csv" if name.endswith("/import") else "application/json"
            form = "application/octet-stream" if name.endswith("/files") else form
            assert list(operation["requestBody"]["content"]) == [form]


def test_lists_are_documented_in_all_their_forms(document: Any) -> None:
    for name, operation, parameters in operations(document):
        if operation["operationId"].startswith("list_"):
            answer = operation["responses"]["200"]
            media_types = {"application/json", "text/csv", "application/jsonl"}
            assert set(answer["content"]) == media_types, name
            assert "Link" in answer["headers"]
            assert {"limit", "cursor", "format"} <= {p["name"] for p in parameters}


def test_answers_are_as_documented(client: Client, rows: Rows) -> None:
    key = rows.charge_point("CB-4711")
    id = rows.stopped(key, flags=3)
    rows.transaction(key, started_at=STOP, meter_start_wh=15250)
    rows.connector(key, 1)
    rows.status_event(key, 1, "Charging", START)
    rows.id_tag()
    rows.evidence(id, "start", '[2,"3","StartTransaction",{}]')
    rows.evidence(id, "conflicting_stop", "no JSON", received_at=STOP)
    rows.sample(id, START, "11000", value=11000)
    rows.configuration_key(key)
    rows.availability(key)
    rows.connection_attempt()
    for insert in (
        rows.status_event,
        rows.security_event,
        rows.firmware_event,
        rows.diagnostics_event,
        rows.data_transfer,
        rows.deviation,
        rows.installed_certificate,
    ):
        insert(key)
    certificate_request_id = rows.certificate_request(key)
    file_id = rows.file(key)
    file_transfer_id = rows.file_transfer(key, file_id=file_id)
    rows.message(key)
    reservation_id = rows.reservation(key)
    session_id = rows.remote_start(key, outcome="started", reason=None, transaction_id=id)
    charging_profile_id = rows.charging_profile()
    rows.installed_charging_profile(key)
    local_list_update_id = rows.local_list_update(key)
    rows.local_list_entry(key)
    orphan_stop_id = rows.orphan_stop(key)
    quarantined_frame_id = rows.quarantined_frame(key)
    batch_id = rows.command_batch()
    command_id = rows.command(key, batch_id=batch_id)
    rows.event(key)
    webhook_id = rows.webhook()
    rows.webhook_delivery(webhook_id, key)
    document = client.get("/openapi.json").json
    [key] = client.get("/api/v1/api-keys").json["items"]
    values = {
        "api_key_id": key["id"],
        "batch_id": str(batch_id),
        "certificate_request_id": str(certificate_request_id),
        "charge_point_id": "CB-4711",
        "file_id": str(file_id),
        "file_transfer_id": str(file_transfer_id),
        "charging_profile_id": str(charging_profile_id),
        "command_id": str(command_id),
        "local_list_update_id": str(local_list_update_id),
        "orphan_stop_id": str(orphan_stop_id),
        "quarantined_frame_id": str(quarantined_frame_id),
        "reservation_id": str(reservation_id),
        "session_id": str(session_id),
        "transaction_id": str(id),
        "webhook_id": str(webhook_id),
        "id_tag": "0fc673",
    }
    for path, item in document["paths"].items():
        if "get" not in item:
            continue
        filled = re.sub(r"{(\w+)}", lambda match: values[match[1]], path)
        answer = client.get(filled)
        assert answer.status_code == 200, filled
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        if "application/json" not in content:  # a file
            assert answer.mimetype in content
            continue
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(answer.json)
        assert answer.json.get("items") != []
    problem = {"$ref": "#/components/schemas/Problem", "components": document["components"]}
    for path in ("/nowhere", "/api/v1/transactions?x=1"):
        Draft202012Validator(problem).validate(client.get(path).json)


class References(HTMLParser):
    """What a page loads, and its inline scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if source := given.get("src") or (given.get("href") if tag == "link" else None):
            self.loaded.append(source)
        elif tag in ("script", "style"):
            self.inline.append(tag)
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


def test_swagger_ui_asks_nobody_else(sqlite_client: Client) -> None:
    page = sqlite_client.get("/swagger-ui/")
    references = References(page.text)
    assert references.inline == []  # the policy would not run it
    assert len(references.loaded) == 4
    for name in references.loaded:
        assert "//" not in name
        assert sqlite_client.get(f"/swagger-ui/{name}").status_code == 200, name
    start = sqlite_client.get("/swagger-ui/start.js").text
    assert "validatorUrl: null" in start
    assert "://" not in start
    styles = sqlite_client.get("/swagger-ui/swagger-ui.css").text
    assert "@import" not in styles
    assert set(re.findall(r"url\([\"']?([^\"')]{5})", styles)) == {"data:"}
    policy = page.headers["Content-Security-Policy"]
    assert "://" not in policy
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy


def test_swagger_ui_is_found_without_its_slash(sqlite_client: Client) -> None:
    answer = sqlite_client.get("/swagger-ui", follow_redirects=True)
    assert answer.request.path == "/swagger-ui/"
    assert answer.status_code == 200


def test_no_file_but_swagger_uis(sqlite_client: Client) -> None:
    for name in ("../flask_swagger_ui.py", "%2e%2e/__init__.py", "..%2f__init__.py", "nothing.js"):
        assert sqlite_client.get(f"/swagger-ui/{name}").status_code == 404
