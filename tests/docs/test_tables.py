"""Tables in the documents hold what the code holds: the same names, all of them and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import peewee
import pytest
from flask import Flask

from config.platforms import PLATFORMS
from config.settings import TABLE as SETTINGS
from config.tls import OUTCOMES
from ocpp_cs.cli import init_cli
from ocpp_cs.db.commit import Committer
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import UtcField
from ocpp_cs.db.models import TABLES
from ocpp_cs.doctor import CHECKS
from ocpp_cs.handlers import HANDLERS
from ocpp_cs.hints import HINTS
from ocpp_cs.monitoring.exposition import TABLE as METRICS
from ocpp_cs.ocpp16 import times
from ocpp_cs.ocpp16.deviations import DEVIATIONS
from ocpp_cs.ocpp16.errors import CallErrorCode
from ocpp_cs.ocpp16.messages import FROM_CENTRAL_SYSTEM, FROM_CHARGE_POINT
from ocpp_cs.rules import TransactionFlag, flag_names
from ocpp_cs.simulator.command import simulate
from ocpp_cs.simulator.vendors import VENDORS
from tests.docs.documents import DOCUMENTS, FOLDER, code, prose, section, table, title
from tests.servers import PROJECT
from tests.test_layers import FLOORS

ARCHITECTURE = FOLDER / "architecture.md"
CHARGE_POINTS = FOLDER / "charge-points.md"
OPERATORS = FOLDER / "operators.md"
PROTOCOL = FOLDER / "protocol.md"
SIMULATOR = FOLDER / "simulator.md"

MODELS = {model._meta.table_name: model for model in TABLES}
KINDS = {
    peewee.IntegerField: "integer",
    peewee.TextField: "text",
    UtcField: "time",
    peewee.DoubleField: "number",
    peewee.BooleanField: "boolean",
    peewee.BlobField: "bytes",
}


def calls(folder: str, *names: str) -> Iterator[tuple[str, list[ast.expr]]]:
    """Name and arguments of every call of a function of one of the names, below `ocpp_cs`."""
    for path in (PROJECT / "ocpp_cs").glob(f"{folder}/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func).rpartition(".")[2]
                if name in names:
                    yield name, node.args


def texts(*trees: ast.AST) -> list[str]:
    """Every text constant in the trees."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def first_code(rows: list[list[str]], column: int = 0) -> list[str]:
    return [code(row[column])[0] for row in rows]


# --- For operators ------------------------------------------------------------------------------


def refusals() -> set[tuple[str, str]]:
    """Status and reason of every handshake that the gateway refuses."""
    found = set()
    for name, arguments in calls("gateway", "Refusal", "unauthorized", "bad_subprotocol"):
        if name == "Refusal":
            status = ast.unparse(arguments[0])
            found |= {(status, reason) for reason in texts(arguments[1])}
        else:
            status = "401" if name == "unauthorized" else "400"
            found |= {(status, reason) for reason in texts(*arguments)}
    found |= {("TLS", outcome) for outcome in OUTCOMES}
    # The key check is told what its failure is.
    for _, arguments in calls("gateway", "_check_key"):
        found |= {("401", reason) for reason in texts(arguments[-1])}
    return found


def test_refused_handshakes() -> None:
    rows = table(OPERATORS, "Refused handshakes")
    assert len(refusals()) > 15
    assert {(row[0], code(row[1])[0]) for row in rows} == refusals()
    assert rows == sorted(rows, key=lambda row: row[0])
    # The API says the same, also of what is hidden (A4).
    hints = {
        code(row[1])[0]: row[2] for row in rows if row[:2] != ["401", "`unknown_charge_point`"]
    }
    assert hints == {outcome: hint for outcome, hint in HINTS.items() if outcome != "accepted"}


def test_log_lines_are_in_the_code() -> None:
    sources = [path.read_text(encoding="utf-8") for path in PROJECT.glob("ocpp_cs/**/*.py")]
    known = " ".join(texts(*map(ast.parse, sources))).replace("%d", "…").replace("%s", "…")
    for row in table(OPERATORS, "The log"):
        parts = code(row[0])[0].split("…")
        assert all(part.strip() in known for part in parts), f"nothing logs {row[0]}"


def test_limits_name_settings() -> None:
    known = {setting.variable for setting in SETTINGS}
    named = {name for row in table(OPERATORS, "Limits") for name in code(row[1])}
    assert named <= known
    assert len(named) > 8


@pytest.mark.parametrize("path", DOCUMENTS, ids=title)
def test_named_settings_exist(path: Path) -> None:
    """Whatever looks like a variable is a setting, of ours or of a platform."""
    known = {setting.variable for setting in SETTINGS}
    known |= {name for each in PLATFORMS for name in (each.variable, each.grace_setting)}
    spans = [text for line in prose(path) for text in code(line)]
    named = {match[1] for text in spans if (match := re.fullmatch(r"([A-Z]+_[A-Z_]+)(=.*)?", text))}
    assert named <= known


def test_commands_for_charge_points(sqlite_url: str) -> None:
    app = Flask(__name__)
    engine = Engine(sqlite_url)
    init_cli(app, engine, Committer(engine))
    group = app.cli.commands["charge-point"]
    assert isinstance(group, click.Group)
    rows = table(OPERATORS, "Charge points")
    assert {text.split()[1] for text in first_code(rows)} == group.commands.keys()


# --- For installers -----------------------------------------------------------------------------


def test_flags() -> None:
    rows = table(CHARGE_POINTS, "Flags of a transaction")
    assert first_code(rows) == [name for flag in TransactionFlag for name in flag_names(flag)]
    assert all(len(row[1]) > 20 for row in rows)


def deviations() -> set[str]:
    """The code of every deviation that is noted anywhere."""
    found = {times.NAIVE_TIME, times.UNREADABLE_TIME, times.CLOCK_NOT_SET}
    for _, arguments in calls("ocpp16", "Deviation", "add"):
        found |= set(texts(arguments[0]))
    for _, arguments in calls("gateway", "deviation"):
        found |= set(texts(arguments[1]))
    for _, arguments in calls("handlers", "note_deviation"):
        found |= set(texts(arguments[2]))
    return found


def test_deviations() -> None:
    rows = table(CHARGE_POINTS, "Deviations")
    documented = first_code(rows)
    assert set(documented) == deviations()
    assert [(code, row[1]) for code, row in zip(documented, rows, strict=True)] == list(
        DEVIATIONS.items()
    )


def test_close_codes() -> None:
    given = set()
    for path in PROJECT.glob("ocpp_cs/gateway/*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, int):
                given |= {str(node.value)} if 1001 <= node.value <= 1015 else set()
    given -= {"1005", "1006"}  # never sent: what the log says of connections without a Close
    assert {row[0] for row in table(CHARGE_POINTS, "Why a connection was closed")} == {
        *given,
        "1009",  # sent by the WebSocket library
    }


# --- The protocol -------------------------------------------------------------------------------


def test_messages_from_charge_points() -> None:
    rows = table(PROTOCOL, "Messages from charge points")
    documented = {code(name)[0]: profile for name, profile, _ in rows}
    assert documented == {name: action.profile for name, action in FROM_CHARGE_POINT.items()}
    assert documented.keys() == HANDLERS.keys()
    assert f"all {len(documented)}, received" in table(PROTOCOL, TOP)[1][1]


def test_messages_to_charge_points() -> None:
    rows = table(PROTOCOL, "Messages to charge points")
    documented = {code(name)[0]: profile for name, profile in rows}
    assert documented == {name: action.profile for name, action in FROM_CENTRAL_SYSTEM.items()}
    assert f"all {len(documented)} are typed, validated and sent" in table(PROTOCOL, TOP)[2][1]


TOP = "OCPP 1.6: what is supported, and how"


def test_natural_keys() -> None:
    for _, name, columns in table(PROTOCOL, "Exactly once"):
        model = MODELS[code(name)[0]]
        primary = model._meta.primary_key
        indexes = [index for index in model._meta.indexes if isinstance(index, tuple)]
        unique = [columns for columns, is_unique in indexes if is_unique]
        if isinstance(primary, peewee.CompositeKey):
            unique.append(primary.field_names)
        assert tuple(code(columns)) in unique, name


def test_every_code_is_explained() -> None:
    lines = section(PROTOCOL, "Faults and their codes") + section(PROTOCOL, "Frames")
    named = {text for line in lines for text in code(line)}
    assert {str(each) for each in CallErrorCode} <= named


def test_metrics() -> None:
    rows = table(OPERATORS, "Metrics")
    documented = [(row[0].strip("`"), row[1], code(row[2]), row[3]) for row in rows]
    ours = [
        (
            f"ocpp_cs_{line.name}",
            line.kind,
            [*line.labels, *(["worker"] if line.kind == "gauge" else [])],
            line.meaning,
        )
        for line in METRICS
    ]
    assert documented[: len(ours)] == ours
    others = {name for name, *_ in documented[len(ours) :]}
    assert others == {"ocpp_cs_workers", "ocpp_cs_open_commands", "ocpp_cs_build_info"}


def test_checks_of_the_doctor() -> None:
    assert first_code(table(OPERATORS, "The doctor")) == list(CHECKS)


# --- The architecture ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_columns(name: str) -> None:
    documented = [(code(row[0])[0], row[1]) for row in table(ARCHITECTURE, name)]
    assert documented == [
        (field.column_name, kind_of(field) + ("?" if field.null else ""))
        for field in MODELS[name]._meta.sorted_fields
    ]
    assert all(row[2] for row in table(ARCHITECTURE, name))


def kind_of(field: peewee.Field) -> str:
    return next(kind for of, kind in KINDS.items() if isinstance(field, of))


def test_no_table_is_made_up() -> None:
    lines = ARCHITECTURE.read_text(encoding="utf-8").partition("\n## Tables\n")[2].splitlines()
    assert [line[4:] for line in lines if line.startswith("### ")] == list(MODELS)


def test_rooms_are_those_of_the_floors() -> None:
    rooms = [(floor, code(room)[0]) for floor, room, _ in table(ARCHITECTURE, "Rooms and floors")]
    for _, room in rooms:
        assert (PROJECT / room).exists(), room
    ours = [(floor, Path(room).stem) for floor, room in rooms if room.startswith("ocpp_cs/")]
    there = {
        path.stem
        for path in (PROJECT / "ocpp_cs").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert {room for _, room in ours} == there - {"__init__"}
    numbers = {room: int(floor) for floor, room in ours if floor != "-"}
    for room, number in numbers.items():
        lower = [other for other in FLOORS[room].ours if other in numbers]
        assert all(numbers[other] <= number for other in lower), room


# --- The simulator ------------------------------------------------------------------------------


def test_options_of_the_simulator() -> None:
    options = [each for each in simulate.params if isinstance(each, click.Option)]
    rows = table(SIMULATOR, "Options")
    assert first_code(rows) == [option.opts[0] for option in options]
    for row, option in zip(rows, options, strict=True):
        default = option.default if option.show_default else None
        assert code(row[1]) == ([] if default is None else [str(default)]), row[0]


def test_makes_of_the_simulator() -> None:
    rows = table(SIMULATOR, "The makes")
    assert [row[:2] for row in rows] == [[f"{v.name} {v.model}", v.site] for v in VENDORS]
