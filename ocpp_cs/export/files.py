"""A file of a data set: rows go in, and it appears under its name when it is whole.

CSV as the REST API writes it. Parquet needs the package pyarrow, which no server needs.
"""

from __future__ import annotations

import hashlib
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from ocpp_cs.api.columns import Columns, Rows
from ocpp_cs.api.fields import INT64_MAX, Flags, Number, Time, Truth, Whole

# Rows of a row group: they are in memory together.
_ROW_GROUP = 50_000


class ParquetMissing(Exception):
    """The package that writes Parquet is not installed."""


class File(ABC):
    """Written beside its place; `commit` puts it there, everything else leaves nothing."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self.rows = 0
        self.partial = path.with_name(f".{path.name}.partial")

    @abstractmethod
    def write(self, rows: Rows) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Completes the file; may be called again."""

    def commit(self) -> dict[str, Any]:
        """Its name, and what shows whether it is still whole."""
        self.close()
        with self.partial.open("rb") as file:
            os.fsync(file.fileno())
            checksum = hashlib.file_digest(file, "sha256").hexdigest()
        size = self.partial.stat().st_size
        self.partial.replace(self.path)
        return {"name": self.path.name, "rows": self.rows, "bytes": size, "sha256": checksum}

    def __enter__(self) -> File:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.close()
        self.partial.unlink(missing_ok=True)


class CsvFile(File):
    """CSV, byte for byte what the API streams."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self._file = self.partial.open("wb")
        self._file.write(columns.separated((), True))

    def write(self, rows: Rows) -> None:
        self._file.write(self.columns.separated(self.columns.table(rows), False))
        self.rows += len(rows)

    def close(self) -> None:
        self._file.close()


class ParquetFile(File):
    """Parquet with the types that the columns have; what is a list in JSON is one here."""

    def __init__(self, path: Path, columns: Columns) -> None:
        super().__init__(path, columns)
        self._arrow, parquet = _pyarrow()
        kinds = [_kind(field) for field in columns.fields.values()]
        self._convert = [convert for _, convert in kinds]
        names = zip(columns.names, kinds, strict=True)
        self._schema = self._arrow.schema([(name, make(self._arrow)) for name, (make, _) in names])
        self._writer = parquet.ParquetWriter(self.partial, self._schema, compression="zstd")
        self._waiting: list[list[Any]] = []

    def write(self, rows: Rows) -> None:
        for row in rows:
            values = self.columns.values(row)
            for place, convert in enumerate(self._convert):
                if values[place] is not None:
                    values[place] = convert(values[place])
            self._waiting.append(values)
        self.rows += len(rows)
        if len(self._waiting) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            parts = zip(*self._waiting, strict=True)
            arrays = [
                self._arrow.array(part, kind)
                for part, kind in zip(parts, self._schema.types, strict=True)
            ]
            self._writer.write_table(self._arrow.table(arrays, schema=self._schema))
            self._waiting = []

    def close(self) -> None:
        if self._writer.is_open:
            self._flush()
            self._writer.close()


FORMATS: dict[str, type[File]] = {"csv": CsvFile, "parquet": ParquetFile}


def check_format(name: str) -> None:
    """Raises ParquetMissing before anything is written."""
    if name == "parquet":
        _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ParquetMissing(
            "Parquet needs the package pyarrow: install it with `.venv/bin/pip install pyarrow`, "
            "or take --format csv."
        ) from None
    return pyarrow, pyarrow.parquet


def _kind(field: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The type of a column in Parquet, and what makes a value of the database one of it."""
    if isinstance(field, Time):
        return (lambda arrow: arrow.timestamp("ms", tz="UTC")), lambda value: value
    if isinstance(field, Whole):
        return (lambda arrow: arrow.int64()), _int64
    if isinstance(field, Number):
        return (lambda arrow: arrow.float64()), _finite
    if isinstance(field, Truth):
        return (lambda arrow: arrow.bool_()), lambda value: value
    if isinstance(field, Flags):
        return (lambda arrow: arrow.list_(arrow.string())), field.plain
    return (lambda arrow: arrow.string()), _text_of(field)


def _text_of(field: Any) -> Callable[[Any], Any]:
    """The text in JSON; what is no text, as JSON. No quote before formulas: Parquet has types."""
    if field.plain is None:
        return lambda value: value
    return lambda value: field.cell(field.plain(value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _int64(value: int) -> int | None:
    """Two hostile registers can differ by more; in CSV the difference is exact."""
    return value if abs(value) <= INT64_MAX else None
