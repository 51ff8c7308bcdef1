"""What orphan stops and quarantined frames have in common: a person who decides on them.

What a decision does stands in `ocpp_cs.resolutions`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ocpp_cs import resolutions
from ocpp_cs.api.access import current_actor
from ocpp_cs.api.blueprint import Body, request_time
from ocpp_cs.api.fields import (
    INT32_MAX,
    Row,
    Text,
    Time,
    Truth,
    Whole,
    number_range,
    text_range,
    wanted_text,
)
from ocpp_cs.api.lists import ListParameters
from ocpp_cs.api.ordering import ordered
from ocpp_cs.api.problems import refuse_fields
from ocpp_cs.audit import Actor
from ocpp_cs.db.commit import Tx

RESOLUTIONS = ("linked", "dismissed")
Resolve = Callable[..., None]


class Resolved(Row):
    """What was made of it; all null until somebody has decided."""

    resolution = Text(
        "linked to a transaction, or dismissed.", "linked", nullable=True, choices=RESOLUTIONS
    )
    resolved_transaction_id = Whole("The transaction that it was linked to.", 1, nullable=True)
    resolution_note = Text("Why.", "the charge point was offline", nullable=True)
    resolved_by = Text("Who decided it.", "night shift (k3f7x2ab)", nullable=True)
    resolved_at = Time("When.", "2021-11-11T08:00:00.000Z", nullable=True)


class ResolvableParameters(ListParameters):
    charge_point_id = wanted_text("Only those of this charge point.", "CB-4711")
    resolved = Truth("Only those that somebody has decided on, or has not.", False, required=False)
    since = Time(
        "Only those received at or after this time.",
        "2021-11-01T00:00:00Z",
        required=False,
        data_key="from",
    )
    until = Time(
        "Only those received before this time.",
        "2021-12-01T00:00:00Z",
        required=False,
        data_key="to",
    )


class Resolution(Body):
    """A decision on what a charge point left unclear."""

    resolution = Text(
        "linked: it belongs to `transaction_id`. dismissed: it belongs to none.",
        "linked",
        choices=RESOLUTIONS,
    )
    transaction_id = Whole(
        "The transaction that it belongs to; with `linked` only.",
        1,
        nullable=True,
        required=False,
        load_default=None,
        validate=number_range(1, INT32_MAX),
    )
    note = Text(
        "Why, for those who come later.",
        "the charge point was offline",
        nullable=True,
        required=False,
        load_default=None,
        validate=text_range(),
    )


def resolve(do: Resolve, id: int, wish: dict[str, Any], *, charge_point: str) -> None:
    """Writes the decision; ends the request with a problem where it can't be."""
    linked = wish["resolution"] == "linked"
    if linked and wish["transaction_id"] is None:
        refuse_fields({"transaction_id": ["Needed to link it."]})
    if not linked and wish["transaction_id"] is not None:
        refuse_fields({"transaction_id": ["Only to link it: what is dismissed has none."]})
    decision = resolutions.Decision(**wish)
    actor, now = current_actor(), request_time()
    ordered(_work(do, id, decision, actor, now), charge_point=charge_point)


def _work(
    do: Resolve, id: int, decision: resolutions.Decision, actor: Actor, now: datetime
) -> Callable[[Tx], None]:
    return lambda tx: do(tx, id, decision, actor=actor, now=now)
