"""What is read for people: pages of rows, single rows and summaries, as finished values.

Nothing is written here and nothing knows HTTP. Every function runs inside `Engine.read`. A page
is the rows after a key in the list's order (`after`, None for the first page), never an offset:
rows that arrive while someone reads neither repeat nor hide others. Keyset conditions are written
out, as a comparison of Peewee tuples would skip the conversion of times.
"""

from ocpp_cs.db.queries.api_keys import (
    ApiKeyFilter,
    ApiKeyRow,
    ApiKeySecret,
    all_api_keys,
    api_key,
    api_key_secret,
    api_keys,
)
from ocpp_cs.db.queries.audit_events import AuditEventFilter, AuditEventRow, audit_events
from ocpp_cs.db.queries.charge_points import (
    ChargePointFilter,
    ChargePointRow,
    all_charge_points,
    charge_point,
    charge_point_ids,
    charge_points,
)
from ocpp_cs.db.queries.charging_profiles import (
    ChargingProfileRow,
    InstalledChargingProfileRow,
    charging_profile,
    charging_profiles,
    installed_charging_profiles,
)
from ocpp_cs.db.queries.command_batches import (
    COMMAND_STATUSES,
    CommandBatchFilter,
    CommandBatchRow,
    command_batch,
    command_batches,
)
from ocpp_cs.db.queries.command_ends import CommandEnd, command_end
from ocpp_cs.db.queries.commands import CommandFilter, CommandRow, command, commands
from ocpp_cs.db.queries.configuration import (
    AvailabilityRow,
    ConfigurationRow,
    availability,
    charge_point_exists,
    configuration,
)
from ocpp_cs.db.queries.counts import row_count
from ocpp_cs.db.queries.id_tags import IdTagFilter, IdTagRow, all_id_tags, id_tag, id_tags
from ocpp_cs.db.queries.local_lists import (
    LocalListEntryRow,
    LocalListRow,
    LocalListUpdateDetail,
    LocalListUpdateRow,
    local_list,
    local_list_entries,
    local_list_update,
    local_list_updates,
)
from ocpp_cs.db.queries.meter_values import (
    AnyMeterValueFilter,
    AnyMeterValueRow,
    MeterValueFilter,
    MeterValueRow,
    meter_values,
    transaction_meter_values,
)
from ocpp_cs.db.queries.remote_starts import RemoteStartRow, remote_start, remote_starts
from ocpp_cs.db.queries.reservations import (
    ReservationFilter,
    ReservationRow,
    reservation,
    reservations,
)
from ocpp_cs.db.queries.transactions import (
    Evidence,
    SampleSummary,
    TransactionDetail,
    TransactionFilter,
    TransactionRow,
    transaction,
    transaction_exists,
    transaction_row,
    transactions,
)

__all__ = [
    "COMMAND_STATUSES",
    "AnyMeterValueFilter",
    "AnyMeterValueRow",
    "ApiKeyFilter",
    "ApiKeyRow",
    "ApiKeySecret",
    "AuditEventFilter",
    "AuditEventRow",
    "AvailabilityRow",
    "ChargePointFilter",
    "ChargePointRow",
    "ChargingProfileRow",
    "CommandBatchFilter",
    "CommandBatchRow",
    "CommandEnd",
    "CommandFilter",
    "CommandRow",
    "ConfigurationRow",
    "Evidence",
    "IdTagFilter",
    "IdTagRow",
    "InstalledChargingProfileRow",
    "LocalListEntryRow",
    "LocalListRow",
    "LocalListUpdateDetail",
    "LocalListUpdateRow",
    "MeterValueFilter",
    "MeterValueRow",
    "RemoteStartRow",
    "ReservationFilter",
    "ReservationRow",
    "SampleSummary",
    "TransactionDetail",
    "TransactionFilter",
    "TransactionRow",
    "all_api_keys",
    "all_charge_points",
    "all_id_tags",
    "api_key",
    "api_key_secret",
    "api_keys",
    "audit_events",
    "availability",
    "charge_point",
    "charge_point_exists",
    "charge_point_ids",
    "charge_points",
    "charging_profile",
    "charging_profiles",
    "command",
    "command_batch",
    "command_batches",
    "command_end",
    "commands",
    "configuration",
    "id_tag",
    "id_tags",
    "installed_charging_profiles",
    "local_list",
    "local_list_entries",
    "local_list_update",
    "local_list_updates",
    "meter_values",
    "remote_start",
    "remote_starts",
    "reservation",
    "reservations",
    "row_count",
    "transaction",
    "transaction_exists",
    "transaction_meter_values",
    "transaction_row",
    "transactions",
]
