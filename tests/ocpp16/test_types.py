"""The two checks that a type cannot state: one decimal, and a date-time that we may send."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpp_cs.ocpp16.types import (
    ChargingSchedulePeriod,
    IdTagInfo,
    require_date_time,
    require_one_decimal,
)


@given(st.integers(-(10**12), 10**12))
def test_every_tenth_has_one_decimal(tenths: int) -> None:
    require_one_decimal("limit", float(f"{tenths / 10:.1f}"))
    require_one_decimal("limit", tenths)


@pytest.mark.parametrize("number", [21.45, 0.01, 0.05, -21.401, 1234567.89, math.inf, math.nan])
def test_more_decimals_are_refused(number: float) -> None:
    with pytest.raises(ValueError, match="at most one decimal in `limit`"):
        require_one_decimal("limit", number)
    with pytest.raises(ValueError, match="at most one decimal in `limit`"):
        ChargingSchedulePeriod(start_period=0, limit=number)


@pytest.mark.parametrize(
    "text",
    [
        "2021-11-10T14:00:00Z",
        "2021-11-10T14:00:00.000Z",
        "2021-11-10T14:00:00.123456789+02:00",
        "2024-02-29T23:59:59-23:59",
    ],
)
def test_a_date_time_of_rfc_3339_may_be_sent(text: str) -> None:
    require_date_time("expiryDate", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2021-11-10",
        "2021-11-10T14:00Z",
        "2021-11-10T14:00:00",
        "2021-11-10 14:00:00Z",
        "2021-11-10t14:00:00z",
        "2021-11-10T14:00:00+0200",
        "2021-11-10T14:00:00+24:00",
        "2021-11-10T14:00:00.Z",
        "2021-11-10T24:00:00Z",
        "2021-11-10T23:59:60Z",
        "2021-02-29T14:00:00Z",
        "2021-11-10T14:00:00Z\n",
        "\uff12021-11-10T14:00:00Z",
    ],
)
def test_anything_else_may_not(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339 date-time in `expiryDate`"):
        require_date_time("expiryDate", text)


def test_absent_is_allowed() -> None:
    require_date_time("expiryDate", None)
    require_one_decimal("minChargingRate", None)
    assert IdTagInfo(status="Accepted").expiry_date is None
