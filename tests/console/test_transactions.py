"""Transactions on the pages: the list with its filters, one of them, and how it is closed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any, get_args

import pytest

from ocpp_cs.console.texts import LANGUAGES
from ocpp_cs.console.transactions import FLAGS
from ocpp_cs.db import models, queries
from ocpp_cs.db.engine import Engine
from ocpp_cs.ocpp16.messages.core import Reason
from ocpp_cs.rules import TransactionFlag
from tests.api.rows import START, STOP, Rows
from tests.console.conftest import Console
from tests.console.test_pages import words

START_FRAME = '[2,"3","StartTransaction",{"connectorId":1,"idTag":"<b>ä</b>"}]'


def rows_shown(page: str) -> int:
    return page.count("<tr data-key")


def test_an_empty_list_says_so(open_console: Console) -> None:
    text = words(open_console.visitor().get("/transactions").text)
    assert "No transaction yet" in text
    assert "All of these together" in text


def test_filters_are_those_of_the_api(open_console: Console, rows: Rows) -> None:
    one = rows.charge_point("CB-1")
    other = rows.charge_point("CB-2")
    rows.stopped(one, id_tag="CARD-1", parent_id_tag="fleet")
    rows.stopped(other, connector_id=2, flags=int(TransactionFlag.NEGATIVE_ENERGY))
    rows.transaction(other, started_at=START + timedelta(days=1))
    visitor = open_console.visitor()
    for query, count in (
        ("", 3),
        ("charge_point_id=CB-1", 1),
        ("connector_id=2", 1),
        ("id_tag=card-1", 1),
        ("parent_id_tag=FLEET", 1),
        ("status=active", 1),
        ("flag=negative_energy", 1),
        ("from=2021-11-11T00:00", 1),
        ("to=2021-11-11T00:00", 2),
        ("min_energy_kwh=5", 2),
        ("min_energy_kwh=5,001", 0),
        ("status=completed&charge_point_id=CB-2&from=", 1),
    ):
        page = visitor.get(f"/transactions?{query}")
        assert (page.status_code, rows_shown(page.text)) == (200, count), query
        csv = visitor.get(f"/transactions.csv?{query}")
        assert csv.mimetype == "text/csv"
        assert len(csv.text.splitlines()) == count + 1, query


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("connector_id=one", "A whole number from 0 on."),
        ("from=yesterday", "A date with a time."),
        ("min_energy_kwh=much", "A number of kWh."),
        ("flag=unknown", "One of the list."),
        ("status=gone", "One of the list."),
    ],
)
def test_a_wrong_filter_is_told_at_its_field(open_console: Console, query: str, told: str) -> None:
    visitor = open_console.visitor()
    page = visitor.get(f"/transactions?{query}")
    assert page.status_code == 422
    assert told in page.text
    assert page.text.count('aria-invalid="true"') == 1
    assert visitor.get(f"/transactions.csv?{query}").status_code == 422


def test_every_filter_has_words_for_what_is_wrong_with_it() -> None:
    names = {
        "charge_point_id",
        "connector_id",
        "id_tag",
        "parent_id_tag",
        "status",
        "from",
        "to",
        "flag",
        "min_energy_wh",
    }
    prefix = "transactions.wrong."
    assert {k.removeprefix(prefix) for k in LANGUAGES["en"].texts if k.startswith(prefix)} == names


def test_the_csv_is_that_of_the_api(console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    with rows.together():
        for number in range(120):
            rows.stopped(charge_point, id_tag=f"CARD-{number}")
    visitor = console.visitor_as("analyst")
    page = visitor.get("/transactions?id_tag=CARD-7").text
    [link] = re.findall(r'href="([^"]*csv[^"]*)"', page)
    assert unescape(link) == "/transactions.csv?id_tag=CARD-7"
    key = console.key("analyst").text
    api = visitor.client.get(
        "/api/v1/transactions?format=csv", headers={"Authorization": f"Bearer {key}"}
    )
    mine = visitor.get("/transactions.csv")
    assert mine.text == api.text
    assert len(mine.text.splitlines()) == 121
    assert console.visitor().get("/transactions.csv").status_code == 303


def test_totals_are_over_all_that_fit(open_console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    with rows.together():
        for _ in range(60):
            rows.stopped(charge_point)
    rows.transaction(
        charge_point, started_at=START + timedelta(days=1), last_register_wh=12000, id_tag="MINE"
    )
    visitor = open_console.visitor()
    page = visitor.get("/transactions").text
    assert rows_shown(page) == 50
    text = words(page)
    assert "Transactions 61 Still running 1 Energy 302.0 kWh" in text
    assert "Time of those that ended 3 d 3 h" in text
    [following] = re.findall(r'href="([^"]*)" rel="next"', page)
    assert rows_shown(visitor.get(unescape(following)).text) == 11
    assert "Transactions 1 Still running 1 Energy 2.00 kWh" in words(
        visitor.get("/transactions?id_tag=mine").text
    )


def session(rows: Rows, **values: Any) -> int:
    """5 kWh in 75 minutes, with power and register each quarter of an hour."""
    charge_point = rows.charge_point()
    id = rows.stopped(charge_point, **values)
    for number in range(1, 5):
        at = START + timedelta(minutes=15 * number)
        rows.sample(id, at, "1", charge_point_id=charge_point, value=10000.0 + 1000 * number)
        power: dict[str, Any] = {"measurand": "Power.Active.Import", "unit": "W", "sent_unit": "W"}
        rows.sample(id, at, "1", charge_point_id=charge_point, value=4000.0 * number, **power)
    return id


def test_a_transaction_has_figures_curves_and_a_table(open_console: Console, rows: Rows) -> None:
    id = session(rows, max_power_w=16000.0)
    rows.status_event(1, 1, "Charging", START + timedelta(seconds=5))
    rows.status_event(1, 2, "Reserved", START + timedelta(seconds=5))
    rows.status_event(1, 1, "Faulted", START - timedelta(days=1))
    rows.evidence(id, "start", START_FRAME)
    rows.evidence(id, "stop", '[2,"4","StopTransaction",')
    page = open_console.visitor().get(f"/transactions/{id}").text
    text = words(page)
    assert f"Transaction {id} Ended" in text
    assert "Energy 5.00 kWh Duration 1 h 15 min Average power 4.0 kW" in text
    assert "Highest power 16.0 kW" in text
    assert "The cable was unplugged at the car" in text
    power, energy = re.findall(r'<polyline class="curve" points="([^"]*)"', page)
    assert power == "74.4,88.5 144.8,65.0 215.2,41.5 285.6,18.0"
    assert energy == "4.0,112.0 74.4,93.2 144.8,74.4 215.2,55.6 285.6,36.8 356.0,18.0"
    assert page.count("<tr><th") == 1 + 4
    assert "16.0 kW 4.00 kWh" in text
    assert "Charging" in text
    assert "Reserved" not in text
    assert "Faulted" not in text
    assert "&lt;b&gt;ä&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "[2,&#34;4&#34;,&#34;StopTransaction&#34;," in page
    assert "8 sampled values are stored of it." in text
    assert "data-live" not in page
    assert 'action="/transactions/' not in page


def test_power_follows_from_registers_where_none_is_sent(open_console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    id = rows.stopped(charge_point)
    at = START + timedelta(minutes=30)
    rows.sample(id, at, "11000", charge_point_id=charge_point, value=11000.0)
    text = words(open_console.visitor().get(f"/transactions/{id}").text)
    assert "The charge point sends no power" in text
    assert "2.0 kW 1.00 kWh" in text


def test_a_long_curve_is_thinned(open_console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    id = rows.stopped(charge_point)
    with rows.together():
        for second in range(0, 4500, 5):
            at = START + timedelta(seconds=second)
            rows.sample(id, at, "1", charge_point_id=charge_point, value=10000.0 + second)
    page = open_console.visitor().get(f"/transactions/{id}").text
    assert "There are more samples than are drawn" in page
    assert 100 < page.count("<tr><th") <= 122


def test_what_was_pruned_leaves_quarter_hours(open_console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    id = rows.stopped(charge_point)
    rows.insert(
        models.RegisterReading,
        charge_point_id=charge_point,
        transaction_id=id,
        read_at=START + timedelta(minutes=15),
        register_wh=13000,
    )
    text = words(open_console.visitor().get(f"/transactions/{id}").text)
    assert "12.0 kW 3.00 kWh" in text


@pytest.mark.parametrize("values", [{"stopped_at": START}, {"stopped_at": START - timedelta(1)}])
def test_odd_times_have_a_page(
    open_console: Console, rows: Rows, values: dict[str, datetime]
) -> None:
    id = session(rows, **values)
    assert open_console.visitor().get(f"/transactions/{id}").status_code == 200


def test_times_at_the_end_of_the_calendar_have_a_page(open_console: Console, rows: Rows) -> None:
    last = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    first = datetime(1, 1, 2, tzinfo=UTC)
    ids = [session(rows, started_at=last, stopped_at=last)]
    charge_point = rows.charge_point("CB-2")
    ids.append(rows.stopped(charge_point, started_at=first, stopped_at=last))
    ids.append(rows.transaction(charge_point, started_at=last, meter_start_wh=-(2**63)))
    ids.append(rows.stopped(charge_point, meter_start_wh=-(2**63), meter_stop_wh=2**63 - 1))
    visitor = open_console.visitor()
    for id in ids:
        assert visitor.get(f"/transactions/{id}").status_code == 200
    assert visitor.get("/transactions").status_code == 200


@pytest.mark.parametrize("path", ["/transactions/1", f"/transactions/{2**70}", "/transactions/x"])
def test_what_is_not_there_is_not_found(open_console: Console, path: str) -> None:
    assert open_console.visitor().get(path).status_code == 404


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_flag_and_reason_has_words(code: str) -> None:
    texts = LANGUAGES[code].texts
    for name in FLAGS:
        for part in ("name", "means", "do"):
            assert texts[f"flag.{name}.{part}"]
    assert {key.split(".")[1] for key in texts if key.startswith("flag.")} == set(FLAGS)
    for reason in get_args(Reason):
        assert texts[f"stop_reason.{reason}"]


def test_every_flag_is_explained_on_the_page(open_console: Console, rows: Rows) -> None:
    id = session(rows, flags=sum(TransactionFlag))
    visitor = open_console.visitor()
    text = words(visitor.get(f"/transactions/{id}").text)
    assert text.count("What to do:") == len(FLAGS)
    assert "Do not bill it as it is." in text
    assert "Negative energy" in words(visitor.get("/transactions").text)


def test_an_operator_closes_a_transaction(console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    id = rows.transaction(
        charge_point, last_register_wh=11000, last_register_at=STOP, last_sample_at=STOP
    )
    path = f"/transactions/{id}"
    reader = console.visitor_as("analyst")
    assert "Close this transaction" not in reader.get(path).text
    assert reader.post(f"{path}/close", reason="gone", sure="yes").status_code == 403
    visitor = console.visitor_as("operator")
    assert "Close this transaction" in visitor.get(path).text
    answer = visitor.post(f"{path}/close", reason="gone")
    assert (answer.status_code, "Tick this to go on." in answer.text) == (422, True)
    answer = visitor.post(f"{path}/close", reason=" ", sure="yes")
    assert (answer.status_code, "Say why" in answer.text) == (422, True)
    assert visitor.client.post(f"{path}/close", data={"reason": "a", "sure": "yes"}).status == (
        "403 FORBIDDEN"
    )
    answer = visitor.post(f"{path}/close", reason="it is <gone>", sure="yes")
    assert (answer.status_code, answer.location) == (303, path)
    text = words(visitor.get(path).text)
    assert "Ended" in text
    assert "it is <gone>" in text
    assert "Closed by hand closed_by_operator" in text
    assert "Energy 1.00 kWh" in text
    answer = visitor.post(f"{path}/close", reason="again", sure="yes")
    assert (answer.status_code, "had ended already" in answer.text) == (409, True)


def test_a_running_one_keeps_itself_up_to_date(open_console: Console, rows: Rows) -> None:
    charge_point = rows.charge_point()
    id = rows.transaction(charge_point, started_at=datetime.now(UTC) - timedelta(minutes=3))
    visitor = open_console.visitor()
    page = visitor.get(f"/transactions/{id}").text
    for link in re.findall(r'data-live="([^"]*)"', page):
        assert visitor.get(unescape(link)).status_code == 200
    assert f'href="/transactions/{id}"' in visitor.get("/").text
    for link in re.findall(r'data-live="([^"]*)"', visitor.get("/transactions").text):
        assert visitor.get(unescape(link)).status_code == 200


def test_totals_of_very_many_are_those_of_the_newest(rows: Rows, engine: Engine) -> None:
    charge_point = rows.charge_point()
    for hour in range(4):
        at = START + timedelta(hours=hour)
        rows.stopped(charge_point, started_at=at, stopped_at=at + timedelta(minutes=30))
    rows.stopped(charge_point, started_at=STOP + timedelta(1), stopped_at=STOP)
    rows.transaction(charge_point, started_at=START - timedelta(1))

    def totals(most: int) -> queries.TransactionTotals:
        wanted = queries.TransactionFilter()
        return engine.read(lambda: queries.transaction_totals(wanted, most=most))

    assert totals(10) == (6, True, 1, 25000.0, 4 * 1800.0)
    assert totals(3) == (3, False, 0, 15000.0, 2 * 1800.0)


def test_the_overview_and_the_charge_point_lead_to_a_transaction(
    open_console: Console, rows: Rows
) -> None:
    now = datetime.now(UTC)
    charge_point = rows.charge_point("CB-1", present_until=now + timedelta(hours=1))
    rows.connector(charge_point, 1)
    id = rows.transaction(charge_point, started_at=now - timedelta(minutes=3), suspect_since=now)
    visitor = open_console.visitor()
    link = f'<a href="/transactions/{id}">{id}</a>'
    overview = visitor.get("/").text
    assert overview.count(link) == 2
    assert f"Transaction {link} on connector 1 has probably ended" in overview
    assert link in visitor.get("/charge-points/CB-1").text
