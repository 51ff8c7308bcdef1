"""The files of docs/deploy.md: read as what they are, and held against settings, routes, Procfile.

nginx, Caddy and systemd check theirs, and a charge point connects through nginx as documented.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import tomllib
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml
from websockets.sync.client import connect

from config.settings import TABLE, Settings, load
from ocpp_cs import create_app
from tests.authority import Authority
from tests.conftest import StartServer
from tests.docs.documents import FOLDER, blocks, table
from tests.servers import PROJECT, wait_until

DEPLOY, OPERATORS = FOLDER / "deploy.md", FOLDER / "operators.md"
FILES = {
    block.mark.removeprefix("file "): "\n".join(block.lines) + "\n"
    for path in (DEPLOY, OPERATORS)
    for block in blocks(path)
    if block.mark.startswith("file ")
}
PROCFILE = dict(
    line.split(": ", 1) for line in (PROJECT / "Procfile").read_text("utf-8").splitlines()
)
SETTINGS = {setting.variable for setting in TABLE}
DEFAULTS = Settings()


def program(name: str) -> str:
    """Where the program is; without it the test is left out, and the summary says so."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"{name} is not on this machine: its file in docs/deploy.md was not checked")
    return str(found)


def check(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def routes() -> set[str]:
    app = create_app(load({"DATABASE_URL": "postgresql://127.0.0.1:9/x"}))
    return {str(rule) for rule in app.url_map.iter_rules()}


def test_the_procfile_is_what_it_says_everywhere() -> None:
    assert PROCFILE == {
        "web": "gunicorn -c config/gunicorn.py wsgi:app",
        "release": "flask --app wsgi db upgrade",
    }


def test_render() -> None:
    read = yaml.safe_load(FILES["render.yaml"])
    (service,) = read["services"]
    (database,) = read["databases"]
    assert service["startCommand"] == PROCFILE["web"]
    assert service["preDeployCommand"] == PROCFILE["release"]
    assert service["healthCheckPath"] in routes()
    assert service["maxShutdownDelaySeconds"] >= DEFAULTS.shutdown_timeout + 2
    variables = {each["key"]: each for each in service["envVars"]}
    assert variables.keys() <= SETTINGS
    assert variables["DATABASE_URL"]["fromDatabase"]["name"] == database["name"]
    load({key: each["value"] for key, each in variables.items() if "value" in each})


def test_fly() -> None:
    read = tomllib.loads(FILES["fly.toml"])
    assert read["deploy"]["release_command"] == PROCFILE["release"]
    assert read["kill_timeout"] >= DEFAULTS.shutdown_timeout + 2
    assert read["env"].keys() <= SETTINGS
    assert load(read["env"]).port == read["http_service"]["internal_port"]
    assert read["http_service"]["checks"][0]["path"] in routes()
    assert read["http_service"]["auto_stop_machines"] == "off"
    assert read["http_service"]["concurrency"]["hard_limit"] == DEFAULTS.max_charge_points
    assert read["build"]["dockerfile"] in FILES


def test_dockerfile() -> None:
    lines = FILES["Dockerfile"].splitlines()
    words = {line.split(" ", 1)[0] for line in lines}
    assert words <= {"FROM", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "CMD"}
    (command,) = (json.loads(line.removeprefix("CMD ")) for line in lines if line[:4] == "CMD ")
    assert " ".join(command) == PROCFILE["web"]
    assert f"EXPOSE {DEFAULTS.port}" in lines
    version = (PROJECT / ".python-version").read_text("ascii").strip()
    assert lines[0] == f"FROM python:{version}-slim"
    assert (PROJECT / "requirements.txt").exists()


def test_railway() -> None:
    deploy = json.loads(FILES["railway.json"])["deploy"]
    assert deploy["startCommand"] == PROCFILE["web"]
    assert deploy["preDeployCommand"] == [PROCFILE["release"]]
    assert deploy["healthcheckPath"] in routes()
    assert deploy["drainingSeconds"] >= DEFAULTS.shutdown_timeout + 2


def test_dokku() -> None:
    (startup,) = json.loads(FILES["app.json"])["healthchecks"]["web"]
    assert startup["path"] in routes()


def environment_file() -> dict[str, str]:
    return dict(line.split("=", 1) for line in FILES["ocpp_cs.env"].splitlines())


def test_the_environment_of_the_service() -> None:
    assert environment_file().keys() <= SETTINGS
    assert load(environment_file()).dialect == "sqlite"


def test_units_of_systemd(tmp_path: Path) -> None:
    """With the commands of this machine in the place of those that are not installed here."""
    systemd_analyze = program("systemd-analyze")
    units = [name for name in FILES if name.endswith((".service", ".timer"))]
    assert len(units) == 3
    for name in units:
        text = FILES[name].replace("/srv/ocpp_cs/app/.venv/bin/", "/usr/bin/env ")
        text = re.sub(r"^(User|Group)=ocpp_cs$", r"\1=root", text, flags=re.MULTILINE)
        (tmp_path / name).write_text(text, encoding="utf-8")
    told = check(systemd_analyze, "verify", *(str(tmp_path / name) for name in units))
    assert [line for line in told.splitlines() if "ocpp_cs" in line] == []
    service = FILES["ocpp_cs.service"]
    assert (
        f"flask --app wsgi db upgrade\nExecStart=/srv/ocpp_cs/app/.venv/bin/{PROCFILE['web']}\n"
        in service
    )
    (limit,) = re.findall(r"LimitNOFILE=(\d+)", service)
    (stop,) = re.findall(r"TimeoutStopSec=(\d+)", service)
    assert int(limit) >= DEFAULTS.max_charge_points + 1000
    assert int(stop) >= DEFAULTS.shutdown_timeout + 2


def test_caddy(tmp_path: Path) -> None:
    path = tmp_path / "Caddyfile"
    path.write_text(FILES["Caddyfile"], encoding="utf-8")
    check(program("caddy"), "validate", "--adapter", "caddyfile", "--config", str(path))


@contextmanager
def nginx(directory: Path, port: int, upstream: int) -> Iterator[int]:
    """The documented server in an nginx of its own; its port."""
    pair = Authority(directory).server()
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        listen = probe.getsockname()[1]
    server = FILES["nginx.conf"].replace("listen 443 ssl", f"listen 127.0.0.1:{listen} ssl")
    server = server.replace("/etc/ssl/ocpp.pem", str(pair.cert))
    server = server.replace("/etc/ssl/private/ocpp.key", str(pair.key))
    server = server.replace(f"127.0.0.1:{port}", f"127.0.0.1:{upstream}")
    paths = "".join(
        f"{name}_temp_path {directory / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = directory / "whole.conf"
    path.write_text(
        f"user root;\ndaemon off;\npid {directory / 'pid'};\nerror_log {directory / 'error.log'};\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n",
        encoding="utf-8",
    )
    command = [program("nginx"), "-c", str(path), "-e", str(directory / "error.log")]
    check(*command, "-t")
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: answers(listen), what="nginx listens")
        yield listen
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def test_a_charge_point_through_nginx(server: StartServer, tmp_path: Path) -> None:
    """With a password within TLS it comes to profile 2: the proxy is believed."""
    environment = environment_file()
    running = server(**{name: environment[name] for name in ("HOST", "TRUSTED_PROXIES")})
    running.flask("charge-point", "add", "CB-1", "--password", "correct-horse-battery")
    shown = b64encode(b"CB-1:correct-horse-battery").decode()
    headers = {
        "Authorization": f"Basic {shown}",
        # What a client claims to be is thrown away.
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-S-DN": "CN=CB-2",
    }
    with nginx(tmp_path, int(environment["PORT"]), running.port) as port:
        trust = ssl.create_default_context(cafile=tmp_path / "Test CA.pem")
        url = f"wss://localhost:{port}/ocpp/CB-1"
        with connect(url, ssl=trust, additional_headers=headers, proxy=None) as client:
            client.send('[2,"1","Heartbeat",{}]')
            assert json.loads(client.recv(10))[0] == 3
    assert "CB-1\taccepted\tprofile 2" in running.flask("charge-point", "list")
    assert "Traceback" not in running.log_text()


def test_alerts_name_metrics_that_there_are() -> None:
    rules = yaml.safe_load(FILES["alerts.yml"])["groups"][0]["rules"]
    scraped = yaml.safe_load(FILES["prometheus.yml"])["scrape_configs"]
    documented = {row[0].strip("`") for row in table(OPERATORS, "Metrics")}
    process = {"process_open_fds", "process_max_fds", "up"}
    for rule in rules:
        names = set(re.findall(r"\b(?:ocpp_cs_\w+|process_\w+|up)\b(?=[{\[)\s])", rule["expr"]))
        names = {re.sub(r"_bucket$", "", name) for name in names}
        assert names, rule
        assert names <= documented | process, rule["alert"]
        jobs = set(re.findall(r'job="([^"]+)"', rule["expr"]))
        assert jobs <= {each["job_name"] for each in scraped}
    assert scraped[0]["metrics_path"] in routes()
