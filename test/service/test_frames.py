"""What RFC 6455 demands of a server, frame by frame over a raw socket."""

import json
import socket
import struct

import pytest

from program import LONG

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Frames:
    def __init__(self, server, key="dGhlIHNhbXBsZSBub25jZQ==", wrap=lambda plain: plain):
        host, port = server.host.split(":")
        self.socket = wrap(socket.create_connection((host, int(port)), timeout=LONG))
        self.file = self.socket.makefile("rb")
        self.socket.sendall(f"GET /v1/ws HTTP/1.1\r\nHost: {server.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode())
        assert self.file.readline().startswith(b"HTTP/1.1 101 ")
        self.fields = {}
        while (line := self.file.readline()) != b"\r\n":
            name, value = line.decode().rstrip().split(": ", 1)
            self.fields[name] = value

    def send(self, opcode, payload=b"", fin=True, mask=b"\1\2\3\4", reserved=0):
        first = (0x80 if fin else 0) | reserved << 4 | opcode
        size = len(payload)
        length = bytes([size]) if size < 126 else b"\x7e" + struct.pack("!H", size) if size < 65536 else b"\x7f" + struct.pack("!Q", size)
        if mask:
            length = bytes([length[0] | 0x80]) + length[1:] + mask
            payload = bytes(each ^ mask[at % 4] for at, each in enumerate(payload))
        self.socket.sendall(bytes([first]) + length + payload)
        return self

    def receive(self):
        """The next frame: its opcode and payload. The server masks nothing, and fragments nothing."""
        head = self.file.read(2)
        if not head:
            return None, b""
        assert head[0] & 0xf0 == 0x80 and head[1] < 128, head
        size = head[1]
        if size == 126:
            size, = struct.unpack("!H", self.file.read(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.file.read(8))
        return head[0] & 15, self.file.read(size)

    def pongs(self):
        """The connection works: a message is answered."""
        assert self.send(TEXT, b'{"type":"ping"}').receive() == (TEXT, b'{"type":"pong"}')

    def closed_with(self):
        """The code of the server's close; then the connection ends. 0: a close without a code."""
        opcode, payload = self.receive()
        assert opcode == CLOSE, (opcode, payload)
        assert self.file.read() == b""
        return struct.unpack("!H", payload[:2])[0] if payload else 0


@pytest.fixture
def frames(server):
    made = []

    def make():
        made.append(Frames(server))
        return made[-1]

    yield make
    for each in made:
        each.file.close()
        each.socket.close()


def close(code, reason=b""):
    return struct.pack("!H", code) + reason


def test_the_answer_to_the_key_is_the_one_of_the_rfc(server):
    assert Frames(server).fields["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_fragments_with_control_frames_between(frames):
    one = frames()
    one.send(TEXT, b'{"type"', fin=False).send(PING, b"1").send(0, b':"pi', fin=False).send(PONG, b"unasked").send(0, b"", fin=False)
    assert one.receive() == (PING + 1, b"1")
    one.send(0, b'ng"}')
    assert one.receive() == (TEXT, b'{"type":"pong"}')
    one.pongs()


def test_utf8_over_fragments(frames):
    one = frames()
    for part in b'{"type":"\xf0', b"\x9f", b"\x98":
        one.send(TEXT if part[:1] == b"{" else 0, part, fin=False)
    one.send(0, b'\x80"}')
    assert json.loads(one.receive()[1])["code"] == "unknown_type"
    one.pongs()
    for parts in (b'{"type":"\xf0', b'x"}'), (b'"\xed\xa0', b'\x80"'), (b'"\xc0\x80"', b""), (b'"\xf4\x90\x80\x80"', b""), (b"\xe2\x82", b""):
        one = frames()
        one.send(TEXT, parts[0], fin=False)
        # A server may refuse the first fragment already.
        try:
            one.send(0, parts[1])
        except OSError:
            pass
        opcode, payload = one.receive()
        assert opcode == CLOSE and payload[:2] == close(1007), parts


def test_pings_are_answered_with_their_payload(frames):
    one = frames()
    for payload in b"", b"x", bytes(range(125)):
        assert one.send(PING, payload).receive() == (PONG, payload)
    for size in 0, 1, 125, 126, 65535, 65536:
        answer = json.loads(one.send(TEXT, b" " * size + b'{"type":"ping"}').receive()[1])
        assert answer == {"type": "pong"}


BROKEN = [
    dict(opcode=TEXT, payload=b"{}", mask=None), dict(opcode=PING, mask=None), dict(opcode=CLOSE, mask=None),
    *[dict(opcode=TEXT, payload=b"{}", reserved=bits) for bits in (1, 2, 4, 7)], dict(opcode=PING, reserved=4),
    *[dict(opcode=opcode) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)],
    *[dict(opcode=opcode, payload=b"x" * 126) for opcode in (PING, PONG, CLOSE)],
    *[dict(opcode=opcode, fin=False) for opcode in (PING, PONG, CLOSE)],
    dict(opcode=0, payload=b"{}"), dict(opcode=0, payload=b"{}", fin=False), dict(opcode=CLOSE, payload=b"x")]


def test_what_breaks_the_protocol_is_closed_with_1002(frames):
    for frame in BROKEN:
        assert frames().send(**frame).closed_with() == 1002, frame


def test_a_message_inside_another_is_closed_with_1002(frames):
    assert frames().send(TEXT, b"{", fin=False).send(TEXT, b"}").closed_with() == 1002
    assert frames().send(0, b"").closed_with() == 1002


def test_a_length_that_is_not_the_shortest_or_negative_is_refused(frames):
    for length in b"\xfe\0\1", b"\xff" + b"\0" * 7 + b"\1", b"\xff\x80" + b"\0" * 7:
        one = frames()
        one.socket.sendall(b"\x81" + length + b"\0\0\0\0x")
        assert one.closed_with() in (1002, 1009)


GOOD_CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
BAD_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535]


def test_codes_of_a_close_are_returned(frames):
    for code in GOOD_CODES:
        assert frames().send(CLOSE, close(code, "grüß".encode())).closed_with() == code


def test_codes_that_no_close_may_have_are_1002(frames):
    for code in BAD_CODES:
        assert frames().send(CLOSE, close(code)).closed_with() == 1002, code


def test_a_reason_that_is_not_utf8_is_1007(frames):
    for reason in b"\xff", b"\xc3", b"a\xed\xa0\x80", b"x" * 122 + b"\xc3":
        assert frames().send(CLOSE, close(1000, reason)).closed_with() == 1007, reason


def test_a_close_without_a_code_is_answered(frames):
    assert frames().send(CLOSE).closed_with() in (0, 1000)


def test_what_comes_after_a_close_counts_for_nothing(frames, server):
    one = frames()
    one.send(CLOSE, close(1000)).send(TEXT, b'{"type":"ping"}')
    assert one.closed_with() == 1000
