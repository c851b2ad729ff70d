"""A whole deployment in a clean Debian, from server/docs/install.md alone: each command of the page is run, each file written.
Then everything is looked at from outside: through nginx with TLS, by tokens, by Prometheus, in a browser.

systemd cannot run there. pgtally is started as its unit says (service_unit.py), PostgreSQL, nginx and Prometheus by hand."""

import asyncio
import contextlib
import json
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys

import pytest
import requests
import websockets

from clean_debian import LONG, ROOT, host, leave_the_network, package, until
from instructions import steps
from service_unit import Unit

sys.path.insert(0, str(ROOT / "test" / "service"))

import dashboard  # noqa: E402
import tokens  # noqa: E402

NAME = "counters.example.org"
SITE = f"https://{NAME}"
PAGE = (ROOT / "server" / "docs" / "install.md").read_text()
RIGHTS = {"read": [{"tally": "mine", "prefix": "u42/"}], "act": ["mine.like"]}


class Deployment:
    """What the page made: the services by name, and how to ask them."""

    def __init__(self, debian):
        self.debian, self.unit, self.running = debian, None, {}

    def follow(self, page):
        self.debian.run("cp", package("pgtally"), "/root")
        for number, step in enumerate(steps(page)):
            if step.what == "write":
                assert self.debian.path(step.path).exists(), f"the packages have no {step.path}"
                self.debian.path(step.path).write_text(step.text)
            elif step.what == "service":
                self.start(step.text)
            elif step.text.strip():
                self.debian.run("bash", "-euc", f"cd /root\n{step.text}")
            if number == 0:  # the packages are there
                self.prepare()

    def prepare(self):
        self.unit = Unit(self.debian, "pgtally")
        leave_the_network()
        host("mount", "--bind", self.debian.path("/etc/hosts"), "/etc/hosts")  # for programs outside, which this mount ends with
        self.debian.run("pg_ctlcluster", "15", "main", "start")

    def start(self, name):
        if name == "pgtally":
            self.unit.start()
        else:
            words = {"nginx": ["nginx", "-g", "daemon off;"], "prometheus": ["prometheus", "--config.file=/etc/prometheus/prometheus.yml",
                     "--storage.tsdb.path=/var/lib/prometheus/metrics2", "--web.listen-address=127.0.0.1:9090"]}[name]
            log = self.debian.folder.parent / f"{name}.log"
            self.running[name] = self.debian.start(*words, log=log, user="prometheus" if name == "prometheus" else None)

    def private_key(self):
        key = tokens.Key("EdDSA")
        key.private = tokens.serialization.load_pem_private_key(self.debian.path("/root/private.pem").read_bytes(), None)
        return key

    def token(self, **more):
        return self.private_key().token(tokens.claims(**RIGHTS, **more))

    def sql(self, text):
        return self.debian.run("psql", "-X", "-At", "-d", "shop", "-c", text, user="postgres").strip()

    def get(self, path, token=None):
        return requests.get(SITE + path, headers=tokens.bearer(token) if token else {}, verify=str(self.certificate()), timeout=LONG)

    def certificate(self):
        return self.debian.path(f"/etc/nginx/{NAME}.pem")

    def prometheus(self, path, **query):
        with contextlib.suppress(requests.ConnectionError):
            found = requests.get(f"http://127.0.0.1:9090/api/v1/{path}", params=query, timeout=LONG)
            if found.status_code != 503:  # it starts
                return found.json()["data"]
        return {}

    def stop(self):
        for process in self.running.values():
            process.terminate()
            process.wait(LONG)
        status = self.unit.stop()
        self.debian.run("pg_ctlcluster", "-m", "fast", "15", "main", "stop")
        return status


@pytest.fixture(scope="module")
def site(debian):
    made = Deployment(debian)
    debian.write("/etc/hosts", f"127.0.0.1 localhost {NAME} {socket.gethostname()}\n")
    made.follow(PAGE)
    until(lambda: made.get("/readyz?live").ok, made.unit.log.read_text())
    yield made
    assert made.stop() == 0


def test_everybody_reads_what_is_public(site):
    site.sql("insert into likes values ('u1', 7), ('u2', 7), ('u1', 8)")
    until(lambda: site.get("/v1/tallies/likes/keys/7").json()["counters"] == {"count": 2})
    assert [each["name"] for each in site.get("/v1/tallies").json()["tallies"]] == ["likes"]
    redirected = requests.get(f"http://{NAME}/v1/tallies", verify=str(site.certificate()), timeout=LONG)
    assert redirected.url == SITE + "/v1/tallies" and redirected.ok


def test_tokens_give_their_keys_and_nothing_else(site):
    assert site.get("/v1/tallies/mine/keys?key=u42/7").status_code == 401
    token = site.token()
    assert site.get("/v1/tallies/mine/keys?key=u42/7", token).json()["keys"] == {"u42/7": {"count": 0}}
    assert site.get("/v1/tallies/mine/keys?key=u43/7", token).status_code == 403
    assert site.get("/v1/tallies/mine/keys?key=u42/7", tokens.Key("EdDSA").token(tokens.claims(**RIGHTS))).status_code == 401
    assert site.get("/v1/tallies/mine/keys?key=u42/7", site.token(ends=-100)).status_code == 401
    liked = requests.post(SITE + "/v1/tallies/mine/actions/like?key=u42/7", headers=tokens.bearer(token), verify=str(site.certificate()), timeout=LONG)
    assert liked.status_code == 201 and liked.json()["counters"] == {"count": 1}


def test_a_websocket_with_tls_and_a_token_is_live(site):
    async def converse():
        trusted = ssl.create_default_context(cafile=str(site.certificate()))
        async with websockets.connect(f"wss://{NAME}/v1/ws", subprotocols=["pgtally.v1"], ssl=trusted, extra_headers={"Origin": SITE}) as client:
            async def said(kind):
                while True:
                    message = json.loads(await asyncio.wait_for(client.recv(), LONG))
                    assert message["type"] != "error", message
                    if message["type"] == kind:
                        return message
            await client.send(json.dumps({"type": "auth", "token": site.token()}))
            await said("authenticated")
            await client.send(json.dumps({"type": "subscribe", "id": "me", "tally": "mine", "keys": ["u42/9"]}))
            assert (await said("snapshot"))["keys"] == {"u42/9": {"count": 0}}
            site.sql("insert into likes values ('u43', 9), ('u42', 9)")
            assert (await said("change"))["keys"] == {"u42/9": {"count": 1}}
    asyncio.run(converse())


def test_events_stream_through_nginx(site):
    with requests.get(SITE + "/v1/tallies/likes/events?key=55", stream=True, verify=str(site.certificate()), timeout=LONG) as stream:
        lines = stream.iter_lines(chunk_size=1, decode_unicode=True)
        assert json.loads(next(line for line in lines if line.startswith("data: "))[6:])["keys"] == {"55": {"count": 0}}
        site.sql("insert into likes values ('u1', 55)")
        assert json.loads(next(line for line in lines if line.startswith("data: "))[6:])["keys"] == {"55": {"count": 1}}


def test_the_page_is_live(site, tmp_path):
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed: tools/setup --tests installs it")
    import page
    site.sql("insert into likes select 'a' || i, 77 from generate_series(1, 4240) i")
    with page.opened(SITE + "/", tmp_path) as evaluate:
        text = "document.body?.innerText ?? ''"
        until(lambda: "4,240" in evaluate(text), lambda: evaluate(text))
        assert evaluate("document.getElementById('state').dataset.state") == "live"
        site.sql("insert into likes values ('b', 77)")
        until(lambda: "4,241" in evaluate(text), lambda: evaluate(text))


def test_a_table_has_the_counters(site):
    until(lambda: site.sql("select count from like_counts where key = 77") == site.sql("select count(*) from likes where post_id = 77"))


def test_prometheus_scrapes_and_answers_the_dashboard(site):
    until(lambda: any(each["value"][1] == "1" for each in site.prometheus("query", query='up{job="pgtally"}').get("result", [])))
    audited = requests.post("http://127.0.0.1:8081/v1/tallies/likes/audit", timeout=LONG)
    assert audited.json()["differed"] == 0
    unanswered = lambda: dashboard.unanswered(lambda query: site.prometheus("query", query=query).get("result"))  # noqa: E731
    until(lambda: not unanswered(), unanswered)
    rules = [rule for group in site.prometheus("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 18
    until(lambda: all(rule["health"] == "ok" for group in site.prometheus("rules")["groups"] for rule in group["rules"]))
    assert [rule["name"] for rule in rules if rule.get("alerts") and rule["state"] == "firing"] == []


def test_keys_are_changed_without_a_pause(site):
    old = site.token()
    site.debian.run("bash", "-euc", "cd /root; openssl genpkey -algorithm ED25519 -out private.pem; openssl pkey -in private.pem -pubout -out /etc/pgtally/public.pem")
    site.unit.reload()
    until(lambda: site.get("/v1/tallies/mine/keys?key=u42/7", site.token()).ok, "the new key is not taken")
    assert site.get("/v1/tallies/mine/keys?key=u42/7", old).status_code == 401


def test_nothing_secret_is_logged(site):
    log = site.unit.log.read_text()
    assert "eyJ" not in log and "BEGIN" not in log
    assert subprocess.run(["pgrep", "-x", "pgtally"], capture_output=True).returncode == 0
    assert pathlib.Path(f"/proc/{site.unit.process.pid}").owner() != "root"
