"""All sessions of November, page by page, with retries, as a table of pandas.

python docs/examples/pages.py http://localhost:8081/api/v1
"""

import os
import sys

import pandas
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

# Waits 1, 2, 4, ... seconds, or what Retry-After says. Reading twice does no harm.
RETRIES = Retry(total=6, backoff_factor=1, status_forcelist=(429, 500, 502, 503, 504))


def client() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=RETRIES))
    if key := os.environ.get("KEY"):
        session.headers["Authorization"] = f"Bearer {key}"
    return session


def items(session: requests.Session, url: str, **query: object):
    """Every row of a list; `url` names it, `query` filters it."""
    answer = session.get(url, params={"limit": 1000, **query}, timeout=30)
    while True:
        answer.raise_for_status()
        yield from answer.json()["items"]
        if "next" not in answer.links:
            return
        answer = session.get(answer.links["next"]["url"], timeout=30)


if __name__ == "__main__":
    november = {"from": "2026-11-01T00:00:00+01:00", "to": "2026-12-01T00:00:00+01:00"}
    sessions = pandas.DataFrame(items(client(), f"{sys.argv[1]}/transactions", **november))
    # Else flags would be lists, and times texts.
    sessions["flags"] = sessions["flags"].str.join(" ")
    for name in ("started_at", "stopped_at", "received_at"):
        sessions[name] = pandas.to_datetime(sessions[name], utc=True)
    print(sessions[["id", "charge_point_id", "started_at", "energy_wh", "flags"]])
