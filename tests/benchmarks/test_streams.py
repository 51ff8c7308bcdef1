"""A long download begins at once, has every row, and does not grow with what it carries."""

from __future__ import annotations

from pathlib import Path

from benchmarks.streams import measure

ROWS = 20_000


def test_a_stream_takes_no_memory(database_url: str, tmp_path: Path) -> None:
    found = measure(database_url, ROWS, tmp_path / "log")
    print(found)
    assert found.rows == ROWS
    assert found.first_byte_s < found.total_s / 2  # it is streamed, and not put together first
    assert found.grown_mib + found.mapped_mib < 50
