"""Pages of the API's big lists over HTTP: random filters, at random depths.

It knows how `benchmarks.rows` numbers things, and checks that every answer is one.
"""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import urlencode

from benchmarks.rows import RARE_CONNECTOR, RARE_MEASURAND, Fleet
from ocpp_cs.api.cursors import encode_cursor
from ocpp_cs.db.fields import from_milliseconds

_DEADLINE_S = 60.0
_LONGEST_S = 10.0  # for pages of one kind: fewer are asked for if they are slow
_NEWEST_FIRST, _OLDEST_FIRST = "-started_at", "started_at"

Filter = dict[str, Any]
MakeFilter = Callable[[random.Random, Fleet], Filter]


class Client:
    """One connection that is kept, and a key."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_DEADLINE_S)
        self._headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str, **parameters: Any) -> tuple[float, bytes]:
        """Seconds until the last byte, and the answer."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        began = time.perf_counter()
        self._connection.request("GET", f"/api/v1{path}{query}", headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        took = time.perf_counter() - began
        if answer.status != 200:
            raise RuntimeError(f"{path}{query}: {answer.status} {body[:300]!r}")
        return took, body

    def close(self) -> None:
        self._connection.close()


class Kind(NamedTuple):
    """Pages of one kind; seconds, in ascending order, and the most rows that one of them had."""

    name: str
    latencies: list[float]
    rows: int

    def percentile(self, share: float) -> float:
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def _charge_point(draw: random.Random, fleet: Fleet) -> Filter:
    return {"charge_point_id": f"CP-{draw.randint(1, fleet.charge_points)}"}


def _id_tag(draw: random.Random, fleet: Fleet) -> Filter:
    return {"id_tag": f"TAG{draw.randrange(fleet.id_tags)}"}


def _parent(draw: random.Random, fleet: Fleet) -> Filter:
    return {"parent_id_tag": f"GROUP{draw.randrange(max(fleet.id_tags // 100, 2))}"}


def _connector(draw: random.Random, fleet: Fleet) -> Filter:
    return {"connector_id": draw.randint(1, 2)}


def _window(draw: random.Random, fleet: Fleet) -> Filter:
    days = draw.choice((1, 30, 300))
    since = from_milliseconds(fleet.begin) + timedelta(days=draw.uniform(0, 730))
    return {"from": since.isoformat(), "to": (since + timedelta(days=days)).isoformat()}


def _either(*given: tuple[str, Any]) -> MakeFilter:
    return lambda draw, fleet: dict([draw.choice(given)])


_ENERGIES = _either(*(("min_energy_wh", wh) for wh in (1, 20_000, 35_000, 40_000, 41_500, 10**7)))
_FLAGS = _either(("flag", "naive_time"), ("flag", "unusual_connector"), ("flag", "late_stop"))
_STATUSES = _either(("status", "active"), ("status", "completed"))
_RARE_CONNECTORS = _either(("connector_id", RARE_CONNECTOR), ("connector_id", 9))
_ALL = (
    _charge_point,
    _id_tag,
    _parent,
    _connector,
    _RARE_CONNECTORS,
    _window,
    _ENERGIES,
    _FLAGS,
    _STATUSES,
)


def _several(draw: random.Random, fleet: Fleet) -> Filter:
    found: Filter = {}
    for make in draw.sample(_ALL, draw.randint(2, 4)):
        found.update(make(draw, fleet))
    return found


def _together(*makes: MakeFilter) -> MakeFilter:
    return lambda draw, fleet: {k: v for make in makes for k, v in make(draw, fleet).items()}


TRANSACTIONS: dict[str, MakeFilter] = {
    "no filter": lambda draw, fleet: {},
    "charge point": _charge_point,
    "charge point, connector": _together(_charge_point, _connector),
    "id tag": _id_tag,
    "group of id tags": _parent,
    "connector": _connector,
    "connector that is rare": _RARE_CONNECTORS,
    "time": _window,
    "status": _STATUSES,
    "flag": _FLAGS,
    "energy": _ENERGIES,
    "group of id tags, energy": _together(_parent, _ENERGIES),
    "group of id tags, rare connector": _together(_parent, _RARE_CONNECTORS),
    "2 to 4 of them": _several,
}
METER_VALUES: dict[str, MakeFilter] = {
    "no filter": lambda draw, fleet: {},
    "charge point": _charge_point,
    "transaction": lambda draw, fleet: {"transaction_id": draw.randint(1, fleet.transactions)},
    "time": _window,
    "charge point, time": _together(_charge_point, _window),
    "measurand": _either(("measurand", "Voltage"), ("measurand", "Power.Active.Import")),
    "charge point, rare measurand": _together(
        _charge_point, _either(("measurand", RARE_MEASURAND))
    ),
    "measurand that is rare": _either(("measurand", RARE_MEASURAND), ("measurand", "Frequency")),
    "connector that is rare": _RARE_CONNECTORS,
}
UNRECORDED: dict[str, MakeFilter] = {
    "no filter": lambda draw, fleet: {},
    "charge point": _charge_point,
    "time": _window,
    "connector that is rare": _RARE_CONNECTORS,
    "energy": _either(("min_energy_wh", 100), ("min_energy_wh", 1000), ("min_energy_wh", 10**7)),
}


def transactions(client: Client, fleet: Fleet, requests: int) -> list[Kind]:
    """Pages of `/transactions`, each in one of both orders and from anywhere in it."""
    draw = random.Random(1)

    def page(make: MakeFilter) -> tuple[float, bytes]:
        sort = draw.choice((_NEWEST_FIRST, _OLDEST_FIRST))
        parameters = {**make(draw, fleet), "sort": sort, **_depth(draw, fleet, sort)}
        return client.get("/transactions", **parameters)

    return [_kind(name, requests, partial(page, make)) for name, make in TRANSACTIONS.items()]


def _depth(draw: random.Random, fleet: Fleet, sort: str) -> Filter:
    """The cursor of the first page, of one anywhere, or of one near the end."""
    where = draw.choice(("first", "anywhere", "anywhere", "last"))
    if where == "first":
        return {}
    place = draw.random() if where == "anywhere" else 0.999
    if sort == _NEWEST_FIRST:
        place = 1 - place
    id = 1 + int(place * (fleet.transactions - 1))
    at = from_milliseconds(fleet.begin + id * fleet.step)
    return {"cursor": encode_cursor(f"transactions {sort}", (at, id))}


def others(client: Client, fleet: Fleet, requests: int) -> list[Kind]:
    """Pages of the other big lists."""
    draw = random.Random(2)

    def page(path: str, make: MakeFilter) -> tuple[float, bytes]:
        return client.get(path, **make(draw, fleet))

    lists = {"/meter-values": METER_VALUES, "/reports/unrecorded-energy": UNRECORDED}
    return [
        _kind(f"{path}: {name}", requests, partial(page, path, make))
        for path, kinds in lists.items()
        for name, make in kinds.items()
    ]


def long_transactions(client: Client, fleet: Fleet, requests: int) -> list[Kind]:
    """A transaction with 500 samples: the row with their summary, and each of them."""
    draw = random.Random(3)

    def path() -> str:
        return f"/transactions/{fleet.every * draw.randint(1, fleet.transactions // fleet.every)}"

    def every_sample() -> tuple[float, bytes]:
        return client.get(f"{path()}/meter-values", limit=500)

    def both() -> tuple[float, bytes]:
        took, _ = client.get(one := path())
        more, body = client.get(f"{one}/meter-values", limit=500)
        return took + more, body

    return [
        _kind("with its samples summed up", requests, lambda: client.get(path())),
        _kind("its 500 samples", requests, every_sample),
        _kind("both, one after the other", requests, both),
    ]


def _kind(name: str, requests: int, page: Callable[[], tuple[float, bytes]]) -> Kind:
    found: list[tuple[float, bytes]] = []
    ends = time.monotonic() + _LONGEST_S
    while len(found) < requests and time.monotonic() < ends:
        found.append(page())
    rows = max(len(json.loads(body).get("items", ())) for _, body in found)
    return Kind(name, sorted(took for took, _ in found), rows)
