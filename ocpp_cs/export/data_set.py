"""Writes a data set into a folder, part by part, and goes on where it was cut off.

The manifest says what is there: it is written anew after each part, which makes that part count.
Rows are read in chunks after a key, so that memory stays constant, no connection is held for long,
and what arrives meanwhile neither repeats rows nor hides any.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ocpp_cs.api.cursors import decode_cursor, encode_cursor
from ocpp_cs.api.lists import Read
from ocpp_cs.db import migrate, queries
from ocpp_cs.db.engine import Engine
from ocpp_cs.export.files import FORMATS
from ocpp_cs.export.resources import RESOURCES, Resource, Scope, type_of
from ocpp_cs.ocpp16.times import format_time

MANIFEST = "manifest.json"
_CHUNK = 5_000
# Given to a progress, it is told the rows that were written.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
Json = dict[str, Any]


class NotThisDataSet(Exception):
    """The folder holds something else than what was asked for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A data set; `since` and `until` choose among the resources that have a time."""

    format: str
    only: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    rows_per_file: int


def export(engine: Engine, folder: Path, wanted: Wanted, now: datetime, progress: Progress) -> Json:
    """Writes what is missing in the folder; the manifest. `now` counts for a new data set only.

    Raises NotThisDataSet and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _manifest(folder, wanted, now)
    scope = Scope(datetime.fromisoformat(manifest["begun_at"]), wanted.since, wanted.until)
    for name in wanted.only:
        resource = RESOURCES[name]
        state = manifest["resources"].setdefault(name, _nothing_of(resource))
        if state["complete"]:
            continue
        total = max(engine.read(partial(queries.row_count, resource.table)), state["rows"])
        with progress(name, total) as written:
            written(state["rows"])
            while not state["complete"]:
                _write_part(engine, folder, wanted, resource, resource.read(scope), state, written)
                _save(folder, manifest)
    return manifest


def _write_part(
    engine: Engine,
    folder: Path,
    wanted: Wanted,
    resource: Resource,
    read: Read,
    state: Json,
    written: Callable[[int], None],
) -> None:
    """Writes the next file and enters it in the resource's state."""
    listing, after = resource.listing, None
    if state["next"] is not None:
        after = decode_cursor(state["next"], listing.name, listing.key_types)
    number = len(state["files"]) + 1
    path = folder / f"{resource.name}-{number:05}.{wanted.format}"
    with FORMATS[wanted.format](path, resource.columns) as file:
        complete = False
        while file.rows < wanted.rows_per_file and not complete:
            size = min(_CHUNK, wanted.rows_per_file - file.rows)
            rows = engine.read(partial(read, after, size))
            file.write(rows)
            written(len(rows))
            complete = len(rows) < size
            after = listing.key_of(rows[-1]) if rows else after
        # The part before may have been full to the last row: then there is nothing more.
        if file.rows or number == 1:
            state["files"].append(file.commit())
            state["rows"] += file.rows
    state["complete"] = complete
    state["next"] = None if after is None else encode_cursor(listing.name, after)


def _manifest(folder: Path, wanted: Wanted, now: datetime) -> Json:
    """The manifest of the folder, or a new one; raises NotThisDataSet where it is another's."""
    asked = {
        "format": wanted.format,
        "from": None if wanted.since is None else format_time(wanted.since),
        "to": None if wanted.until is None else format_time(wanted.until),
        "schema_version": migrate.newest(),
    }
    path = folder / MANIFEST
    if not path.exists():
        if any(folder.iterdir()):
            raise NotThisDataSet(f"{folder} is not empty, and has no {MANIFEST}.")
        return {**asked, "begun_at": format_time(now), "resources": {}}
    found: Json = json.loads(path.read_text(encoding="utf-8"))
    for name, value in asked.items():
        if found.get(name) != value:
            raise NotThisDataSet(
                f"{folder} holds a data set with {name} {found.get(name)}, not {value}: "
                "take another folder."
            )
    return found


def _nothing_of(resource: Resource) -> Json:
    columns = [
        {
            "name": name,
            "type": type_of(field),
            "unit": field.metadata.get("x-unit"),
            "nullable": field.allow_none,
            "description": field.metadata["description"],
        }
        for name, field in resource.columns.fields.items()
    ]
    return {
        "ranged": resource.ranged,
        "columns": columns,
        "rows": 0,
        "complete": False,
        "next": None,
        "files": [],
    }


def _save(folder: Path, manifest: Json) -> None:
    beside = folder / f".{MANIFEST}.partial"
    with beside.open("w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / MANIFEST)
