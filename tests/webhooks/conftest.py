"""A receiver, and the targets that allow it."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from ocpp_cs.webhooks.targets import Targets
from tests.webhooks.receiver import Receiver

HERE = Targets((ip_network("127.0.0.0/8"),), plain_http=True, timeout_s=0.5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
