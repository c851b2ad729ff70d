"""A proxy in front of PostgreSQL that recognises messages: it can drop them, cut at them or hold them back."""

import contextlib
import socket
import struct
import threading

STARTUP = b"\0"  # the type given to the first message, which has none


class Proxy:
    """Listens on 127.0.0.1. `target` returns the server's port for the nth connection, counted from 0.

    `keep(who, kind, body)` is called for every message: `who` is "client" or "server", `kind` a byte. True forwards the
    message, False drops it, "cut" resets both sides before it, "cut after" resets both sides after it.
    """

    def __init__(self, target, keep=lambda who, kind, body: True):
        self.target = target if callable(target) else lambda number: target
        self.keep = keep
        self.flowing = threading.Event()
        self.flowing.set()
        self.accepted = 0
        self.pairs = []
        self.lock = threading.Lock()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def dsn(self, of):
        """The DSN `of` through this proxy, without encryption, so that messages can be read."""
        words = [word for word in of.split() if not word.startswith(("port=", "host="))]
        return " ".join([*words, "host=127.0.0.1", f"port={self.port}", "sslmode=disable", "gssencmode=disable"])

    def stall(self):
        """Forwards nothing from now on, and closes nothing."""
        self.flowing.clear()

    def pass_on(self):
        self.flowing.set()

    def cut(self):
        """Resets all connections."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            self._reset(pair)

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self.socket.close()
        self.flowing.set()
        self.cut()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                number, self.accepted = self.accepted, self.accepted + 1
                try:
                    server = socket.create_connection(("127.0.0.1", self.target(number)), timeout=10)
                except OSError:
                    self._reset((client,))
                    continue
                server.settimeout(None)
                pair = (client, server)
                with self.lock:
                    self.pairs.append(pair)
                for who, source, sink in (("client", client, server), ("server", server, client)):
                    source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._pump, args=(who, source, sink, pair), daemon=True).start()

    def _pump(self, who, source, sink, pair):
        first = who == "client"
        with contextlib.suppress(OSError), source.makefile("rb") as stream:
            while True:
                kind = STARTUP if first else stream.read(1)
                size = stream.read(4)
                if len(size) < 4:
                    break
                body = stream.read(struct.unpack("!I", size)[0] - 4)
                self.flowing.wait()
                verdict = self.keep(who, kind, body)
                if verdict == "cut":
                    return self._reset(pair)
                if verdict:
                    sink.sendall((b"" if first else kind) + size + body)
                if verdict == "cut after":
                    return self._reset(pair)
                first = False
        for each in pair:  # the end of one side ends both
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        return None

    @staticmethod
    def _reset(pair):
        for each in pair:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RD)  # wakes the reading thread
            each.close()


class Tunnel(Proxy):
    """Passes bytes on and does not look at them, so that they may be encrypted."""

    def _pump(self, who, source, sink, pair):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.flowing.wait()
                sink.sendall(data)
        for each in pair:  # the end of one side ends both
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
