"""The benches of what clients see: short runs print each figure, and the programs behind them read and count rightly."""

import ctypes
import json
import math
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "tools" / "benchmark"
PROGRAMS = pathlib.Path(os.environ.get("PGTALLY_PROGRAM", ROOT / "build" / "release" / "pgtally")).resolve().parent
MARKS = ("p50", "p99", "p99.9")


def run(bench, folder, *options):
    if not (PROGRAMS / "pgtally").exists():
        pytest.skip("built without the server")
    folder.chmod(0o755)
    done = subprocess.run([sys.executable, BENCHMARK / f"{bench}.py", "--folder", folder, "--programs", PROGRAMS, "--rounds", "1",
                           "--seconds", "0.2", "--json", *options], text=True, capture_output=True, timeout=120)
    subprocess.run([ROOT / "tools" / "cluster", "drop", folder / "cluster"], check=True)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["bench"] == bench and found["machine"]["cores"] >= 1
    assert any("pgtally" in version for version in found["machine"]["versions"])
    for row in found["rows"]:
        if row["unit"] != "clients":  # which may be 0
            assert row["value"] > 0 and row["spread"] == 0, row
            assert (row["ratio"] is None) == (bench == "memory" or not row["contestant"].startswith("pgtally")), row
    return {(row["case"], row["contestant"], row["unit"]): row["value"] for row in found["rows"]}


@pytest.fixture
def folder():
    """One that the system user postgres may enter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="pgtally-", dir="/tmp"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_fanout_has_each_way_to_watch_by_time_and_by_cpu(folder):
    found = run("fanout", folder, "--clients", "20")
    assert set(found) == {(f"20 clients, {watches}", contestant, unit) for watches in ("one key", "each its own", "all 100 keys")
                          for contestant in ("pgtally", "bare listener and sender", "bare flood") for unit in ("values/s", "values/CPU s")}


def test_latency_has_each_transport_and_its_marks_in_order(folder):
    found = run("latency", folder, "--clients", "1,20")
    for clients in ("1 client", "20 clients"):
        for rate in ("100", "1,000"):
            for contestant in ("pgtally, notify", "pgtally, notify, SSE", "pgtally, wal", "bare listener and sender"):
                times = [found.pop((f"{clients}, {rate} changes/s, {mark}", contestant, "ms")) for mark in MARKS]
                assert times == sorted(times)
                del found[f"{clients}, {rate} changes/s, CPU", contestant, "µs a message"]
    assert not found


def test_memory_has_each_kind_of_client_and_of_key(folder):
    found = run("memory", folder, "--clients", "100", "--keys", "50000")
    assert set(found) == {
        *(("100 clients, idle", kind, "bytes each") for kind in ("WebSocket", "SSE", "WebSocket by TLS", "SSE by TLS")),
        *(("50,000 keys", kind, "bytes each") for kind in ("two counters", "a top"))}


def test_read_has_one_key_and_many_beside_nginx(folder):
    found = run("read", folder, "--clients", "4")
    assert set(found) == {(f"GET of {keys}, 4 connections", contestant, unit) for keys in ("one key", "100 keys")
                          for contestant in ("pgtally", "nginx") for unit in ("answers/s", "answers/CPU s")}


def test_share_has_one_server_and_two(folder):
    found = run("share", folder, "--clients", "8")
    assert set(found) == {(f"GET of {keys}, 8 connections", contestant, "answers/s") for keys in ("one key", "100 keys")
                          for contestant in ("one server", "pgtally, two servers")}


def test_storm_has_the_time_of_all_and_the_wait_of_others(folder):
    found = run("storm", folder, "--clients", "200")
    assert set(found) == {(f"200 clients: {what}", contestant, unit) for what, unit in
                          (("all have their snapshot", "s"), ("longest wait of others", "ms"),
                           ("cut before the snapshot", "clients"))
                          for contestant in ("pgtally", "bare listener and sender")}


def frame(text, opcode=1, last=True):
    size = len(text)
    length = bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big") if size < 65536 else b"\x7f" + size.to_bytes(8, "big")
    return bytes([last << 7 | opcode]) + length + text.encode()


def message(keys, **more):
    return json.dumps({**more, "keys": {str(key): {"count": key} for key in range(1, keys + 1)}}, separators=(",", ":"))


def serve(pieces, options=()):
    """What a crowd of one client says once it has a snapshot, or why it ended. `pieces` is the server's side."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        crowd = subprocess.Popen([PROGRAMS / "pgtally-bench-crowd", "--port", str(listener.getsockname()[1]), "--clients", "1", *options],
                                 text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        client, _ = listener.accept()
        client.settimeout(30)
        with client:
            pieces(client)
            out = crowd.stdout.readline()
            _, err = crowd.communicate()
    return json.loads(out) if out else err


def test_crowd_counts_values_however_they_are_cut():
    def pieces(client):
        assert b"Upgrade: websocket" in client.recv(4096)
        client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        assert client.recv(4096)[6:] == b'{"type":"subscribe","id":1,"tally":"likes","keys":["1"]}'
        client.sendall(frame("", opcode=9))
        assert client.recv(6) == bytes([0x8A, 0x80, 0, 0, 0, 0])
        many = message(100)
        for byte in frame('{"type":"state"}') + frame(many[:300], last=False) + frame("", opcode=9) + frame(many[300:], opcode=0)[:700]:
            client.sendall(bytes([byte]))
        client.sendall(frame(many[300:], opcode=0)[700:] + frame(message(9_000)) + frame("") + frame(message(2, epoch="e")))

    found = serve(pieces, ["--keys", "one"])
    assert (found["values"], found["messages"]) == (100 + 9_000 + 2, 5)


def test_crowd_reads_events_by_chunks():
    def pieces(client):
        assert client.recv(4096).startswith(b"GET /v1/tallies/mine/events HTTP/1.1\r\n")
        event = f"event: snapshot\nid: e-1\ndata: {message(7, epoch='e')}\n\n"
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.sendall(b'17\r\nevent: state\ndata: {"state":"loading"}\n\n\r\n:\n\n')
        for byte in f"{len(event):x}\r\n{event}\r\n".encode():
            client.sendall(bytes([byte]))

    found = serve(pieces, ["--tally", "mine", "--keys", "every", "--sse"])
    assert (found["values"], found["messages"]) == (7, 2)


def test_crowd_ends_with_the_reason_if_it_is_refused():
    def pieces(client):
        client.recv(4096)
        client.sendall(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")

    assert re.fullmatch(r"pgtally-bench-crowd: client 1 of port \d+ was refused or cut: HTTP/1\.1 503\n", serve(pieces))


def test_crowd_connects_again_if_it_is_cut_before_an_answer():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [PROGRAMS / "pgtally-bench-crowd", "--port", str(listener.getsockname()[1]), "--clients", "1", "--sse"]
        with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
            listener.accept()[0].close()
            client, _ = listener.accept()
            with client:
                client.sendall(f"HTTP/1.1 200 OK\r\n\r\ndata: {message(1, epoch='e')}\n\n".encode())
                assert json.loads(crowd.stdout.readline())["again"] == 1
                crowd.stdin.close()


class Histogram(ctypes.Structure):
    _fields_ = [("count", ctypes.c_uint64), ("highest", ctypes.c_uint64), ("buckets", ctypes.c_uint64 * (64 * 32))]


def test_marks_are_at_most_a_thirty_second_above_the_truth(tmp_path):
    path = tmp_path / "histogram.so"
    subprocess.run(["cc", "-std=c11", "-shared", "-fPIC", "-o", path, BENCHMARK / "crowd" / "histogram.c"], check=True)
    library = ctypes.CDLL(str(path))
    library.histogram_at.restype = ctypes.c_uint64
    library.histogram_at.argtypes = [ctypes.c_void_p, ctypes.c_double]
    found = Histogram()
    assert library.histogram_at(ctypes.byref(found), 0.5) == 0
    values = sorted({*range(100), *(3**n for n in range(40)), 2**63, 2**64 - 1})
    for value in values:
        library.histogram_add(ctypes.byref(found), ctypes.c_uint64(value))
    for share in (0.01, 0.3, 0.5, 0.9, 0.99, 0.999, 1):
        truth = values[math.ceil(share * len(values)) - 1]
        said = library.histogram_at(ctypes.byref(found), share)
        assert truth <= said <= truth + truth / 32
