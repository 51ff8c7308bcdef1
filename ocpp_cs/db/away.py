"""What the log says when a step of a background thread has failed, which will be done again."""

from __future__ import annotations

import logging

from ocpp_cs.db.commit import StoreUnavailable
from ocpp_cs.db.engine import is_transient


def log_failure(logger: logging.Logger, what: str, error: Exception) -> None:
    """A line where the database is away, which is no defect of ours; else the traceback."""
    if isinstance(error, StoreUnavailable):
        return  # others have said so
    if is_transient(error):
        logger.warning("%s: the database is away: %s", what, str(error).strip())
    else:
        logger.error("%s failed", what, exc_info=error)
