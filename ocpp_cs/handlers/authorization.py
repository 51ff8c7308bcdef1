"""Authorize (§4.1), and the verdict on an id tag that Start and Stop share.

The decision itself is `rules.id_tag_verdict`; this only reads its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocpp_cs import rules
from ocpp_cs.db.commit import Tx
from ocpp_cs.db.fields import read_time
from ocpp_cs.db.models import IdTag, Transaction
from ocpp_cs.db.statement import Statement, fn
from ocpp_cs.handlers.context import CallContext
from ocpp_cs.ocpp16.messages.core import AuthorizeRequest, AuthorizeResponse
from ocpp_cs.ocpp16.times import format_time
from ocpp_cs.ocpp16.types import IdTagInfo


def select_id_tag(id_tag_key: Any) -> Any:
    """What `read_id_tag` reads, as a query or a part of one."""
    return IdTag.select(
        IdTag.id_tag,
        IdTag.status,
        IdTag.parent_id_tag,
        IdTag.expires_at,
        IdTag.max_active_transactions,
    ).where(IdTag.id_tag_key == id_tag_key)


def read_id_tag(row: Sequence[Any]) -> rules.IdTagRecord | None:
    id_tag, status, parent_id_tag, expires_at, limit = row
    if id_tag is None:
        return None
    return rules.IdTagRecord(id_tag, status, parent_id_tag, read_time(expires_at), limit)


_ID_TAG = Statement(lambda p: select_id_tag(p.id_tag_key))
# A transaction that is thought to be stuck must not lock its driver out (F3).
_ACTIVE_TRANSACTIONS = Statement(
    lambda p: Transaction.select(fn.COUNT(Transaction.id)).where(
        (Transaction.id_tag_key == p.id_tag_key)
        & Transaction.stopped_at.is_null()
        & Transaction.suspect_since.is_null()
    )
)


def verdict_on(context: CallContext, tag: rules.IdTagRecord | None) -> rules.Verdict:
    """The verdict for Authorize and StopTransaction: never ConcurrentTx (R32)."""
    return rules.id_tag_verdict(tag, now=context.now, unknown=context.policy.unknown_id_tags)


def verdict_on_start(
    tx: Tx, context: CallContext, tag: rules.IdTagRecord | None, id_tag_key: str
) -> rules.Verdict:
    """The verdict for a new StartTransaction, with the tag's other open transactions counted."""
    active = None
    if tag is not None and tag.max_active_transactions is not None:
        ((active,),) = tx.all(_ACTIVE_TRANSACTIONS, id_tag_key=id_tag_key)
    return rules.id_tag_verdict(
        tag,
        now=context.now,
        unknown=context.policy.unknown_id_tags,
        active_transactions=active,
    )


def id_tag_info(verdict: rules.Verdict) -> IdTagInfo:
    return IdTagInfo(
        status=verdict.status,
        expiry_date=None if verdict.expires_at is None else format_time(verdict.expires_at),
        parent_id_tag=verdict.parent_id_tag,
    )


def authorize(tx: Tx, context: CallContext, request: AuthorizeRequest) -> AuthorizeResponse:
    row = tx.one(_ID_TAG, id_tag_key=rules.id_tag_key(request.id_tag))
    tag = None if row is None else read_id_tag(row)
    return AuthorizeResponse(id_tag_info=id_tag_info(verdict_on(context, tag)))
