"""What ChangeAvailability has set, per connector (§5.2).

Not the status of a connector, which StatusNotification tells: an available one may be occupied.

A change for connector 0 applies to the charge point and all its connectors, so it drops the rows
of those: a connector without a row of its own is as connector 0 is, and one without either was
never changed, which means operative. A later change for one connector sets that one apart again.
"""

from __future__ import annotations

from datetime import datetime

from ocpp_cs.commands.ends import End
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import ConnectorAvailability
from ocpp_cs.db.statement import Statement
from ocpp_cs.ocpp16.messages.core import ChangeAvailabilityRequest, ChangeAvailabilityResponse

_SET = Statement(
    lambda p: ConnectorAvailability.insert(
        charge_point_id=p.charge_point_id,
        connector_id=p.connector_id,
        availability=p.availability,
        scheduled=p.scheduled,
        since=p.now,
    ).on_conflict(
        conflict_target=[
            ConnectorAvailability.charge_point_id,
            ConnectorAvailability.connector_id,
        ],
        preserve=[
            ConnectorAvailability.availability,
            ConnectorAvailability.scheduled,
            ConnectorAvailability.since,
        ],
    )
)
_FORGET_CONNECTORS = Statement(
    lambda p: ConnectorAvailability.delete().where(
        (ConnectorAvailability.charge_point_id == p.charge_point_id)
        & (ConnectorAvailability.connector_id > 0)
    )
)
_IN_EFFECT = Statement(
    lambda p: ConnectorAvailability.update(scheduled=False).where(
        (ConnectorAvailability.charge_point_id == p.charge_point_id)
        & (ConnectorAvailability.connector_id == p.connector_id)
        & (ConnectorAvailability.availability == "Inoperative")
        & ConnectorAvailability.scheduled
        & (ConnectorAvailability.since <= p.at)
    )
)


def changed(tx: Tx, end: End) -> None:
    """A ChangeAvailability has ended; `Rejected` and silence change nothing."""
    response = end.response
    if not isinstance(response, ChangeAvailabilityResponse) or response.status == "Rejected":
        return
    assert isinstance(end.request, ChangeAvailabilityRequest)
    if end.request.connector_id == 0:
        tx.execute(_FORGET_CONNECTORS, charge_point_id=end.charge_point_id)
    tx.execute(
        _SET,
        charge_point_id=end.charge_point_id,
        connector_id=end.request.connector_id,
        availability=end.request.type,
        scheduled=response.status == "Scheduled",
        now=end.now,
    )


def unavailable(tx: Tx, charge_point_id: int, connector_id: int, at: datetime) -> None:
    """A connector, or with 0 the charge point, has reported Unavailable: what was scheduled for it
    has taken effect (§5.2)."""
    tx.execute(_IN_EFFECT, charge_point_id=charge_point_id, connector_id=connector_id, at=at)
