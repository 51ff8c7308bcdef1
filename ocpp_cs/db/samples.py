"""Writes the samples of a whole group at once, and what they say of their transactions.

Which samples those are, and in which units, is decided by the handler. A sample that is there
already is left as it is: its key is the physical event (F4).
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple, TypeAlias

from ocpp_cs.db.batch import BatchInsert
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import StoredTime
from ocpp_cs.db.models import STRAY_AFTER
from ocpp_cs.rules import TransactionFlag

# A row of `meter_values`, in the order of its columns: a bare tuple, since most rows of all are
# these. Transaction 0: none.
Sample: TypeAlias = tuple[int, int, StoredTime, int, int, float | None, str, int | None]
_insert_samples = BatchInsert(
    "meter_values",
    {
        "charge_point_id": "int4",
        "transaction_id": "int4",
        "sampled_at": "timestamptz",
        "series_id": "int4",
        "connector_id": "int4",
        "value": "float8",
        "raw_value": "text",
        "claimed_transaction_id": "int4",
    },
)


class TransactionProgress(NamedTuple):
    """What samples of one instant say of their transaction; energy in Wh, power in W, flags to be
    added."""

    transaction_id: int
    sampled_at: StoredTime
    register_wh: int | None
    power_w: float | None
    flags: int


def insert_samples(tx: Tx, messages: list[list[Sample]]) -> None:
    """Inserts the samples of all messages of a group; the form that `Tx.later` takes."""
    _insert_samples(tx, chain.from_iterable(messages))


# {name} is a parameter on SQLite and a column of the joined arrays on PostgreSQL, in the order of
# `_PARTS`, which is that of `TransactionProgress`.
_PROGRESS = """
UPDATE transactions SET
    last_sample_at = CASE WHEN last_sample_at > {sampled_at} THEN last_sample_at
        ELSE {sampled_at} END,
    last_register_wh = CASE WHEN {register_wh} IS NULL OR last_register_at > {sampled_at}
        THEN last_register_wh ELSE {register_wh} END,
    last_register_at = CASE WHEN {register_wh} IS NULL OR last_register_at > {sampled_at}
        THEN last_register_at ELSE {sampled_at} END,
    max_power_w = CASE WHEN {power_w} IS NULL OR max_power_w > {power_w}
        THEN max_power_w ELSE {power_w} END,
    flags = (transactions.flags | {flags}
        | CASE WHEN last_register_at < {sampled_at} AND last_register_wh > {register_wh}
            THEN {register_fell} ELSE 0 END
        | CASE WHEN stopped_at < {sampled_at} THEN {sample_outside} ELSE 0 END)
        & ~ CASE WHEN suspect_since < {sampled_at} THEN {suspect_open} ELSE 0 END,
    suspect_since = CASE WHEN suspect_since < {sampled_at} THEN NULL ELSE suspect_since END,
    stray = CASE WHEN {flags} & {sample_outside} <> 0 OR stopped_at < {sampled_at}
        OR {sampled_at} - started_at > {stray_after} THEN TRUE ELSE stray END
"""
_PARTS: dict[str, str] = {
    "transaction_id": "int4",
    "sampled_at": "timestamptz",
    "register_wh": "int8",
    "power_w": "float8",
    "flags": "int4",
}
# The numbers of the flags stay those of `rules`.
_FLAGS: dict[str, int] = {
    "register_fell": TransactionFlag.REGISTER_FELL.value,
    "sample_outside": TransactionFlag.SAMPLE_OUTSIDE.value,
    "suspect_open": TransactionFlag.SUSPECT_OPEN.value,
}
_SQLITE_PROGRESS = (
    _PROGRESS.format(
        **{name: f"?{place}" for place, name in enumerate(_PARTS, 1)},
        **_FLAGS,
        stray_after=int(STRAY_AFTER.total_seconds()) * 1000,
    )
    + "WHERE id = ?1"
)
_POSTGRESQL_PROGRESS = (
    _PROGRESS.format(
        **{name: f"news.{name}" for name in _PARTS},
        **_FLAGS,
        stray_after=f"interval '{int(STRAY_AFTER.total_seconds())} seconds'",
    )
    + "FROM unnest("
    + ", ".join(f"%s::{kind}[]" for kind in _PARTS.values())
    + f") AS news ({', '.join(_PARTS)}) WHERE transactions.id = news.transaction_id"
)


def update_progress(tx: Tx, news: list[TransactionProgress]) -> None:
    """Brings the transactions up to what the group's samples say, in the order they came.

    On PostgreSQL what came of one transaction goes into one wave each, since a joined UPDATE
    applies one row per transaction only.
    """
    if tx.dialect == "sqlite":
        tx.connection.executemany(_SQLITE_PROGRESS, news)
        return
    waves: list[dict[int, TransactionProgress]] = []
    for row in news:
        for wave in waves:
            if row.transaction_id not in wave:
                wave[row.transaction_id] = row
                break
        else:
            waves.append({row.transaction_id: row})
    for wave in waves:
        columns = [list(column) for column in zip(*wave.values(), strict=True)]
        tx.connection.execute(_POSTGRESQL_PROGRESS, columns)
