"""The transaction-related messages that a charge point still owes, in order (§3.7, §3.7.1).
No socket and no clock: whoever sends asks for the head and reports what became of it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

Payload = dict[str, object]

# What a charge point sends when it never got a transaction id (err 3.18, R29).
NO_TRANSACTION_ID = -1


@dataclass(slots=True)
class LocalTransaction:
    """A transaction as the charge point knows it; the id comes with StartTransaction.conf."""

    transaction_id: int | None = None

    @property
    def id_on_the_wire(self) -> int:
        """The id for MeterValues and StopTransaction; -1 when the start was never answered."""
        return NO_TRANSACTION_ID if self.transaction_id is None else self.transaction_id


@dataclass(slots=True)
class QueuedMessage:
    """One message that waits. Its payload is finished when it is sent, not when it is queued, since
    only the answer to the StartTransaction before it brings the transaction id."""

    action: str
    payload: Payload
    transaction: LocalTransaction | None
    message_id: str
    transmissions: int = 0
    refusals: int = 0

    def payload_on_the_wire(self) -> Payload:
        """The payload to send now, with `transactionId` where the message has one."""
        if self.transaction is None or self.action == "StartTransaction":
            return self.payload
        return {**self.payload, "transactionId": self.transaction.id_on_the_wire}


class TransactionQueue:
    """First in, first out; the head stays until it is answered or refused too often.

    Only a CALLERROR is a failure to process (J-err 3.3); a lost connection or a missing answer is
    none and never costs a message.
    """

    def __init__(
        self,
        new_id: Callable[[], str],
        *,
        new_id_on_retry: bool = False,
    ) -> None:
        self._new_id = new_id
        self._new_id_on_retry = new_id_on_retry
        self._messages: deque[QueuedMessage] = deque()
        # How many messages were ever put, and how many of them were answered or discarded.
        self.put_count = 0
        self.gone_count = 0

    def __len__(self) -> int:
        return len(self._messages)

    def put(
        self, action: str, payload: Payload, transaction: LocalTransaction | None = None
    ) -> QueuedMessage:
        """Append one message; it happened now and is owed from now on."""
        message = QueuedMessage(action, payload, transaction, self._new_id())
        self._messages.append(message)
        self.put_count += 1
        return message

    def transmit(self) -> QueuedMessage | None:
        """The head, to be sent now, with the message id of this transmission; None when empty.

        A retransmission carries the first id again or a fresh one: both are allowed (J-err 3.1).
        """
        if not self._messages:
            return None
        head = self._messages[0]
        if head.transmissions and self._new_id_on_retry:
            head.message_id = self._new_id()
        head.transmissions += 1
        return head

    def answered(self, answer: Payload) -> QueuedMessage:
        """The head was answered with this CALLRESULT payload: it is delivered and leaves."""
        head = self._pop()
        transaction_id = answer.get("transactionId")
        if (
            head.action == "StartTransaction"
            and head.transaction is not None
            and isinstance(transaction_id, int)
        ):
            head.transaction.transaction_id = transaction_id
        return head

    def refused(self, attempts: int, retry_interval_s: float) -> float | None:
        """The head was answered with a CALLERROR. Returns the seconds to wait before it is sent
        again, or None when it was refused for the last time and has been discarded (§3.7.1).

        The arguments are TransactionMessageAttempts and TransactionMessageRetryInterval (seconds).
        """
        head = self._messages[0]
        head.refusals += 1
        if head.refusals >= attempts:
            self._pop()
            return None
        return retry_interval_s * head.transmissions

    def _pop(self) -> QueuedMessage:
        self.gone_count += 1
        return self._messages.popleft()
