"""The two actions of the Reservation profile (§5.1, §5.13).

Types only: which reservation wins is not decided here.
"""

from __future__ import annotations

from typing import Literal

from ..types import DateTime, IdToken, Integer, Maybe, Part, require_date_time
from .action import Action, Profile, Sender

CancelReservationStatus = Literal["Accepted", "Rejected"]
ReservationStatus = Literal["Accepted", "Faulted", "Occupied", "Rejected", "Unavailable"]


class CancelReservationRequest(Part, frozen=True, kw_only=True):
    """CancelReservation.req (§6.5)."""

    reservation_id: Integer


class CancelReservationResponse(Part, frozen=True, kw_only=True):
    """CancelReservation.conf (§6.6)."""

    status: CancelReservationStatus


class ReserveNowRequest(Part, frozen=True, kw_only=True):
    """ReserveNow.req; connector 0 = any connector (§6.37)."""

    connector_id: Integer
    expiry_date: DateTime
    id_tag: IdToken
    reservation_id: Integer
    parent_id_tag: Maybe[IdToken] = None

    def __post_init__(self) -> None:
        require_date_time("expiryDate", self.expiry_date)


class ReserveNowResponse(Part, frozen=True, kw_only=True):
    """ReserveNow.conf (§6.38)."""

    status: ReservationStatus


_DOWN, _RESERVATION = Sender.CENTRAL_SYSTEM, Profile.RESERVATION

ACTIONS: tuple[Action, ...] = (
    Action.of(CancelReservationRequest, CancelReservationResponse, _DOWN, _RESERVATION),
    Action.of(ReserveNowRequest, ReserveNowResponse, _DOWN, _RESERVATION),
)
