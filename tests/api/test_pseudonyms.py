"""`/id-tags/{id_tag}/pseudonymise`: who may, what it answers, and that it can be repeated.

What is replaced, and where, stands in tests/test_pseudonyms.py.
"""

from __future__ import annotations

import re

from tests.api.conftest import Client, key_of, on_sqlite, with_key
from tests.api.rows import Rows

BASE = "/api/v1"
PSEUDONYM = "anon-0a1b2c3d4e5f"


def test_an_admin_takes_a_tag_out(client: Client, rows: Rows) -> None:
    key = rows.charge_point()
    rows.id_tag("a/b-4711")
    id = rows.stopped(key, id_tag="A/B-4711", stop_id_tag="a/b-4711")
    answer = client.post(f"{BASE}/id-tags/a%2FB-4711/pseudonymise")
    assert answer.status_code == 200, answer.text
    pseudonym = answer.json["pseudonym"]
    assert re.fullmatch("anon-[0-9a-f]{12}", pseudonym)
    assert answer.json["rows"] == {"id_tags": 1, "transactions": 1}
    assert answer.json["rows_total"] == 2
    found = client.get(f"{BASE}/transactions?id_tag={pseudonym}").json["items"]
    assert [(row["id"], row["stop_id_tag"], row["energy_wh"]) for row in found] == [
        (id, pseudonym, 5000)
    ]
    assert client.get(f"{BASE}/id-tags/a%2FB-4711").status_code == 404
    again = client.post(f"{BASE}/id-tags/a%2FB-4711/pseudonymise?pseudonym={pseudonym}")
    assert again.json == {"pseudonym": pseudonym, "rows": {}, "rows_total": 0}


@on_sqlite
def test_what_is_refused(client: Client, rows: Rows) -> None:
    rows.transaction(rows.charge_point(), id_tag="busy-1")
    path = f"{BASE}/id-tags/BUSY-1/pseudonymise"
    answer = client.post(path)
    assert (answer.status_code, answer.json["code"]) == (409, "active_transactions")
    for wrong in ("x", "anon-0A1B2C3D4E5F", f"{PSEUDONYM}0", f"{PSEUDONYM}%0A"):
        assert client.post(f"{path}?pseudonym={wrong}").status_code == 422, wrong
    operator = with_key(client, key_of(client, "operator"))
    assert operator.post(path).status_code == 403
