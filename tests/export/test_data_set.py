"""`flask export`: every list in files that are the API's own CSV, or Parquet with the same values.

A run that is cut off is gone on with; what stands under its name is whole.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result
from flask import Flask
from pyarrow import parquet

from config.settings import Settings
from ocpp_cs.app import create_app
from ocpp_cs.db import migrate
from ocpp_cs.export import files
from ocpp_cs.export.resources import RESOURCES
from tests.api.rows import START, STOP, Rows

DAY = timedelta(days=1)


@pytest.fixture
def app(database_url: str, tables: None) -> Iterator[Flask]:
    app = create_app(Settings(database_url=database_url, api_without_key=True))
    system = app.extensions["ocpp_cs"]
    migrate.upgrade(system.engine)
    rows = Rows(system.engine)
    with rows.together():
        fill(rows)
    rows.close()
    yield app
    system.committer.close()
    system.engine.close()


def fill(rows: Rows) -> None:
    """Two charge points, seven transactions on as many days, and samples in and beside them."""
    for name in ("CB-4711", "CB-4712"):
        id = rows.charge_point(name, note="=1+1")
        rows.availability(id)
        rows.configuration_key(id)
        rows.command(id, request='{"key":"AuthorizationKey","value":"secret"}')
    rows.id_tag("0fc673")
    for day in range(7):
        start, stop = START + day * DAY, STOP + day * DAY
        times = {"started_at": start, "stopped_at": stop, "last_sample_at": stop}
        id = rows.stopped(1 + day % 2, flags=1 << day, **times)
        for minute in (15, 30):
            at = start + timedelta(minutes=minute)
            rows.sample(id, at, "-11000", charge_point_id=1 + day % 2, value=-11000.5)
    rows.sample(0, START, "Auth1", charge_point_id=2, measurand="Signed")


def run(app: Flask, *arguments: Any) -> Result:
    return app.test_cli_runner().invoke(args=["export", *map(str, arguments)])


def written(app: Flask, folder: Path, *arguments: Any) -> dict[str, Any]:
    """The manifest after a run that went well."""
    done = run(app, folder, *arguments)
    assert done.exit_code == 0, done.output
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        *(file["name"] for each in manifest["resources"].values() for file in each["files"]),
    }
    return manifest


def content(folder: Path, manifest: dict[str, Any], name: str) -> list[list[str]]:
    """The lines of a resource's CSV files, the names of the columns once."""
    parts = []
    for file in manifest["resources"][name]["files"]:
        text = (folder / file["name"]).read_text(encoding="utf-8")
        parts.append(list(csv.reader(io.StringIO(text, newline=""))))
    assert all(part[0] == parts[0][0] for part in parts)
    return [parts[0][0], *(line for part in parts for line in part[1:])]


def asked(sql: str) -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(sql).fetchall()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("charge_points", "charge-points"),
        ("id_tags", "id-tags"),
        ("transactions", "transactions?sort=started_at"),
        ("meter_values", "meter-values"),
        ("commands", "commands"),
    ],
)
@pytest.mark.parametrize("rows_per_file", [3, 1_000_000])
def test_the_files_are_the_lists_of_the_api(
    app: Flask, tmp_path: Path, name: str, path: str, rows_per_file: int
) -> None:
    manifest = written(app, tmp_path / "set", "--rows-per-file", rows_per_file)
    mark = "&" if "?" in path else "?"
    streamed = app.test_client().get(f"/api/v1/{path}{mark}format=csv").get_data(as_text=True)
    found = content(tmp_path / "set", manifest, name)
    assert found == list(csv.reader(io.StringIO(streamed, newline="")))
    assert len(found) == 1 + manifest["resources"][name]["rows"] > 1
    files = manifest["resources"][name]["files"]
    assert len(files) == -(-(len(found) - 1) // rows_per_file)


def test_the_manifest_describes_the_files(app: Flask, tmp_path: Path) -> None:
    manifest = written(app, tmp_path / "set")
    assert manifest["schema_version"] == migrate.newest()
    assert manifest["resources"].keys() == RESOURCES.keys()
    for name, resource in manifest["resources"].items():
        assert resource["complete"]
        assert content(tmp_path / "set", manifest, name)[0] == [
            column["name"] for column in resource["columns"]
        ]
        for file in resource["files"]:
            data = (tmp_path / "set" / file["name"]).read_bytes()
            assert (len(data), hashlib.sha256(data).hexdigest()) == (file["bytes"], file["sha256"])
    columns = {
        column["name"]: column for column in manifest["resources"]["transactions"]["columns"]
    }
    assert columns["energy_wh"]["unit"] == "Wh"
    assert columns["energy_wh"]["nullable"] is True
    assert columns["id"]["nullable"] is False


def test_lists_of_each_charge_point_say_whose_they_are(app: Flask, tmp_path: Path) -> None:
    manifest = written(app, tmp_path / "set", "--only", "availability, configuration")
    assert manifest["resources"].keys() == {"availability", "configuration"}
    lines = content(tmp_path / "set", manifest, "availability")
    assert [line[0] for line in lines] == ["charge_point_id", "CB-4711", "CB-4712"]


def test_parquet_has_types_and_the_same_values(app: Flask, tmp_path: Path) -> None:
    manifest = written(app, tmp_path / "set", "--format", "parquet", "--rows-per-file", 4)
    assert [f["rows"] for f in manifest["resources"]["transactions"]["files"]] == [4, 3]
    schema = parquet.read_schema(tmp_path / "set" / "transactions-00001.parquet")
    assert str(schema.field("started_at").type) == "timestamp[ms, tz=UTC]"
    assert str(schema.field("energy_wh").type) == "int64"
    assert str(schema.field("average_power_w").type) == "double"
    found = asked(
        "SELECT epoch_ms(started_at), energy_wh, flags"
        f" FROM '{tmp_path}/set/transactions-*.parquet' ORDER BY id"
    )
    client: Any = app.test_client()
    items = client.get("/api/v1/transactions?sort=started_at").json["items"]
    assert [(energy, flags) for _, energy, flags in found] == [
        (item["energy_wh"], item["flags"]) for item in items
    ]
    assert [at for at, *_ in found] == [
        int((START + day * DAY).timestamp() * 1000) for day in range(7)
    ]
    signed = asked(
        f"SELECT DISTINCT raw_value, value FROM '{tmp_path}/set/meter_values-*.parquet'"
        " WHERE transaction_id IS NOT NULL"
    )
    assert signed == [("-11000", -11000.5)]  # no quote as in CSV, where it may be a formula


def test_a_range_chooses_among_what_has_a_time(app: Flask, tmp_path: Path) -> None:
    manifest = written(
        app, tmp_path / "set", "--from", "2021-11-12", "--to", "2021-11-13T14:30:00Z"
    )
    rows = {name: resource["rows"] for name, resource in manifest["resources"].items()}
    assert (rows["transactions"], rows["meter_values"], rows["charge_points"]) == (2, 3, 2)


class Cut(Exception):
    """The power is cut."""


def test_a_run_that_was_cut_off_is_gone_on_with(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = written(app, tmp_path / "whole", "--rows-per-file", 3)
    commits = 0
    commit = files.File.commit

    def failing(file: files.File) -> dict[str, Any]:
        nonlocal commits
        commits += 1
        if commits == 5:
            raise Cut
        return commit(file)

    with monkeypatch.context() as patch:
        patch.setattr(files.File, "commit", failing)
        assert isinstance(run(app, tmp_path / "set", "--rows-per-file", 3).exception, Cut)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("*.csv")}
    assert len(before) == 4
    manifest = written(app, tmp_path / "set", "--rows-per-file", 3)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "set").glob("*.csv")}
    assert before.items() <= after.items(), "whole files are not written again"
    for name in ("transactions", "meter_values"):
        assert content(tmp_path / "set", manifest, name) == content(tmp_path / "whole", whole, name)


def test_another_data_set_is_not_written_over(app: Flask, tmp_path: Path) -> None:
    written(app, tmp_path / "set")
    refused = run(app, tmp_path / "set", "--format", "parquet")
    assert refused.exit_code == 1
    assert "holds a data set with format csv, not parquet" in refused.output
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    assert "is not empty" in run(app, tmp_path / "other").output


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "transaction"], "'transaction' is none of charge_points, "),
        (["--from", "yesterday"], "neither a day nor a time with its offset"),
        (["--to", "2021-11-10T14:00:00"], "neither a day nor a time with its offset"),
        (["--format", "xlsx"], "'xlsx' is not one of"),
    ],
)
def test_what_is_not_understood_is_said(
    app: Flask, tmp_path: Path, arguments: list[str], said: str
) -> None:
    refused = run(app, tmp_path / "set", *arguments)
    assert refused.exit_code == 2
    assert said in refused.output
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_pyarrow_it_says_how_to_get_it(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refused = run(app, tmp_path / "set", "--format", "parquet")
    assert refused.exit_code == 1
    assert "pip install pyarrow" in refused.output
