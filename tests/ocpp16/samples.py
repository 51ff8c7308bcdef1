"""Reads the tables of good and bad frames in tests/samples.

A frame stands there as text. `repeat` = [mark, text, times] puts `text` so many times in place
of `mark` (in `message_id` and `action` too); `encoding` says how the text becomes bytes if not in
UTF-8.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

SAMPLES = Path(__file__).parents[1] / "samples"


class Sample(NamedTuple):
    """A frame, the rule that it is about, and what is expected of it."""

    name: str
    frame: bytes
    expected: dict[str, Any]


def load(table: str) -> list[Sample]:
    """The samples of `good_frames` or `bad_frames`, in the order of the file."""
    rows = json.loads((SAMPLES / f"{table}.json").read_text("utf-8"))
    return [_sample(row) for row in rows]


def _sample(row: dict[str, Any]) -> Sample:
    name = f"{row.pop('rule')}: {row.pop('what')}"
    if repeat := row.pop("repeat", None):
        mark, text, times = repeat
        for key in row.keys() & {"frame", "message_id", "action"}:
            row[key] = row[key] and row[key].replace(mark, text * times)
    frame = row.pop("frame").encode(row.pop("encoding", "utf-8"))
    return Sample(name, frame, row)
