"""What is read for people: pages of rows, single rows and summaries, as finished values.

Nothing is written here and nothing knows HTTP. Every function runs inside `Engine.read`. A page
is the rows after a key in the list's order (`after`, None for the first page), never an offset:
rows that arrive while someone reads neither repeat nor hide others. Keyset conditions are written
out, as a comparison of Peewee tuples would skip the conversion of times.
"""

from ocpp_cs.db.queries.charge_points import (
    ChargePointFilter,
    ChargePointRow,
    all_charge_points,
    charge_point,
    charge_points,
)
from ocpp_cs.db.queries.id_tags import IdTagFilter, IdTagRow, all_id_tags, id_tag, id_tags
from ocpp_cs.db.queries.meter_values import (
    MeterValueFilter,
    MeterValueRow,
    transaction_meter_values,
)
from ocpp_cs.db.queries.transactions import (
    Evidence,
    SampleSummary,
    TransactionDetail,
    TransactionFilter,
    TransactionRow,
    transaction,
    transaction_exists,
    transactions,
)

__all__ = [
    "ChargePointFilter",
    "ChargePointRow",
    "Evidence",
    "IdTagFilter",
    "IdTagRow",
    "MeterValueFilter",
    "MeterValueRow",
    "SampleSummary",
    "TransactionDetail",
    "TransactionFilter",
    "TransactionRow",
    "all_charge_points",
    "all_id_tags",
    "charge_point",
    "charge_points",
    "id_tag",
    "id_tags",
    "transaction",
    "transaction_exists",
    "transaction_meter_values",
    "transactions",
]
