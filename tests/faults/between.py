"""What stands between charge points and a server: an asyncio server in a thread of its own.

What it does with a connection, its subclasses say.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from typing import Self

from tests.servers import wait_until


class Between(ABC):
    """On a free port, which is its `port` within the `with` statement."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(
            target=lambda: self._loop.run_until_complete(self._run()), daemon=True
        )

    @abstractmethod
    async def _run(self) -> None:
        """Serves until `_end` is set; says its port when it has one."""

    def __enter__(self) -> Self:
        self._thread.start()
        wait_until(lambda: self.port)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30.0)
