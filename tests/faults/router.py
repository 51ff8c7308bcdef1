"""The router of a platform: it passes connections on to the release that is the current one.

It knows bytes only. A connection that has begun stays with its release to the end.
"""

from __future__ import annotations

import asyncio
import contextlib

from tests.faults.between import Between

_CHUNK = 64 * 1024


class Router(Between):
    """On a free port, in a thread of its own; `target` is the port of the current release.

    with Router(server.port) as router:
        router.target = newer.port
    """

    def __init__(self, target: int) -> None:
        super().__init__()
        self.target = target

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        await self._end.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:  # between two releases: as a router's 503
            writer.close()
            return
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
