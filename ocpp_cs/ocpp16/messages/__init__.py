"""Every action of OCPP 1.6, listed once; routes, dispatch and documents are made from this list.

The types themselves stand in one module per feature profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from . import (
    core,
    firmware,
    local_auth_list,
    remote_trigger,
    reservation,
    security,
    smart_charging,
)
from .action import Action, Profile, Sender

__all__ = [
    "ACTIONS",
    "ACTION_OF",
    "FROM_CENTRAL_SYSTEM",
    "FROM_CHARGE_POINT",
    "Action",
    "Profile",
    "Sender",
]

_MODULES = (
    core,
    firmware,
    local_auth_list,
    reservation,
    smart_charging,
    remote_trigger,
    security,
)

ACTIONS: Mapping[str, Action] = MappingProxyType(
    {action.name: action for module in _MODULES for action in module.ACTIONS}
)
"""All actions by name; names are case-sensitive (R9)."""

FROM_CHARGE_POINT: Mapping[str, Action] = MappingProxyType(
    {name: a for name, a in ACTIONS.items() if a.sender is not Sender.CENTRAL_SYSTEM}
)
"""The actions that a charge point may call."""

FROM_CENTRAL_SYSTEM: Mapping[str, Action] = MappingProxyType(
    {name: a for name, a in ACTIONS.items() if a.sender is not Sender.CHARGE_POINT}
)
"""The actions that the central system may call."""

ACTION_OF: Mapping[type[msgspec.Struct], Action] = MappingProxyType(
    {action.request: action for action in ACTIONS.values()}
)
"""The action of a request type."""
