"""A deployment with one thing wrong: the check says which, and what to do."""

from __future__ import annotations

import dataclasses
import http.server
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from config.platforms import PLATFORMS
from config.settings import load
from ocpp_cs import api_keys
from ocpp_cs.audit import COMMAND_LINE
from ocpp_cs.db import migrate
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.doctor import CHECKS, Deployment, Finding, examine
from tests.authority import Authority
from tests.e2e.conftest import plain_sql

NOW = datetime.now(UTC).replace(microsecond=0)
DISK = "1 0 254:1 / / rw shared:1 - ext4 /dev/vda1 rw\n"
LAYER = "1 0 0:50 / / rw master:1 - overlay overlay rw\n"
GIB = 1024**3


def deployment(
    url: str, environ: dict[str, str] | None = None, off: timedelta = timedelta(), **changes: Any
) -> Deployment:
    """One that nothing is wrong with but what is said here, and that it has no keys.

    `off` is how far its clock is ahead.
    """
    environ = {"DATABASE_URL": url, **(environ or {})}
    settings = load({"ALLOW_EPHEMERAL_SQLITE": "1", **environ})
    engine = Engine(url)
    free = 50 * GIB if engine.dialect == "sqlite" else None
    made = Deployment(settings, environ, engine, lambda: datetime.now(UTC) + off, None, DISK, free)
    return dataclasses.replace(made, **changes)


def findings(check: str, made: Deployment) -> list[Finding]:
    return list(CHECKS[check](made))


def only(check: str, made: Deployment) -> Finding:
    (finding,) = findings(check, made)
    assert finding.fix
    return finding


@pytest.fixture
def url(database_url: str) -> str:
    """The URL of a migrated database."""
    engine = Engine(database_url)
    migrate.upgrade(engine)
    engine.close()
    return database_url


@pytest.fixture
def sqlite(sqlite_url: str) -> str:
    migrate.upgrade(Engine(sqlite_url))
    return sqlite_url


@contextmanager
def health(body: bytes) -> Iterator[str]:
    """A server that answers everything with `body`; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{served.server_port}"
        finally:
            served.shutdown()
            thread.join()


def test_a_deployment_that_is_fine(url: str) -> None:
    committer = Committer(Engine(url))
    committer.run(0, lambda tx: api_keys.create(tx, "a", "admin", actor=COMMAND_LINE, now=NOW))
    committer.close()
    with health(b'{"status":"ok"}') as public:
        found = examine(deployment(url, {"PUBLIC_URL": public}))
    warnings = found.pop("public URL")
    assert [each.severity for each in warnings] == ["warning"]  # it is not https here
    assert {name: each for name, each in found.items() if each} == {}


def test_a_check_that_breaks_is_an_error_and_ends_no_other(
    sqlite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpp_cs.doctor.machine.descriptors_needed", lambda _: 1 / 0)
    found = examine(deployment(sqlite, {}, descriptors=1))
    assert found["descriptors"][0].severity == "error"
    assert "ZeroDivisionError" in found["descriptors"][0].text
    assert found.keys() == CHECKS.keys()


def test_a_misspelt_setting(sqlite: str) -> None:
    finding = only("settings", deployment(sqlite, {"OCPP_STRIKT": "1"}))
    assert (finding.severity, "OCPP_STRICT" in finding.text) == ("warning", True)


# --- The database -------------------------------------------------------------------------------


def test_no_database() -> None:
    made = deployment("postgresql://ocpp_cs@127.0.0.1:9/x")
    finding = only("database", made)
    assert finding.severity == "error"
    assert finding.text.startswith("The database cannot be reached: ")
    for check in ("connections", "clock", "API keys"):  # said once is enough
        assert findings(check, made) == []


def test_migrations_that_are_missing(postgresql_url: str) -> None:
    finding = only("database", deployment(postgresql_url))
    assert (finding.severity, migrate.newest() in finding.text) == ("error", True)
    assert "flask --app wsgi db upgrade" in finding.fix


def test_a_database_that_only_reads(url: str) -> None:
    if url.startswith("sqlite"):
        # Root may write to any file: so somebody else writes, and does not end.
        path = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            finding = only("database", deployment(url))
    else:
        name = sql.Identifier(url.rpartition("/")[2])
        read_only = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(read_only.format(name))
        finding = only("database", deployment(url))
    assert finding.severity == "error"
    assert finding.text.startswith("The database cannot be written to: ")


def test_looking_leaves_nothing_behind(url: str) -> None:
    examine(deployment(url))
    with plain_sql(url) as connection:
        assert connection.execute("SELECT count(*) FROM idempotency_keys").fetchone()[0] == 0


def test_more_connections_than_the_database_gives(postgresql_url: str) -> None:
    migrate.upgrade(Engine(postgresql_url))
    name = sql.Identifier(postgresql_url.rpartition("/")[2])
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT 20").format(name))
    one = deployment(postgresql_url)  # 8 to read, 2 to write, 2 others
    assert only("connections", one).severity == "warning"  # a deploy needs twice as many
    two = only("connections", deployment(postgresql_url, {"WEB_CONCURRENCY": "2"}))
    assert two.severity == "error"
    assert "24 together; the database gives 20" in two.text
    small = deployment(postgresql_url, {"DATABASE_POOL_SIZE": "4"})
    assert findings("connections", small) == []


@pytest.mark.parametrize(("off_s", "severity"), [(-10, "warning"), (10, "warning"), (90, "error")])
def test_a_clock_that_is_not_the_databases(postgresql_url: str, off_s: int, severity: str) -> None:
    migrate.upgrade(Engine(postgresql_url))
    off = timedelta(seconds=off_s)
    assert only("clock", deployment(postgresql_url, off=off)).severity == severity


def test_a_clock_that_is_behind_what_is_stored(url: str) -> None:
    engine = Engine(url)
    ahead = datetime.now(UTC) + timedelta(hours=1)
    with plain_sql(url) as connection:
        stored = f"'{ahead.isoformat()}'"
        if engine.dialect == "sqlite":
            stored = str(round(ahead.timestamp() * 1000))
        connection.execute(
            "INSERT INTO charge_points (identity, registration, security_profile, created_at,"
            f" session_epoch, last_seen_at) VALUES ('CP', 'accepted', 0, {stored}, 1, {stored})"
        )
        connection.commit()
    finding = only("clock", deployment(url))
    assert (finding.severity, "in the future" in finding.text) == ("error", True)


# --- The machine --------------------------------------------------------------------------------


@pytest.mark.parametrize(("free", "severity"), [(GIB, "warning"), (100 * 1024 * 1024, "error")])
def test_a_disk_that_is_nearly_full(sqlite: str, free: int, severity: str) -> None:
    finding = only("disk", deployment(sqlite, free_bytes=free))
    assert finding.severity == severity
    assert "MiB are free" in finding.text


def test_a_file_that_goes_with_its_container(sqlite: str) -> None:
    assert "container's own layer" in only("disk", deployment(sqlite, mountinfo=LAYER)).text


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_a_file_that_a_platform_forgets(sqlite: str, platform: Any) -> None:
    finding = only("disk", deployment(sqlite, {platform.variable: "x"}))
    assert platform.name in finding.text


def test_workers_that_do_not_start(sqlite: str) -> None:
    assert "WEB_CONCURRENCY=4" in only("workers", deployment(sqlite, {"WEB_CONCURRENCY": "4"})).text


@pytest.mark.parametrize(("limit", "severity"), [(4096, "warning"), (256, "error")])
def test_too_few_open_files(sqlite: str, limit: int, severity: str) -> None:
    finding = only("descriptors", deployment(sqlite, descriptors=limit))
    assert finding.severity == severity
    assert f"may open {limit} files" in finding.text


@pytest.mark.parametrize("arguments", ["--timeout=30", "-k sync", "--log-level debug -w 4"])
def test_arguments_that_override_ours(sqlite: str, arguments: str) -> None:
    finding = only("server", deployment(sqlite, {"GUNICORN_CMD_ARGS": arguments}))
    assert finding.severity == "error"
    harmless = {"GUNICORN_CMD_ARGS": "--log-level=debug"}
    assert findings("server", deployment(sqlite, harmless)) == []


def test_less_time_to_end_than_it_takes(sqlite: str) -> None:
    heroku, render, fly, railway = ({each.variable: "x"} for each in PLATFORMS)
    for environ, setting in (
        (fly, "kill_timeout"),
        (railway, "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"),
        ({**heroku, "SHUTDOWN_TIMEOUT": "60"}, "SHUTDOWN_TIMEOUT"),
    ):
        finding = only("shutdown", deployment(sqlite, environ))
        assert (finding.severity, setting in finding.fix) == ("warning", True)
    for environ in ({}, heroku, render):
        assert findings("shutdown", deployment(sqlite, environ)) == []


# --- The network --------------------------------------------------------------------------------


def test_pings_that_come_too_late(sqlite: str) -> None:
    assert only("pings", deployment(sqlite, {"PING_INTERVAL": "50"})).severity == "warning"


def test_no_public_url(sqlite: str) -> None:
    assert only("public URL", deployment(sqlite)).severity == "warning"


@pytest.mark.parametrize("body", [b"<html>", b'{"status":"fine"}'])
def test_somebody_else_at_the_public_url(sqlite: str, body: bytes) -> None:
    with health(body) as public:
        plain, finding = findings("public URL", deployment(sqlite, {"PUBLIC_URL": public}))
    assert "not https" in plain.text
    assert (finding.severity, "is not this server" in finding.text) == ("error", True)


def test_nobody_at_the_public_url(sqlite: str) -> None:
    finding = only("public URL", deployment(sqlite, {"PUBLIC_URL": "https://127.0.0.1:9"}))
    assert finding.severity == "error"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def with_tls(url: str, authority: Authority, **changes: Any) -> Deployment:
    pair = authority.server()
    environ = {"TLS_CERT_FILE": str(pair.cert), "TLS_KEY_FILE": str(pair.key)}
    environ |= changes.pop("environ", {})
    return deployment(url, environ, **changes)


def test_certificates_and_time(sqlite: str, authority: Authority) -> None:
    """Those of the tests are good for a day."""
    soon = only("TLS", with_tls(sqlite, authority))
    assert (soon.severity, "expires in 0 days" in soon.text) == ("warning", True)
    gone = only("TLS", with_tls(sqlite, authority, off=timedelta(days=3)))
    assert (gone.severity, "expired on" in gone.text) == ("error", True)
    early = only("TLS", with_tls(sqlite, authority, off=timedelta(days=-3650)))
    assert (early.severity, "valid only from" in early.text) == ("error", True)


def test_a_key_of_another_certificate(sqlite: str, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    environ = {"TLS_KEY_FILE": str(other.server().key)}
    finding = only("TLS", with_tls(sqlite, authority, environ=environ))
    assert (finding.severity, "TLS_CERT_FILE" in finding.text) == ("error", True)


def test_a_certificate_for_another_host(sqlite: str, authority: Authority) -> None:
    environ = {"PUBLIC_URL": "https://ocpp.example.com"}
    _, finding = findings("TLS", with_tls(sqlite, authority, environ=environ))
    assert (finding.severity, "ocpp.example.com" in finding.text) == ("warning", True)
    environ = {"PUBLIC_URL": "https://localhost"}
    assert "expires" in only("TLS", with_tls(sqlite, authority, environ=environ)).text


def test_an_authority_that_expires(sqlite: str, authority: Authority) -> None:
    pair = authority.server()
    environ = {"CA_CERTIFICATE_FILE": str(authority.cert), "CA_KEY_FILE": str(pair.key)}
    finding = only("authority", deployment(sqlite, environ, off=timedelta(days=365 * 200)))
    assert (finding.severity, "CA_CERTIFICATE_FILE" in finding.text) == ("error", True)


def test_proxies(sqlite: str) -> None:
    def severity(environ: dict[str, str]) -> list[str]:
        return [each.severity for each in findings("proxies", deployment(sqlite, environ))]

    heroku = {PLATFORMS[0].variable: "x"}
    everybody = {"TRUSTED_PROXIES": "*"}
    assert severity(heroku) == ["warning"]
    assert severity(heroku | everybody) == []
    assert severity(everybody) == ["warning"]
    assert severity(everybody | {"HOST": "127.0.0.1"}) == []
    assert severity({"TRUSTED_PROXIES": "10.0.0.0/8"}) == []


def test_everybody_is_believed_beside_tls_of_our_own(sqlite: str, authority: Authority) -> None:
    made = with_tls(sqlite, authority, environ={"TRUSTED_PROXIES": "*"})
    assert only("proxies", made).severity == "error"


# --- What was decided ---------------------------------------------------------------------------


def test_doors_that_stand_open(sqlite: str) -> None:
    open_ = {"UNKNOWN_CHARGE_POINTS": "open", "UNKNOWN_ID_TAGS": "open", "API_WITHOUT_KEY": "1"}
    found = findings("policy", deployment(sqlite, open_))
    assert [each.severity for each in found] == ["warning", "warning", "error"]
    found = findings("policy", deployment(sqlite, {**open_, "HOST": "127.0.0.1"}))
    assert [each.severity for each in found] == ["warning", "warning", "warning"]


def test_no_admin(url: str) -> None:
    assert only("API keys", deployment(url)).severity == "error"
    committer = Committer(Engine(url))
    committer.run(0, lambda tx: api_keys.create(tx, "a", "analyst", actor=COMMAND_LINE, now=NOW))
    committer.close()
    assert only("API keys", deployment(url)).severity == "error"
