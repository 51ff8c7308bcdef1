"""Security profiles over REST and CSV: what needs a password, and who may lower what."""

from __future__ import annotations

import pytest

from ocpp_cs.db.engine import Engine
from ocpp_cs.db.models import ChargePoint
from ocpp_cs.imports import charge_points
from tests.api.conftest import Client

PATH = "/api/v1/charge-points"


@pytest.mark.parametrize(("profile", "made"), [(0, False), (1, True), (2, True), (3, False)])
def test_a_password_is_made_where_one_is_asked_for(
    client: Client, profile: int, made: bool
) -> None:
    answer = client.post(PATH, json={"id": "CB-4711", "security_profile": profile})
    assert answer.status_code == 201
    assert (answer.json["password"] is not None) == made
    assert answer.json["security_profile"] == profile


def test_profile_3_needs_no_password_and_those_below_do(client: Client, engine: Engine) -> None:
    client.post(PATH, json={"id": "CB-4711", "security_profile": 3})
    one = f"{PATH}/CB-4711"
    refused = client.patch(one, json={"security_profile": 2})
    assert (refused.status_code, refused.json["code"]) == (422, "profile_without_password")
    lowered = client.patch(one, json={"security_profile": 2, "password": None})
    assert lowered.json["password"] is not None
    # Up again the password stays, for the way back.
    assert client.patch(one, json={"security_profile": 3}).status_code == 200
    row = engine.read(lambda: ChargePoint.get())
    assert (row.security_profile, row.key_hash is not None) == (3, True)
    assert client.patch(one, json={"password": None}).json["password"] is None
    assert engine.read(lambda: ChargePoint.get()).key_hash is None


def test_profiles_in_csv() -> None:
    text = b"id,security_profile\nA,2\nB,3\nC,\n"
    wishes = charge_points.read(text).wishes
    assert [wish.security_profile for wish in wishes] == [2, 3, None]
