"""The events of the transport wal, read by SQL from a temporary slot of the plugin that servers use."""

import itertools
import json
import struct
import uuid

CHANGES = """select data from pg_logical_slot_get_binary_changes(%s, null, null,
               'proto_version', '1', 'publication_names', 'tally', 'messages', 'true')"""

numbers = itertools.count()


class Stream:
    """All events from now on, as a superuser of `database` reads them. `others` has what is no message, as rows would be."""

    def __init__(self, database, user="postgres"):
        self.connection = database.connect(user)
        self.slot = f"test_{next(numbers)}"
        self.connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput', true)", [self.slot])
        self.others = []

    def drain(self):
        """The payloads of the committed transactions so far, in their order."""
        barrier = json.dumps({"barrier": str(uuid.uuid4())})
        self.connection.execute("select pg_logical_emit_message(true, 'tally', %s::text)", [barrier])
        payloads = []
        while barrier not in payloads:
            for (data,) in self.connection.execute(CHANGES, [self.slot]).fetchall():
                if data[:1] == b"M":
                    payloads.append(self._content(data))
                elif data[:1] not in (b"B", b"C"):
                    self.others.append(data)
        payloads.remove(barrier)
        return payloads

    def _content(self, data):
        """A transactional message: kind, flags, LSN, prefix, length, content."""
        assert data[1] == 1
        prefix, rest = data[10:].split(b"\0", 1)
        (size,) = struct.unpack("!i", rest[:4])
        assert prefix == b"tally" and size == len(rest) - 4
        return rest[4:].decode()

    def events(self):
        return [json.loads(payload) for payload in self.drain()]
