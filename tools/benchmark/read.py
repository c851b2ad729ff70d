#!/usr/bin/env python3
"""Part of tools/bench: GETs per second of one key and of 100 keys by 64 connections (wrk), beside nginx.

    read.py --folder DIR --programs DIR --seconds N --rounds N [--clients N,N] [--json]

nginx has one worker, no log, and answers 200 with the same body from its configuration.
"""

import contextlib
import re
import shutil
import socket
import subprocess
import urllib.request

from crowd import options, prepare
from report import machine, row, show
from stage import cpu_seconds, die, environment, eventually, hush, run, say

CLIENTS = [64]
KEYS = 1_000
TARGETS = {"one key": "/keys/1", "100 keys": "/keys?" + "&".join(f"key={key}" for key in range(1, 101))}
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; default_type application/json;
  client_body_temp_path {folder}/nginx-body; proxy_temp_path {folder}/nginx-proxy; fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi; scgi_temp_path {folder}/nginx-scgi;
  server {{ listen 127.0.0.1:{port}; large_client_header_buffers 4 32k; location / {{ return 200 '{body}'; }} }}
}}
"""


def find_programs():
    """Debian's nginx is in a folder that not everybody's PATH has."""
    found = [shutil.which("wrk"), shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")]
    if not all(found):
        die("there is no wrk or no nginx: run tools/setup --tests")
    return found


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def answers(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    return False


@contextlib.contextmanager
def nginx(stage, program, body):
    """Its base URL and its process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    path = stage.folder.parent / "nginx.conf"
    path.write_text(NGINX.format(folder=path.parent, port=port, body=body))
    running = subprocess.Popen([*stage.pinned(), program, "-c", path, "-p", path.parent], env=environment())
    try:
        eventually(lambda: running.poll() is not None or answers(port), "nginx did not listen")
        if running.poll() is not None:
            die("nginx ended")
        yield f"http://127.0.0.1:{port}", running
    finally:
        running.terminate()
        running.wait()


def run_wrk(program, url, pid, connections, seconds):
    """Answers per second, and per CPU second of the server."""
    before = cpu_seconds(pid)
    done = subprocess.run([program, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", url], text=True, capture_output=True)
    used = cpu_seconds(pid) - before
    return rates_of(done.stdout + done.stderr, used)


def rates_of(said, used):
    rate, count = re.search(r"^Requests/sec:\s+([\d.]+)", said, re.MULTILINE), re.search(r"(\d+) requests in", said)
    if not rate or not count or "Non-2xx" in said or "Socket errors" in said:
        die(f"wrk did not work: {said.strip()}")
    return float(rate[1]), int(count[1]) / max(used, 1e-9)


def measure_case(stage, service, programs, title, connections, chosen):
    wrk, server = programs
    case = f"GET of {title}, {connections} connections"
    target = f"/v1/tallies/likes_notify{TARGETS[title]}"
    found = {"pgtally": [], "nginx": []}
    with nginx(stage, server, get(service.url + target)) as (url, running):
        for number in range(1, chosen.rounds + 1):
            say(f"read, {case}, round {number} of {chosen.rounds}")
            for name, base, pid in (("pgtally", service.url, service.process.pid), ("nginx", url, running.pid)):
                found[name].append(run_wrk(wrk, base + target, pid, connections, chosen.seconds))
    rows = []
    for column, unit in enumerate(("answers/s", "answers/CPU s")):
        ours, theirs = ([figures[column] for figures in found[name]] for name in ("pgtally", "nginx"))
        rows += [row(case, "pgtally", ours, unit, theirs), row(case, "nginx", theirs, unit)]
    return rows


def main():
    chosen = options(CLIENTS).parse_args()
    programs = find_programs()
    stage, found = prepare(chosen, "notify")
    found["versions"] += machine(*programs)["versions"]
    stage.sql(f"insert into likes_notify (post) select i from generate_series(1, {KEYS}) i")
    with stage.service("likes_notify") as service:
        rows = [line for connections in chosen.clients for title in TARGETS
                for line in measure_case(stage, service, programs, title, connections, chosen)]
    hush()
    show("read", found, rows, chosen.json)


if __name__ == "__main__":
    run(main)
