"""The two actions of the Local Auth List Management profile (§5.10, §5.15).

Types only: that a version sent is never 0 or -1 (R39) is checked where commands are accepted.
"""

from __future__ import annotations

from typing import Literal

from ..types import IdTagInfo, IdToken, Integer, Maybe, Part, require_date_time
from .action import Action, Profile, Sender

UpdateType = Literal["Differential", "Full"]
UpdateStatus = Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]


class GetLocalListVersionRequest(Part, frozen=True, kw_only=True):
    """GetLocalListVersion.req (§6.27)."""


class GetLocalListVersionResponse(Part, frozen=True, kw_only=True):
    """GetLocalListVersion.conf; 0 = empty list, -1 = not supported (§6.28)."""

    list_version: Integer


class AuthorizationData(Part, frozen=True, kw_only=True):
    """An entry of the list; without `id_tag_info` a Differential update deletes it (§7.1)."""

    id_tag: IdToken
    id_tag_info: Maybe[IdTagInfo] = None

    def __post_init__(self) -> None:
        if self.id_tag_info is not None:
            require_date_time("expiryDate", self.id_tag_info.expiry_date)


class SendLocalListRequest(Part, frozen=True, kw_only=True):
    """SendLocalList.req (§6.41)."""

    list_version: Integer
    update_type: UpdateType
    local_authorization_list: Maybe[tuple[AuthorizationData, ...]] = None


class SendLocalListResponse(Part, frozen=True, kw_only=True):
    """SendLocalList.conf (§6.42)."""

    status: UpdateStatus


_DOWN, _LIST = Sender.CENTRAL_SYSTEM, Profile.LOCAL_AUTH_LIST

ACTIONS: tuple[Action, ...] = (
    Action.of(GetLocalListVersionRequest, GetLocalListVersionResponse, _DOWN, _LIST),
    Action.of(SendLocalListRequest, SendLocalListResponse, _DOWN, _LIST),
)
