"""The whole API against its own description: requests made from the schemas, good and bad ones.

Nothing of a resource is known here but which rows exist; what an answer must look like, the
OpenAPI document says. The same commit gives the same requests.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import schemathesis
from flask import Flask
from schemathesis.config import SchemathesisConfig
from schemathesis.config._checks import (
    NEGATIVE_DATA_REJECTION_EXPECTED_STATUSES as _REFUSED,
)
from schemathesis.config._checks import (
    POSITIVE_DATA_ACCEPTANCE_EXPECTED_STATUSES as _GRANTED,
)
from schemathesis.core import NOT_SET
from schemathesis.engine import Status, events
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.openapi.checks import (
    AllowHeaderMismatch,
    RejectedPositiveData,
    UnsupportedMethodResponse,
    UseAfterFree,
)
from werkzeug.serving import WSGIRequestHandler, make_server

from config.settings import Settings
from ocpp_cs.api.events import _Reader
from ocpp_cs.app import create_app
from ocpp_cs.db import migrate
from tests.api.answering import answering
from tests.api.rows import START, Rows

_SEED = 20211110
# Requests made at random, per operation. Those made from the examples and for each edge of each
# schema come on top. `EXAMPLES=25` in the environment makes more than two thousand.
_EXAMPLES = {"sqlite": 8, "postgresql": 3}
_LATER = timedelta(days=1)
# Values that mean something, by the place where every other request has one of them.
_KNOWN: dict[str, list[str | int]] = {
    "path.batch_id": [1, 2],
    "path.certificate_request_id": [1, 2, 3],
    "path.file_id": [1, 2, 3],
    "path.file_transfer_id": [1, 2, 3],
    "path.charge_point_id": ["CB-4711", "CB-4711", "CB-4712", "CB-4713"],
    "path.charging_profile_id": [1, 2, 3],
    "path.command_id": [1, 2, 3],
    "path.id_tag": ["0fc673", "0FC674"],
    "path.orphan_stop_id": [1, 2, 3, 4],
    "path.quarantined_frame_id": [1, 2, 3],
    "path.reservation_id": [1, 2, 3],
    "path.session_id": [1, 2, 3],
    "path.transaction_id": [1, 2, 3, 4],
    "path.webhook_id": [1, 2],
    "path.delivery_id": [1, 2],
    "query.tz": ["UTC", "Europe/Berlin", "America/Sao_Paulo"],
}
# Nobody rejects or deletes the charge points that other requests need: there are some for that.
_CHANGED = {"PATCH": "CB-4714", "DELETE": "CB-4715"}
# What is right by its schema is still refused for what no schema says, or says without noise.
_BEYOND_SCHEMAS = [
    re.compile(pattern)
    for pattern in (
        r"charge_point_ids: Unknown",
        # Of a charge point: what its identity may be, and the password that goes with a profile.
        r"id: .* cannot be a charge point's identity",
        r"(password|security_profile): .*(without a password|has no password|password is needed)",
        r"password: Must be one",  # bytes, not characters
        r"cursor: Not a cursor of this list",  # opaque, and good for one list in one order
        r"expires_at: Must (be|lie) in the future",
        r"group_by: (At most one of|The same more than once)",
        r"payload[.:]",  # of a batch: what is right depends on its action
        r": No charge point is meant by this",
        r".*: Expected at most one decimal",  # multipleOf 0.1 refuses 21.4, in binary floats
        # Depends on the profile in the library, and on what is going on.
        r"tz: Not a time zone",  # some 600 names would need an enumeration
        r": (More than [0-9,]+ buckets|[0-9,]+ groups in)",  # of a report that would be too large
        r"transaction_id: (Only for a TxProfile|Not an active transaction)",
        r"(parent_)?id_tag: Must be 1 to 20 characters of one line",
        r"id_tag: Must be the id tag of the path",
        r"certificate_chain: ",  # must fit a request
        r"url: ",  # of a webhook: https, and no private address
        # A URL whose scheme and host are allowed, or a file of ours.
        r"(location|log\.remoteLocation|firmware\.location): ",
        # Needed by one resolution, forbidden by the other.
        r"transaction_id: (Needed|Only) to link|transaction_id: There is no transaction",
    )
]
# Every text without a NUL would need a pattern, in everybody's way: PostgreSQL has no place for it.
_NUL = re.compile(r"\\u0000|%00")
# What DELETE revokes or cancels is still there afterwards, and says so. Paths.
_STAYS = {
    "/api/v1/api-keys/{api_key_id}",
    "/api/v1/commands/{command_id}",
    "/api/v1/reservations/{reservation_id}",
}


# An id tag may be called so, and has further methods there.
_ID_TAGS_TOO = {"/api/v1/id-tags/import", "/api/v1/id-tags/{id_tag}/pseudonymise"}


@schemathesis.serializer("application/octet-stream", "text/csv")
def _as_it_is(_context: Any, value: Any) -> bytes:
    """A file is a text; the schema says nothing of its lines."""
    return str(value).encode("utf-8", "surrogatepass")


@dataclass
class Findings:
    """What came of all requests: each kind of failure once, and how often each status came."""

    failures: dict[str, str] = field(default_factory=dict)
    statuses: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def note(self, recorder: ScenarioRecorder) -> None:
        for case_id, interaction in recorder.interactions.items():
            if interaction.response is not None:
                label = recorder.cases[case_id].value.operation.label
                self.statuses[label][interaction.response.status_code] += 1
        for case_id, checks in recorder.checks.items():
            label = recorder.cases[case_id].value.operation.label
            for check in checks:
                if check.status == Status.FAILURE and check.failure_info is not None:
                    failure = check.failure_info.failure
                    answer = recorder.interactions[failure.case_id or case_id].response
                    content = b"" if answer is None else answer.content
                    self.failures.setdefault(
                        f"{label}: {check.name}: {failure.title}",
                        f"{failure.message}\n{check.failure_info.code_sample}\n{content[:1000]!r}",
                    )


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    """The application over a database with rows, and somebody who answers commands."""
    unlimited = 1_000_000  # wrong keys are tried by the hundred
    settings = Settings(
        database_url=database_url,
        login_attempts_per_address=unlimited,
        login_attempts_per_id=unlimited,
        log_level="error",
    )
    app = create_app(settings)
    parts = app.extensions["ocpp_cs"]
    try:
        migrate.upgrade(parts.engine)
        rows = Rows(parts.engine)
        fill(rows)
        rows.close()
        with answering(parts.committer):
            yield app
    finally:
        parts.committer.close()
        parts.engine.close()


def fill(rows: Rows) -> None:
    """One charge point that is there, one that is not, one that waits to be accepted."""
    until = datetime.now(UTC) + _LATER
    online = rows.charge_point("CB-4711", session_epoch=1, present_until=until)
    offline = rows.charge_point("CB-4712", session_epoch=1)
    rows.charge_point("CB-4713", session_epoch=1, present_until=until, registration="pending")
    for identity in _CHANGED.values():
        rows.charge_point(identity)
    for _ in _KNOWN["path.command_id"]:  # these wait to be sent, so that DELETE finds some
        rows.command(offline, expires_at=until)
    rows.connector(online, 1)
    rows.connection_attempt()
    rows.event(online)
    for _ in range(2):
        rows.webhook_delivery(rows.webhook(enabled=False), online)
    for number in range(60):  # more than a page
        rows.status_event(online, connector_id=number % 3)
    for insert in (
        rows.security_event,
        rows.firmware_event,
        rows.diagnostics_event,
        rows.data_transfer,
        rows.deviation,
        rows.installed_certificate,
    ):
        insert(online)
    for _ in _KNOWN["path.file_id"]:
        rows.certificate_request(online)
        rows.file_transfer(online, file_id=rows.file(online))
    for id in _KNOWN["path.reservation_id"]:  # of which DELETE finds some, too
        rows.reservation(online, reservation_id=id, expires_at=until)
    rows.id_tag("0fc673")
    rows.id_tag("0FC674", parent_id_tag="0fc673", expires_at=until)
    stopped = rows.stopped(online)
    for _ in _KNOWN["path.transaction_id"]:
        rows.transaction(online)
    rows.message(online)
    rows.sample(stopped, START, "11000", value=11000)
    for _ in _KNOWN["path.orphan_stop_id"]:
        rows.orphan_stop(online)
        rows.quarantined_frame(online)


def admin_key(app: Flask) -> str:
    made = app.test_cli_runner().invoke(args=["api-key", "create", "tester", "--role", "admin"])
    assert made.exit_code == 0, made.output
    [key] = [word for word in made.output.split() if word.startswith("ocs_")]
    return key


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def log_request(self, *_: Any) -> None:
        """Thousands of lines that nobody reads."""


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """The app behind a real socket of this machine; its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(10.0)
        server.server_close()


def described(url: str, key: str, examples: int) -> Any:
    """The schema that the API gives of itself, and how it is to be tried."""
    configuration = {
        "seed": _SEED,
        "headers": {"Authorization": f"Bearer {key}"},
        "generation": {"max-examples": examples, "database": "none"},
        "cache": {"enabled": False},
        "checks": {
            # 412: the ETag of If-Match is an example. 413: a body is too large.
            "positive_data_acceptance": {"expected-statuses": [*_GRANTED, "412"]},
            "negative_data_rejection": {"expected-statuses": [*_REFUSED, "413"]},
            # 502, 504: the charge point has answered wrongly, or not in time.
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "502", "504"]},
        },
        "continue-on-failure": True,
        "dictionaries": {place: {"values": values} for place, values in _KNOWN.items()},
        "parameters": {
            **{place: {"dictionary": place, "probability": 0.5} for place in _KNOWN},
            "query.wait": 1,  # nobody plugs in, and who is offline stays so
        },
    }
    schema = schemathesis.openapi.from_url(
        f"{url}/openapi.json", config=SchemathesisConfig.from_dict(configuration)
    )
    schema.hook(filter_failure)
    schema.hook(map_query)
    schema.hook(map_path_parameters)
    schema.hook(keep_key(key.split("_")[1]))
    return schema


def keep_key(api_key_id: str) -> Any:
    """Nobody saws off the branch that all sit on: no request is about the key of the requests."""

    def filter_path_parameters(_context: Any, path_parameters: dict[str, Any] | None) -> bool:
        return (path_parameters or {}).get("api_key_id") != api_key_id

    return filter_path_parameters


def map_query(context: Any, query: dict[str, Any] | None) -> dict[str, Any] | None:
    """A whole number is written as one: 7.0 is an integer in JSON, and none in a URL. Who asks for
    a session waits for a car: none comes here, so that the wait is short."""
    operation = context.operation
    if operation.method.upper() == "POST" and operation.path.endswith("/sessions"):
        query = {"wait": 0, **(query or {})}
        if isinstance(query["wait"], int | float) and 0 < query["wait"] <= 60:
            query["wait"] = 1
    return _whole(query)


def map_path_parameters(context: Any, parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """As in `map_query`; and a charge point that may be changed."""
    own = _CHANGED.get(context.operation.method.upper())
    known = (parameters or {}).get("charge_point_id") in _KNOWN["path.charge_point_id"]
    if own and known and context.operation.path.endswith("/charge-points/{charge_point_id}"):
        parameters = {**(parameters or {}), "charge_point_id": own}
    return _whole(parameters)


def _whole(values: dict[str, Any] | None) -> dict[str, Any] | None:
    return values and {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in values.items()
    }


def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether it is one: a refusal of nothing but what no schema can say is none."""
    if isinstance(failure, AllowHeaderMismatch | UnsupportedMethodResponse):
        return case.path not in _ID_TAGS_TOO
    if isinstance(failure, UseAfterFree):
        return case.path not in _STAYS
    if not isinstance(failure, RejectedPositiveData) or response.status_code != 422:
        return True
    problem = response.json()
    if problem.get("code") == "idempotency_key_reused" or "faults" in problem:
        return False
    errors = problem.get("errors", {"": [problem["detail"]]})
    faults = [f"{name}: {text}" for name, texts in errors.items() for text in texts]
    expected = all(any(rule.match(fault) for rule in _BEYOND_SCHEMAS) for fault in faults)
    return not expected and not _holds_nul(case)


def _holds_nul(case: Any) -> bool:
    body = None if case.body is NOT_SET else case.body
    sent = json.dumps([case.path_parameters, dict(case.query or {}), body], default=str)
    return _NUL.search(sent) is not None


def findings(schema: Any) -> Findings:
    """Makes all requests."""
    found = Findings()
    for event in schemathesis.engine.from_schema(schema).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            found.failures[f"{event.label}: {event.value!r}"] = ""
        if isinstance(event, events.ScenarioFinished):
            found.note(event.recorder)
    return found


@pytest.mark.timeout(1800 if "EXAMPLES" in os.environ else 300)
def test_every_answer_is_as_described(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing happens here that a request might wait for.
    make = _Reader.__init__
    monkeypatch.setattr(
        _Reader, "__init__", lambda self, wanted, after, _: make(self, wanted, after, 0)
    )
    key = admin_key(app)
    fewest = _EXAMPLES[app.extensions["ocpp_cs"].engine.dialect]
    examples = int(os.environ.get("EXAMPLES", fewest))
    with serving(app) as url:
        found = findings(described(url, key, examples))
    print(*(f"{label}: {dict(counts)}" for label, counts in found.statuses.items()), sep="\n")
    assert not found.failures, "\n\n".join(f"{k}\n{v}" for k, v in found.failures.items())
    never = [label for label, counts in found.statuses.items() if not any(s < 300 for s in counts)]
    assert not never, f"no request of these was granted: {never}"
