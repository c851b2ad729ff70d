"""A proxy between the service and PostgreSQL, which can cut, stall, slow down, half-close and deafen connections.

It has its own event loop in its own thread; `Proxy` may be called from any thread. Connections do not use TLS, so that
their purpose can be read from their messages, and events can be removed from what PostgreSQL sends.
"""

import asyncio
import contextlib
import random
import threading

# The purpose of a connection: the first of these texts that the service sends on it. Events arrive by "listener" and "stream".
KINDS = [("stream", b"replication\0database"), ("listener", b'listen "tally"'), ("actions", b"tally.act("), ("materializer", b"pgtally materialize"),
         ("load", b"tally.lock_source("), ("control", b"notification_queue_usage")]


def is_event(message):
    """Whether it is a notification, or XLogData. Keepalives are not: they pass a deaf link."""
    return message[:1] == b"A" or (message[:1] == b"d" and message[5:6] == b"w")


class Link:
    """One connection of the service, and its connection to PostgreSQL."""

    def __init__(self, reader, writer, up_reader, up_writer):
        self.ends = {"to database": (reader, up_writer), "to service": (up_reader, writer)}
        self.writers = (writer, up_writer)
        self.kind = "other"
        self.flowing = asyncio.Event()
        self.flowing.set()
        self.delay = 0.0
        self.deaf = False
        self.over = set()
        self.rest = b""  # the incomplete last message of the database

    def cut(self):
        self.flowing.set()
        for writer in self.writers:
            with contextlib.suppress(Exception):
                writer.transport.abort()

    def end(self, direction):
        """Sends FIN to that end."""
        if direction not in self.over and not self.ends[direction][1].transport.is_closing():
            self.over.add(direction)
            self.ends[direction][1].write_eof()

    def without_events(self, data):
        """Returns complete messages only, without events if the link is deaf."""
        data = self.rest + data
        out, at = bytearray(), 0
        while len(data) - at >= 5:
            size = 1 + int.from_bytes(data[at + 1:at + 5], "big")
            if len(data) - at < size:
                break
            if not (self.deaf and is_event(data[at:at + 6])):
                out += data[at:at + size]
            at += size
        self.rest = data[at:]
        return bytes(out)


class Proxy:
    def __init__(self, host, port):
        self.target = (host, port)
        self.loop = asyncio.new_event_loop()
        self.links = set()
        self.refusing = False
        self.deaf_to_come = ()
        self.later = []
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self.server.sockets[0].getsockname()[1]

    def close(self):
        async def end():
            self.server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=10)
        self._do(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    # Faults. Each returns the number of affected links, and ends after `seconds` if it has that parameter.

    def cut(self, kind=None):
        return self._each(kind, lambda link: link.cut())

    def half_close(self, kind, toward):
        """Sends FIN to one end; the other direction stays open."""
        def close(link):
            link.end(toward)
        return self._each(kind, close)

    def stall(self, kind, seconds=None):
        """Forwards nothing in both directions; without `seconds`, until the link is cut or healed."""
        met = self._each(kind, lambda link: link.flowing.clear())
        if seconds is not None:
            self._after(seconds, lambda: [link.flowing.set() for link in self.links])
        return met

    def slow(self, delay, seconds):
        """Delays each piece by `delay`, so that short windows become long."""
        self._after(seconds, lambda: [setattr(link, "delay", 0.0) for link in self.links])
        return self._each(None, lambda link: setattr(link, "delay", delay))

    def deafen(self, kinds, also_new=False):
        """Withholds events from links of these kinds, and nothing else; also from new ones if wanted."""
        def begin():
            self.deaf_to_come = tuple(kinds) if also_new else ()
        self._call(begin)
        return sum(self._each(kind, lambda link: setattr(link, "deaf", True)) for kind in kinds)

    def hear(self):
        """Ends the deafness. Links that were deaf have missed events, so they are cut."""
        def end():
            self.deaf_to_come = ()
            for link in list(self.links):
                if link.deaf:
                    link.cut()
        self._call(end)

    def refuse(self, seconds):
        """Refuses new connections."""
        self._call(lambda: setattr(self, "refusing", True))
        self._after(seconds, lambda: setattr(self, "refusing", False))

    def heal(self):
        """Ends all faults; links that were deaf are cut."""
        def heal():
            for handle in self.later:
                handle.cancel()
            self.later.clear()
            self.refusing = False
            for link in self.links:
                link.delay = 0.0
                link.flowing.set()
        self._call(heal)
        self.hear()

    def kinds(self):
        return self._call(lambda: sorted(link.kind for link in self.links))

    # Inside

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def _call(self, what):
        async def call():
            return what()
        return self._do(call())

    def _after(self, seconds, what):
        self._call(lambda: self.later.append(self.loop.call_later(seconds, what)))

    def _each(self, kind, what):
        def each():
            met = [link for link in self.links if kind in (None, link.kind)]
            for link in met:
                what(link)
            return len(met)
        return self._call(each)

    async def _serve(self, reader, writer):
        if self.refusing:
            writer.transport.abort()
            return
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        link = Link(reader, writer, up_reader, up_writer)
        self.links.add(link)
        try:
            await asyncio.gather(self._pass(link, "to database"), self._pass(link, "to service"))
        finally:
            link.cut()
            self.links.discard(link)

    async def _pass(self, link, direction):
        reader, writer = link.ends[direction]
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if link.delay:
                    await asyncio.sleep(link.delay * random.random())
                await link.flowing.wait()
                if direction == "to database":
                    self._look(link, data)
                else:
                    data = link.without_events(data)
                if not writer.transport.is_closing() and direction not in link.over:
                    writer.write(data)
                    await writer.drain()
        if direction == "to service" or writer.transport.is_closing():
            link.cut()
        else:
            link.end(direction)

    def _look(self, link, data):
        if link.kind != "other":
            return
        link.kind = next((kind for kind, words in KINDS if words in data), "other")
        link.deaf = link.kind in self.deaf_to_come
