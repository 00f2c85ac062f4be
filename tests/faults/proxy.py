"""A TCP proxy that fails as networks do, steered by the test while it runs.

    with Proxy(to=8000) as proxy:
        proxy.set(latency=1000)             # milliseconds, for each answer
        with proxy.having(down=True):       # connections are refused, the open ones are cut
            ...
        proxy.heal()

The toxics are those of Toxiproxy, and one more: `drop_response`, where the request reaches the
server whole and only its answer is lost. That one tells exactly once from at least once.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, fields, replace
from threading import Thread
from typing import Any

NOW = struct.pack("ii", 1, 0)  # linger for no time: closing sends a reset


@dataclass(frozen=True)
class Toxics:
    """What is wrong with the network. All off: a plain proxy."""

    latency: float = 0  # ms that each piece of an answer is late
    down: bool = False  # refuses connections and cuts the open ones
    black_hole: bool = False  # accepts, swallows everything, never answers
    reset_peer: bool = False  # resets each connection as soon as it says something
    slow_close: float = 0  # ms from the server's end of a connection to the client's
    bandwidth: float = 0  # bytes a second for answers; 0 = no limit
    slicer: int = 0  # bytes in a piece of an answer; 0 = as they come
    limit_data: int = 0  # bytes of answers, then the connection ends; 0 = no limit
    drop_response: float = 0  # the chance that an answer is lost after the server gave it
    silent: bool = False  # a lost answer never comes; else the connection is reset
    of: bytes = b""  # only answers to requests that begin so are lost
    portal: bytes = b""  # answers every request itself, with these bytes


@dataclass(eq=False)
class Link:
    """One connection: the client's writer, the server's, and how far their talk has come."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    asked: bytes = b""  # how the newest request began
    answered: bool = True  # its answer has begun; what the client says next is a new request
    swallowed: bool = False  # something is missing, so nothing may follow
    data: int = 0  # bytes answered
    tasks: list[asyncio.Task] = field(default_factory=list)

    def reset(self) -> None:
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
            writer.transport.abort()


class Proxy:
    """Listens on `port` and speaks to the port `to`, both on this machine, in a thread."""

    def __init__(self, to: int, seed: int = 1) -> None:
        self.to, self.toxics, self.port = to, Toxics(), 0
        self.dropped = self.connections = 0
        self._chance = random.Random(seed)  # noqa: S311  an outage, no secret
        self._links: set[Link] = set()
        self._door: asyncio.Server | socket.socket | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._open())

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def set(self, **toxics: Any) -> None:
        """Change these toxics, at once also for the connections that are open."""
        self._do(self._set(replace(self.toxics, **toxics)))

    def heal(self) -> None:
        self.set(**{each.name: each.default for each in fields(Toxics)})

    @contextlib.contextmanager
    def having(self, **toxics: Any) -> Iterator[None]:
        before = {name: getattr(self.toxics, name) for name in toxics}
        self.set(**toxics)
        try:
            yield
        finally:
            self.set(**before)

    def cut(self) -> None:
        """Reset what is open now; the next connection is fine."""
        self._do(self._cut())

    def stop(self) -> None:
        self._do(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    # --- In the thread --------------------------------------------------------------------------

    def _do(self, deed: Coroutine) -> None:
        asyncio.run_coroutine_threadsafe(deed, self._loop).result(timeout=10)

    async def _set(self, toxics: Toxics) -> None:
        turned = toxics.down != self.toxics.down
        self.toxics = toxics
        if turned:
            await (self._close() if toxics.down else self._open())
        if toxics.down:
            await self._cut()

    async def _open(self) -> None:
        place = self._door or self._bind()
        self._door = await asyncio.start_server(self._accept, sock=place)

    def _bind(self) -> socket.socket:
        place = socket.socket()
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        place.bind(("127.0.0.1", self.port))
        self.port = place.getsockname()[1]
        return place

    async def _close(self) -> None:
        """Refuse connections. The port stays ours: bound, but nobody listens."""
        self._door.close()
        self._door = self._bind()

    async def _cut(self) -> None:
        for link in list(self._links):
            link.reset()

    async def _shut(self) -> None:
        self._door.close()
        await self._cut()
        for task in [task for link in self._links for task in link.tasks]:
            task.cancel()
        if rest := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(rest, timeout=5)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far, server = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, server)
        self._links.add(link)
        ways = [self._requests(link, reader), self._answers(link, far)]
        link.tasks = [asyncio.ensure_future(way) for way in ways]
        await asyncio.wait(link.tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in link.tasks:
            task.cancel()
        await asyncio.gather(*link.tasks, return_exceptions=True)
        self._links.discard(link)
        for end in (link.client, link.server):
            end.close()

    async def _requests(self, link: Link, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            if self.toxics.reset_peer:
                link.reset()
                return
            if link.answered:
                link.asked, link.answered = chunk[:200], False
                if self.toxics.portal and not link.swallowed:
                    link.client.write(self.toxics.portal)
                    link.client.write_eof()
                    link.swallowed = True
            if self._swallows(link):
                continue
            link.server.write(chunk)
            await link.server.drain()

    async def _answers(self, link: Link, reader: asyncio.StreamReader) -> None:
        """Two tasks, so that what is late does not hold up what comes after it."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        link.tasks.append(asyncio.ensure_future(self._read(link, reader, under_way)))
        while True:
            due, chunk = await under_way.get()
            await asyncio.sleep(due - self._loop.time())
            if not chunk:
                return
            await self._hand_over(link, chunk)

    async def _read(
        self, link: Link, reader: asyncio.StreamReader, under_way: asyncio.Queue
    ) -> None:
        try:
            while chunk := await reader.read(65536):
                first, link.answered = not link.answered, True
                if first and self._loses(link):
                    self.dropped += 1
                    link.swallowed = self.toxics.silent
                    if not link.swallowed:
                        link.reset()
                        return
                if not self._swallows(link):
                    under_way.put_nowait((self._loop.time() + self.toxics.latency / 1000, chunk))
        finally:
            if not link.swallowed:  # a black hole does not even say goodbye
                late = self.toxics.latency + self.toxics.slow_close
                under_way.put_nowait((self._loop.time() + late / 1000, b""))

    async def _hand_over(self, link: Link, chunk: bytes) -> None:
        size = self.toxics.slicer or len(chunk)
        for start in range(0, len(chunk), size):
            piece = chunk[start : start + size]
            if left := self.toxics.limit_data:
                piece = piece[: max(0, left - link.data)]
            link.client.write(piece)
            await link.client.drain()
            link.data += len(piece)
            if self.toxics.limit_data and link.data >= self.toxics.limit_data:
                link.client.close()
                return
            if self.toxics.bandwidth:
                await asyncio.sleep(len(piece) / self.toxics.bandwidth)

    def _loses(self, link: Link) -> bool:
        toxics = self.toxics
        return link.asked.startswith(toxics.of) and self._chance.random() < toxics.drop_response

    def _swallows(self, link: Link) -> bool:
        link.swallowed = link.swallowed or self.toxics.black_hole
        return link.swallowed
