"""TLS as gunicorn serves it (W5, W6, W7), with real sockets and certificates made here.

What the profiles make of it is tested in `test_profiles`; here is what only real TLS can show.
"""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Opcode
from websockets.typing import Subprotocol

from config.tls import CIPHER_SUITES
from tests.authority import Authority, Pair
from tests.conftest import StartServer
from tests.gateway.conftest import HEARTBEAT, PATH, UPGRADE, RawPeer, basic
from tests.servers import PROJECT, Postgresql, Server, wait_until

OPERATOR = "Example Ltd"
PASSWORD = "correct-horse-battery"
LOGIN = basic("CP1", PASSWORD.encode())
REFUSED_BY_US = (ssl.SSLError, ConnectionError, EOFError)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("stranger"), "Another CA")


def tls_settings(authority: Authority) -> dict[str, str]:
    first, second = authority.server(), authority.server(kind="rsa")
    return {
        "TLS_CERT_FILE": str(first.cert),
        "TLS_KEY_FILE": str(first.key),
        "TLS_SECOND_CERT_FILE": str(second.cert),
        "TLS_SECOND_KEY_FILE": str(second.key),
        "TLS_CLIENT_CA_FILE": str(authority.cert),
        "OPERATOR_NAME": OPERATOR,
    }


@pytest.fixture
def secure(server: StartServer, authority: Authority) -> Server:
    return server(authority=authority.cert, **tls_settings(authority))


class TlsPeer(RawPeer):
    """A raw peer within TLS."""

    def __init__(self, port: int, context: ssl.SSLContext, **options: Any) -> None:
        super().__init__(port, **options)
        self.tls = context.wrap_socket(self.socket, server_hostname="localhost")
        self.socket = self.tls


def trusting(authority: Authority, shown: Pair | None = None, **versions: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority.cert)
    for name, version in versions.items():
        setattr(context, name, version)
    if shown is not None:
        context.load_cert_chain(shown.cert, shown.key)
    return context


def attempt(server: Server, context: ssl.SSLContext, headers: dict[str, str]) -> int:
    """The status of an upgrade as CP1."""
    with TlsPeer(server.port, context) as peer:
        return peer.request(f"{PATH}CP1", {**UPGRADE, **headers})[0]


def add(server: Server, identity: str = "CP1", *, profile: int) -> None:
    server.flask("charge-point", "add", identity, "--password", PASSWORD)
    sql(server, f"UPDATE charge_points SET security_profile = {profile}")


def sql(server: Server, statement: str) -> list[tuple[Any, ...]]:
    path = server.environment["DATABASE_URL"].removeprefix("sqlite:///")
    with sqlite3.connect(path, timeout=30) as database:
        return database.execute(statement).fetchall()


def outcomes(server: Server) -> set[tuple[str, str, int]]:
    found = sql(server, "SELECT identity, outcome, http_status FROM connection_attempts")
    return {(row[0], row[1], row[2]) for row in found}


# --- Versions, suites, certificates (W5, W6) ----------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_good_versions(secure: Server, authority: Authority, version: ssl.TLSVersion) -> None:
    context = trusting(authority, minimum_version=version, maximum_version=version)
    with TlsPeer(secure.port, context) as peer:
        assert peer.tls.version() == version.name.replace("_", ".")
        assert peer.tls.compression() is None
        peer.upgraded("CP1")
        assert peer.exchange(HEARTBEAT)[0] == 3


def test_workers_that_share_connections(
    server: StartServer, authority: Authority, postgresql: Postgresql
) -> None:
    url = postgresql.create_database()
    settings = tls_settings(authority)
    served = server(url, authority.cert, WEB_CONCURRENCY="2", **settings)
    for _ in range(4):
        with TlsPeer(served.port, trusting(authority)) as peer:
            assert peer.request(f"{PATH}CP1", UPGRADE)[0] == 101


def test_old_versions_are_refused(secure: Server, authority: Authority) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context = trusting(authority, minimum_version=ssl.TLSVersion.TLSv1_1)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")  # this machine's own policy would not even ask
    with pytest.raises(REFUSED_BY_US):
        attempt(secure, context, {})
    wait_until(lambda: ("", "tls_version_too_old", 0) in outcomes(secure))


@pytest.mark.parametrize("suite", CIPHER_SUITES)
def test_every_suite_of_the_whitepaper(secure: Server, authority: Authority, suite: str) -> None:
    context = trusting(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(suite)
    with TlsPeer(secure.port, context) as peer:
        chosen = peer.tls.cipher()
        assert chosen is not None
        assert chosen[0] == suite
        assert peer.request("/healthz", {"Host": "localhost"})[0] == 200


@pytest.mark.parametrize(
    "suite", ["AES128-SHA", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-CHACHA20-POLY1305"]
)
def test_other_suites_are_refused(secure: Server, authority: Authority, suite: str) -> None:
    context = trusting(authority, maximum_version=ssl.TLSVersion.TLSv1_2)
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    with pytest.raises(REFUSED_BY_US):
        attempt(secure, context, {})
    wait_until(lambda: ("", "tls_no_shared_cipher", 0) in outcomes(secure))


def test_what_is_no_tls_or_breaks_off_is_recorded_and_harms_nobody(
    secure: Server, authority: Authority, stranger: Authority
) -> None:
    with RawPeer(secure.port) as plain:
        plain.socket.sendall(b"GET /ocpp/CP1 HTTP/1.1\r\n\r\n")
        assert plain.ended()
    with pytest.raises(ssl.SSLCertVerificationError):
        attempt(secure, trusting(stranger), {})
    with RawPeer(secure.port) as gone:
        gone.socket.sendall(b"\x16\x03\x01")
    expected = {"tls_not_spoken", "tls_certificate_refused", "tls_failed"}
    wait_until(lambda: {outcome for _, outcome, _ in outcomes(secure)} >= expected)
    assert attempt(secure, trusting(authority), {}) == 101
    assert "Traceback" not in secure.log_text()


def test_slow_handshake_holds_its_place_for_a_limited_time(secure: Server) -> None:
    """A7, one floor below the HTTP header."""
    with RawPeer(secure.port) as slow:
        slow.socket.settimeout(30)
        slow.socket.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert slow.ended()
    wait_until(lambda: "not finished in time" in secure.log_text())


# --- Client certificates (W7) -------------------------------------------------------------------


def test_the_certificate_of_the_charge_point_lets_it_in(
    secure: Server, authority: Authority
) -> None:
    add(secure, profile=3)
    for kind in ("ec", "rsa"):
        context = trusting(authority, authority.client("CP1", OPERATOR, kind=kind))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context.maximum_version = version
            assert attempt(secure, context, {}) == 101


def test_a_certificate_with_the_serial_number(secure: Server, authority: Authority) -> None:
    add(secure, profile=3)
    context = trusting(authority, authority.client("SN-1", OPERATOR))
    assert attempt(secure, context, {}) == 403
    sql(secure, "UPDATE charge_points SET serial_number = 'SN-1'")
    assert attempt(secure, context, {}) == 101


@pytest.mark.parametrize(
    ("common_name", "organization", "outcome"),
    [
        ("CP2", OPERATOR, "client_certificate_of_another"),
        ("CP1", "Somebody Inc", "client_certificate_of_others"),
    ],
)
def test_a_certificate_of_another(
    secure: Server, authority: Authority, common_name: str, organization: str, outcome: str
) -> None:
    add(secure, profile=3)
    context = trusting(authority, authority.client(common_name, organization))
    assert attempt(secure, context, LOGIN) == 403
    assert ("CP1", outcome, 403) in outcomes(secure)


def test_no_certificate_in_profile_3(secure: Server, authority: Authority) -> None:
    add(secure, profile=3)
    assert attempt(secure, trusting(authority), LOGIN) == 403
    assert ("CP1", "client_certificate_required", 403) in outcomes(secure)


def test_expired_and_foreign_certificates_end_the_handshake(
    secure: Server, authority: Authority, stranger: Authority
) -> None:
    add(secure, profile=3)
    expired = authority.client("CP1", OPERATOR, valid=timedelta(days=-1))
    for pair in (expired, stranger.client("CP1", OPERATOR), authority.server()):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with pytest.raises(REFUSED_BY_US):
                attempt(secure, trusting(authority, pair, maximum_version=version), {})
    wait_until(lambda: ("", "tls_client_certificate_refused", 0) in outcomes(secure))
    wait_until(lambda: "certificate has expired" in secure.log_text())
    assert "Traceback" not in secure.log_text()


def test_spoofed_certificate_headers_are_not_believed(secure: Server, authority: Authority) -> None:
    """A19, with TLS of our own."""
    add(secure, profile=3)
    spoofed = {
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": f"CN=CP1,O={OPERATOR}",
        "X-Forwarded-Proto": "https",
    }
    assert attempt(secure, trusting(authority), spoofed) == 403
    assert ("CP1", "client_certificate_required", 403) in outcomes(secure)


# --- A charge point that is not ours, over wss --------------------------------------------------


async def boot(url: str, context: ssl.SSLContext | None, headers: dict[str, str]) -> str:
    async with connect(
        url, ssl=context, subprotocols=[Subprotocol("ocpp1.6")], additional_headers=headers
    ) as websocket:
        charge_point = ChargePoint("CP1", websocket)
        listening = asyncio.create_task(charge_point.start())
        request = call.BootNotification(charge_point_vendor="ACME", charge_point_model="WALLBOX")
        answer = await charge_point.call(request, suppress=False)
        listening.cancel()
        return str(answer.status)


def test_independent_client_in_every_profile(secure: Server, authority: Authority) -> None:
    add(secure, profile=1)
    url = secure.ws_url("CP1")
    plain, shown = trusting(authority), trusting(authority, authority.client("CP1", OPERATOR))
    assert asyncio.run(boot(url, plain, LOGIN)) == "Accepted"
    assert sql(secure, "SELECT security_profile FROM charge_points") == [(2,)]
    assert asyncio.run(boot(url, shown, {})) == "Accepted"
    assert sql(secure, "SELECT security_profile FROM charge_points") == [(3,)]
    with pytest.raises(InvalidStatus) as refused:
        asyncio.run(boot(url, plain, LOGIN))
    assert refused.value.response.status_code == 403
    health = requests.get(secure.http("/healthz"), verify=str(authority.cert), timeout=10)
    assert health.status_code == 200


def test_silent_and_stuck_peers_within_tls(server: StartServer, authority: Authority) -> None:
    """A7: what cuts a connection must not stumble over its TLS layer."""
    settings = {"WRITE_TIMEOUT": "2", "PING_INTERVAL": "0.5", "PONG_TIMEOUT": "2"}
    running = server(authority=authority.cert, **tls_settings(authority), **settings)
    context = trusting(authority)
    with (
        TlsPeer(running.port, context, receive_buffer=4096) as stuck,
        TlsPeer(running.port, context) as silent,
        TlsPeer(running.port, context) as other,
    ):
        stuck.upgraded("CP1")
        silent.upgraded("CP2")
        other.upgraded("CP3")
        stuck.fill()
        assert other.exchange(HEARTBEAT)[0] == 3
        wait_until(lambda: "disconnected: write timeout" in running.log_text(), seconds=20)
        wait_until(lambda: running.log_text().count("disconnected: no pong") >= 1, seconds=20)
    with TlsPeer(running.port, context) as peer:
        peer.upgraded("CP4")
        peer.send(b"\x03\xe8", Opcode.CLOSE)
        assert peer.receive_close().code == 1000
        assert peer.ended()
    with TlsPeer(running.port, context) as peer:
        peer.upgraded("CP5")
        assert running.stop() == 0
        assert peer.receive_close().code == 1012
    assert "Traceback" not in running.log_text()
    assert '"level": "error"' not in running.log_text()


# --- Behind a proxy -----------------------------------------------------------------------------


class Proxy:
    """Ends TLS as nginx or a platform's router does: sets its headers, then passes bytes on."""

    def __init__(self, context: ssl.SSLContext, behind: int) -> None:
        self._context = context
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client, address), daemon=True).start()

    def _serve(self, client: socket.socket, address: tuple[str, int]) -> None:
        with (
            self._context.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", self._behind)) as outside,
        ):
            head = b""
            while b"\r\n\r\n" not in head:
                if not (data := inside.recv(65536)):
                    return
                head += data
            first, _, rest = head.partition(b"\r\n")
            shown: Any = (inside.getpeercert() or {}).get("subject", ())
            short = {"commonName": "CN", "organizationName": "O"}
            subject = ",".join(f"{short[name]}={value}" for ((name, value),) in shown)
            lines = [
                f"X-Forwarded-For: {address[0]}",
                "X-Forwarded-Proto: https",
                f"X-SSL-Client-Verify: {'SUCCESS' if subject else 'NONE'}",
                f"X-SSL-Client-S-DN: {subject}",
            ]
            outside.sendall(first + b"\r\n" + "".join(f"{x}\r\n" for x in lines).encode() + rest)
            back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
            back.start()
            _copy(inside, outside)
            back.join(10)


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def proxy_before(server: Server, authority: Authority) -> Iterator[Proxy]:
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.cert)
    context.load_cert_chain(pair.cert, pair.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    proxy = Proxy(context, server.port)
    try:
        yield proxy
    finally:
        proxy.close()


@pytest.mark.parametrize("trusted", ["127.0.0.1", "*", "10.0.0.0/8"])
def test_behind_a_proxy(server: StartServer, authority: Authority, trusted: str) -> None:
    running = server(TRUSTED_PROXIES=trusted, OPERATOR_NAME=OPERATOR)
    add(running, profile=2)
    shown = trusting(authority, authority.client("CP1", OPERATOR))
    with proxy_before(running, authority) as proxy:
        url = f"wss://localhost:{proxy.port}/ocpp/CP1"
        if trusted == "10.0.0.0/8":
            with pytest.raises(InvalidStatus):
                asyncio.run(boot(url, trusting(authority), LOGIN))
            assert ("CP1", "tls_required", 403) in outcomes(running)
            return
        assert asyncio.run(boot(url, trusting(authority), LOGIN)) == "Accepted"
        assert asyncio.run(boot(url, shown, {})) == "Accepted"
        assert sql(running, "SELECT security_profile FROM charge_points") == [(3,)]
        with pytest.raises(InvalidStatus):
            asyncio.run(boot(url, trusting(authority), LOGIN))
    assert ("whoever reaches this port is believed" in running.log_text()) == (trusted == "*")


# --- The start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"TLS_CERT_FILE": "/nowhere.pem"},
            "TLS_CERT_FILE and what belongs to it cannot be used: no such",
        ),
        ({"TLS_KEY_FILE": ""}, "TLS_CERT_FILE is set; it needs TLS_KEY_FILE, which is not."),
        ({"OPERATOR_NAME": ""}, "TLS_CLIENT_CA_FILE is set; it needs OPERATOR_NAME, which is not."),
        ({"TLS_CLIENT_CA_FILE": "/dev/null"}, "TLS_CLIENT_CA_FILE and what belongs to it cannot"),
    ],
)
def test_what_cannot_work_stops_the_start(
    authority: Authority, changes: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import config.gunicorn"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env={"DATABASE_URL": f"sqlite:///{tmp_path}/x.db", **tls_settings(authority), **changes},
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"Cannot start: {sentence}")


def test_a_key_of_another_certificate_stops_the_start(authority: Authority, tmp_path: Path) -> None:
    settings = tls_settings(authority)
    settings["TLS_KEY_FILE"] = settings["TLS_SECOND_KEY_FILE"]
    done = subprocess.run(
        [sys.executable, "-c", "import config.gunicorn"],
        capture_output=True,
        text=True,
        check=False,
        cwd=PROJECT,
        env={"DATABASE_URL": f"sqlite:///{tmp_path}/x.db", **settings},
    )
    assert done.stderr.startswith("Cannot start: TLS_CERT_FILE and what belongs to it cannot be")
