"""A long download begins at once, has every row, and does not grow with what it carries."""

from __future__ import annotations

from benchmarks.streams import measure, print_figures

ROWS = 20_000


def test_a_stream_takes_no_memory(database_url: str) -> None:
    figures = measure(database_url, ROWS, 1)
    print_figures(figures)
    for name, [found] in figures.downloads.items():
        samples = "meter values" in name  # four of each transaction, and more of a few
        assert found.rows > 4 * ROWS if samples else found.rows == ROWS
        assert found.first_byte_s < found.total_s / 2  # it is streamed, and not put together first
        assert found.grown_mib + found.mapped_mib < 50
    assert figures.dumps
    assert figures.heartbeats_s
