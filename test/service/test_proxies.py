"""pgtally behind nginx, HAProxy, Caddy and Varnish, by the files of the documentation (server/docs). Skipped where these are missing."""

import asyncio
import concurrent.futures
import json
import os
import re
import shutil
import subprocess

import pytest
import requests

from program import LONG, ROOT, Client, eventually, free_port
from streams import Events, path_of

NAME = "counters.example.org"
KEY = "/v1/tallies/tweets/keys/33"
CLIENTS, CHANGES = 1000, 20
FILES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg", "caddy": "Caddyfile", "varnish": "varnish.vcl"}  # of server/docs


class Proxy:
    """One of the programs, in front of a server. `host` is what clients connect to."""

    def __init__(self, kind, server, folder):
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.url = "http://" + self.host
        text = (ROOT / "server" / "docs" / FILES[kind]).read_text()
        for written, here in (("127.0.0.1:8080", server.host), ("bind :80", f"bind {self.host}"),
                              ("/var/cache/nginx", str(folder)), (f"{NAME} {{", f"{{\n admin off\n}}\nhttp://{NAME}:{self.port} {{"),
                              ('.port = "8080"', f'.port = "{server.host.split(":")[1]}"')):
            text = text.replace(written, here)
        if kind == "nginx":  # TLS is nginx's own matter: tools/package --deploy runs the file as it is
            text = re.sub(r"(?m)^server \{\n    listen 80;.*?^\}\n|^    ssl_.*?$", "", text, flags=re.DOTALL).replace("listen 443 ssl http2;", f"listen {self.host};")
        (folder / "site").write_text(text)
        self.process = subprocess.Popen(getattr(self, kind)(folder), stderr=(folder / "log").open("w"), stdout=subprocess.DEVNULL,
                                        env={**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)})
        self.log = folder / "log"
        eventually(lambda: self.answers(), self.log.read_text)

    def nginx(self, folder):
        paths = "".join(f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""  # the folder is this user's alone
        (folder / "main").write_text(f"{user} daemon off; pid {folder}/pid; error_log stderr; worker_rlimit_nofile 8192; events {{ worker_connections 4096; }}\n"
                                     f"http {{ access_log off; keepalive_requests 100000; {paths} include {folder}/site; }}\n")
        return ["nginx", "-c", str(folder / "main"), "-e", "stderr"]

    def haproxy(self, folder):
        return ["haproxy", "-f", str(folder / "site")]

    def caddy(self, folder):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "site")]

    def varnish(self, folder):
        return ["varnishd", "-F", "-j", "none", "-a", self.host, "-f", str(folder / "site"), "-n", str(folder / "varnish"), "-s", "default,64m"]

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/readyz").ok
        except requests.ConnectionError:
            return False

    def get(self, path, **more):
        return requests.get(self.url + path, headers={"Host": NAME, **more.pop("headers", {})}, timeout=LONG, **more)

    def stop(self):
        self.process.terminate()
        self.process.wait(LONG)


@pytest.fixture
def server(serve, tweets):
    return serve(tweets.dsn, "--writable", "--heartbeat", "200ms", "--allow-host", NAME).wait_live()


@pytest.fixture(params=FILES)
def proxy(request, server, tmp_path):
    if not shutil.which({"varnish": "varnishd"}.get(request.param, request.param), path=os.environ["PATH"] + ":/usr/sbin"):
        pytest.skip(f"{request.param} is not installed: tools/setup --tests installs it")
    os.environ["PATH"] += ":/usr/sbin"
    started = Proxy(request.param, server, tmp_path)
    yield started
    started.stop()


def fav(database, key=33):
    database.sql.execute("insert into tweet.activity (messageid, action) values (%s, 'fav')", [key])


def test_rest(proxy, server):
    answer = proxy.get(KEY, headers={"Origin": "http://" + NAME})
    assert answer.json()["counters"] == {"rts": 2, "favs": 1}
    assert answer.headers["Access-Control-Allow-Origin"] == "http://" + NAME
    answer = requests.post(proxy.url + "/v1/tallies/tweets/keys/33/fav", headers={"Host": NAME}, timeout=LONG)
    assert answer.status_code == 201
    assert proxy.get(KEY).json() == server.get(KEY).json()


def test_the_list_of_tallies(proxy):
    assert [each["name"] for each in proxy.get("/v1/tallies", allow_redirects=False).json()["tallies"]] == ["tweets"]


def test_a_key_with_a_slash(proxy, server, tweets):
    tweets.sql.execute("create table pages (url text)")
    tweets.sql.execute("select tally.create_tally('pages', 'pages', 'url')")
    tweets.sql.execute("insert into pages values ('a/b')")
    eventually(lambda: server.get("/v1/tallies/pages/keys/a%2Fb").ok)
    assert proxy.get("/v1/tallies/pages/keys/a%2Fb").json()["key"] == "a/b"


def test_websocket(proxy):
    client = Client(f"ws://{NAME}/v1/ws", host="127.0.0.1", port=proxy.port)
    assert client.ask(type="subscribe", id=1, tally="tweets", keys=[33])["type"] == "snapshot"
    client.close()


def test_events_are_not_held_back(proxy, tweets):
    events = Events(proxy, path_of("tweets", 33), {"Host": NAME})
    assert events.next().name == "snapshot"
    for expected in 2, 3:
        fav(tweets)
        assert events.next().data["keys"]["33"]["favs"] == expected
    events.close()


def test_long_poll(proxy, tweets):
    first = proxy.get(KEY).json()
    since = f"{first['epoch']}-{first['revision']}"
    unchanged = proxy.get(f"{KEY}?since={since}&wait=1")
    assert unchanged.status_code == 204 and unchanged.headers["ETag"] == f'W/"{since}"'
    fav(tweets)
    then = proxy.get(f"{KEY}?since={since}&wait=21")
    assert then.json()["counters"]["favs"] == 2


class Poller:
    """A client that polls by one connection, until it has what it waits for."""

    def __init__(self, host):
        self.host, self.answers = host, 0

    async def get(self, path):
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status = int(head.split(" ", 2)[1])
        size = re.search(r"(?i)\r\ncontent-length: (\d+)", head)
        body = await self.reader.readexactly(int(size[1])) if size else b""
        return status, json.loads(body) if body else None

    async def follow(self, wanted):
        self.reader, self.writer = await asyncio.open_connection(*self.host.split(":"))
        status, last = await self.get(KEY)
        assert status == 200, last
        while last["counters"]["favs"] != wanted:
            status, answer = await self.get(f"{KEY}?since={last['epoch']}-{last['revision']}&wait=20")
            self.answers += 1
            if status == 204:  # a cache may keep it for a second
                await asyncio.sleep(1)
                continue
            assert status == 200 and answer["counters"]["favs"] >= last["counters"]["favs"], (status, answer)
            last = answer
        self.writer.close()
        return last


@pytest.mark.parametrize("proxy", ["nginx", "varnish"], indirect=True)
def test_long_polls_for_the_same_are_one(proxy, server, tweets):
    first = proxy.get(KEY).json()
    path = f"{KEY}?since={first['epoch']}-{first['revision']}&wait=20"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = [pool.submit(proxy.get, path) for _ in range(5)]
        eventually(lambda: server.metrics()["pgtally_long_polls"] == 1)
        fav(tweets)
        assert [each.result(LONG).json()["counters"]["favs"] for each in answers] == [2] * 5
    seen = sum(count for name, count in server.metrics().items() if name.startswith('pgtally_requests_total{route="/v1/tallies/{tally}/keys/{key}"'))
    assert seen <= 2, "one for all, besides the first"


@pytest.mark.parametrize("proxy", ["nginx"], indirect=True)
def test_a_thousand_long_polls_are_a_handful(proxy, server, tweets):
    """Every client ends with the truth, and the server has seen few requests for each change, not a thousand."""

    async def all_of_them():
        pollers = [Poller(proxy.host) for _ in range(CLIENTS)]
        following = [asyncio.ensure_future(each.follow(1 + CHANGES)) for each in pollers]
        while server_waits() == 0:
            await asyncio.sleep(0.01)
        for _ in range(CHANGES):
            await asyncio.get_running_loop().run_in_executor(None, fav, tweets)
            await asyncio.sleep(0.2)  # one change after the other, not one large one
        return pollers, await asyncio.wait_for(asyncio.gather(*following), 2 * LONG)

    def server_waits():
        return server.metrics()["pgtally_long_polls"]

    def polls():
        route = '{route="/v1/tallies/{tally}/keys/{key}",status="'
        return sum(count for name, count in server.metrics().items() if name.startswith("pgtally_requests_total" + route))

    pollers, found = asyncio.run(all_of_them())
    assert [each["counters"]["favs"] for each in found] == [1 + CHANGES] * CLIENTS
    answers, asked = sum(each.answers for each in pollers), polls() - CLIENTS  # less the first request of each
    print(f"{CLIENTS} clients got {answers} answers to long polls, of which the server gave {asked}")
    assert answers >= CLIENTS
    assert asked <= 10 * CHANGES
