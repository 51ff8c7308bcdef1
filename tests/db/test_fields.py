"""Times and keys: in through a model or by SQL, out the same on both engines, whatever the zone."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import peewee
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.db import models
from ocpp_cs.db.engine import Engine
from ocpp_cs.db.fields import (
    NeverReusedField,
    UtcField,
    from_milliseconds,
    read_time,
    to_milliseconds,
    whole_milliseconds,
)
from ocpp_cs.db.statement import Statement
from tests.db.conftest import create_tables

KIRITIMATI = timezone(timedelta(hours=14))
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

aware = st.datetimes(
    datetime(2, 1, 1),
    datetime(9998, 12, 31),
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


class Moment(models.Table):
    id = NeverReusedField()
    at = UtcField(null=True)


# --- Without a database ---------------------------------------------------------------------------


@given(aware)
def test_milliseconds_there_and_back(at: datetime) -> None:
    whole = whole_milliseconds(at)
    assert whole.tzinfo is UTC
    assert timedelta(0) <= at - whole < timedelta(milliseconds=1)  # cut, also before 1970
    assert from_milliseconds(to_milliseconds(at)) == whole
    assert read_time(to_milliseconds(at)) == read_time(at) == whole


@given(aware, aware)
def test_milliseconds_keep_the_order(one: datetime, other: datetime) -> None:
    if whole_milliseconds(one) < whole_milliseconds(other):
        assert to_milliseconds(one) < to_milliseconds(other)


def test_known_milliseconds() -> None:
    assert to_milliseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert to_milliseconds(datetime(2021, 11, 10, 14, 0, 0, 999999, UTC)) == 1636552800999
    assert to_milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999999, UTC)) == -1
    assert read_time(None) is None


# --- In a database --------------------------------------------------------------------------------


@pytest.fixture
def writer(engine: Engine) -> Iterator[peewee.Database]:
    """A database that may write, with the table of this test bound to it."""
    create_tables(engine, Moment)
    database: peewee.Database = engine.writable()
    with database.connection_context(), database.bind_ctx([Moment]):
        yield database


def moments(engine: Engine) -> list[datetime | None]:
    """All that is stored, in the order of the database."""
    return engine.read(lambda: [row.at for row in Moment.select().order_by(Moment.at)])


TIMES = [
    "0002-01-01T00:00:00+00:00",
    "1969-12-31T23:59:59.999+00:00",
    "1970-01-01T00:00:00+00:00",
    "2021-10-31T02:30:00+02:00",  # the hour that Europe's clocks go through twice
    "2021-10-31T02:30:00+01:00",
    "2026-03-01T12:00:00+14:00",
    "2026-03-01T12:00:00-11:00",
    "9999-12-31T23:59:59.999+00:00",
]


def test_an_instant_comes_back_as_the_same_instant_in_utc(
    engine: Engine, writer: peewee.Database
) -> None:
    times = [datetime.fromisoformat(text) for text in TIMES]
    for at in reversed(times):
        Moment.create(at=at)
    found = moments(engine)
    assert found == sorted(times)  # the database sorts and compares them as what they are
    assert {at.tzinfo for at in found if at} == {UTC}
    after_noon = Moment.select().where(Moment.at > NOON).count()
    assert after_noon == 2


def test_microseconds_are_cut_and_nothing_is_nothing(
    engine: Engine, writer: peewee.Database
) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, 123999, UTC)
    Moment.create(at=at)
    assert moments(engine) == [at.replace(microsecond=123000)]
    # Also in what it is compared with.
    assert Moment.select().where(Moment.at == at).count() == 1
    Moment.update(at=None).execute()
    assert moments(engine) == [None]


def test_a_naive_time_is_refused(writer: peewee.Database) -> None:
    naive = datetime(2026, 3, 1, 12, 0)
    with pytest.raises(ValueError, match="at: naive datetime"):
        Moment.create(at=naive)
    with pytest.raises(ValueError, match="naive"):
        Moment.select().where(Moment.at > naive).count()


def test_what_plain_sql_sees(engine: Engine, writer: peewee.Database, database_url: str) -> None:
    Moment.create(at=NOON + timedelta(milliseconds=1))
    sql = "SELECT at FROM moment"
    if engine.dialect == "sqlite":
        assert writer.execute_sql(f"{sql} WHERE typeof(at) = 'integer'").fetchone() == (
            1772366400001,
        )
        text = "SELECT strftime('%Y-%m-%d %H:%M:%f', at / 1000.0, 'unixepoch') FROM moment"
        assert writer.execute_sql(text).fetchone() == ("2026-03-01 12:00:00.001",)
        return
    with psycopg.connect(database_url) as analyst:  # in a zone far from UTC
        analyst.execute("SET TIME ZONE 'Pacific/Kiritimati'")
        (at,) = analyst.execute(sql).fetchone() or ()
        assert at.utcoffset() == timedelta(hours=14)
        assert read_time(at) == NOON + timedelta(milliseconds=1)
        (text,) = analyst.execute(f"SELECT at::text FROM ({sql}) AS m").fetchone() or ()
        assert text == "2026-03-02 02:00:00.001+14"


def test_prepared_statements_write_and_read_the_same(engine: Engine) -> None:
    create_tables(engine, Moment)
    insert = Statement(lambda p: Moment.insert(at=p.at))
    select = Statement(lambda p: Moment.select(Moment.at).where(Moment.at == p.at))
    at = NOON.astimezone(KIRITIMATI)
    with closing(engine.connect_writer()) as connection:
        connection.execute(*insert.bind({"at": at}))
        (found,) = connection.execute(*select.bind({"at": NOON})).fetchone()
    assert read_time(found) == NOON
    assert moments(engine) == [NOON]


@pytest.fixture
def local_zone_far_from_utc() -> Iterator[None]:
    """This process believes to be on Kiritimati."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Kiritimati"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def test_the_zone_of_the_process_changes_nothing(
    local_zone_far_from_utc: Any, engine: Engine, writer: peewee.Database
) -> None:
    assert time.timezone == -14 * 3600
    Moment.create(at=NOON)
    assert moments(engine) == [NOON]


# --- Keys -----------------------------------------------------------------------------------------


def test_the_key_of_a_deleted_row_is_never_used_again(writer: peewee.Database) -> None:
    """A StopTransaction of a deleted transaction must not end another one (R28)."""
    first, second, third = (Moment.create().id for _ in range(3))
    assert [first, second, third] == [1, 2, 3]
    Moment.delete().where(Moment.id >= second).execute()
    assert Moment.create().id == 4
    Moment.delete().execute()
    assert Moment.create().id == 5
