"""DataTransfer (§4.3): stored, and answered by the vendor's handler where one is registered.

The hook: `register("com.example", handler)` at start-up, with `handler(tx, context, request)`
returning a DataTransferResponse. It runs inside the transaction of its group, so it reads and
writes through `tx` alone, and must be quick.
"""

from __future__ import annotations

from collections.abc import Callable

from ocpp_cs.db.commit import Tx
from ocpp_cs.db.models import DataTransfer
from ocpp_cs.db.statement import Statement
from ocpp_cs.handlers.context import RETRANSMISSION_WINDOW, CallContext
from ocpp_cs.ocpp16.messages.core import DataTransferRequest, DataTransferResponse

VendorHandler = Callable[[Tx, CallContext, DataTransferRequest], DataTransferResponse]
_vendor_handlers: dict[str, VendorHandler] = {}

_RECENT = Statement(
    lambda p: DataTransfer.select(
        DataTransfer.vendor_id,
        DataTransfer.vendor_message_id,
        DataTransfer.data,
        DataTransfer.answer_status,
        DataTransfer.answer_data,
    ).where(
        (DataTransfer.charge_point_id == p.charge_point_id)
        & (DataTransfer.received_at > p.since)
        & (DataTransfer.message_id == p.message_id)
    )
)
_INSERT = Statement(
    lambda p: DataTransfer.insert(
        charge_point_id=p.charge_point_id,
        vendor_id=p.vendor_id,
        vendor_message_id=p.vendor_message_id,
        data=p.data,
        answer_status=p.answer_status,
        answer_data=p.answer_data,
        received_at=p.received_at,
        message_id=p.message_id,
    )
)


def register(vendor_id: str, handler: VendorHandler) -> None:
    """Answers DataTransfers of the vendor by `handler` from now on; one per vendor."""
    if vendor_id in _vendor_handlers:
        raise ValueError(f"there is a handler for vendor {vendor_id!r} already")
    _vendor_handlers[vendor_id] = handler


def unregister(vendor_id: str) -> None:
    """Undoes `register`; unknown vendors are ignored."""
    _vendor_handlers.pop(vendor_id, None)


def data_transfer(
    tx: Tx, context: CallContext, request: DataTransferRequest
) -> DataTransferResponse:
    """Answers a vendor's message; `UnknownVendorId` without data where nobody knows it (R40)."""
    sent = (request.vendor_id, request.message_id, request.data)
    for row in tx.all(
        _RECENT,
        charge_point_id=context.charge_point.id,
        since=context.now - RETRANSMISSION_WINDOW,
        message_id=context.call.message_id,
    ):
        if tuple(row[:3]) == sent:
            return DataTransferResponse(status=row[3], data=row[4])
    handler = _vendor_handlers.get(request.vendor_id)
    if handler is None:
        answer = DataTransferResponse(status="UnknownVendorId")
    else:
        answer = handler(tx, context, request)
    tx.execute(
        _INSERT,
        charge_point_id=context.charge_point.id,
        vendor_id=request.vendor_id,
        vendor_message_id=request.message_id,
        data=request.data,
        answer_status=answer.status,
        answer_data=answer.data,
        received_at=context.now,
        message_id=context.call.message_id,
    )
    return answer
