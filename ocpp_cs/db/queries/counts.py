"""How many rows a table has, for a progress bar.

No filter: that would be a reading of its own.
"""

from __future__ import annotations

from ocpp_cs.db.models import TABLES

_MODELS = {table._meta.table_name: table for table in TABLES}


def row_count(table: str) -> int:
    """All rows of the table of that name."""
    return int(_MODELS[table].select().count())
