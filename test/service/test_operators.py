"""What operators watch: the metrics, and the rules, the dashboard and the runbook of the documentation."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
import requests

import dashboard
from program import LONG, ROOT, eventually, free_port

DOCS = ROOT / "server" / "docs"
OF_A_TALLY = ["pgtally_keys", "pgtally_revision", "pgtally_events_total", "pgtally_drift_keys_total", "pgtally_problems", "pgtally_last_audit_timestamp_seconds",
              *(f"pgtally_audits_total/{result}" for result in ("equal", "drift", "failed")), *(f"pgtally_state/{state}" for state in ("loading", "live", "stale", "failed"))]
OF_A_TABLE = ["pgtally_materialize_pending_keys", "pgtally_materialize_writer", "pgtally_materialize_failures_total", "pgtally_materialize_refused_total"]


def audit(server):
    return requests.post(f"{server.admin}/v1/tallies/tweets/audit", timeout=LONG)


def named(name):
    name, _, value = name.partition("/")
    extra = {"pgtally_audits_total": f',result="{value}"', "pgtally_state": f',state="{value}"'}.get(name, "")
    return f'{name}{{tally="tweets"{extra}}}'


def test_every_series_of_a_tally_is_there_at_once(serve, tweets):
    lock = tweets.connect()
    lock.autocommit = False
    lock.execute("lock table tweet.activity in access exclusive mode")
    server = serve(tweets.dsn)
    eventually(lambda: server.get("/v1/tallies").ok and server.get("/v1/tallies").json()["tallies"])
    found = server.metrics()
    assert [name for name in map(named, OF_A_TALLY) if name not in found] == []
    assert found[named("pgtally_state/loading")] == 1
    lock.rollback()


def test_audits(serve, tweets):
    server = serve(tweets.dsn).wait_live()
    before = time.time()
    eventually(lambda: audit(server).ok)
    tweets.sql.execute("alter table tweet.activity disable trigger user")
    tweets.sql.execute("insert into tweet.activity (messageid, action) values (33, 'fav')")
    tweets.sql.execute("alter table tweet.activity enable trigger user")
    eventually(lambda: server.get("/v1/tallies/tweets").json()["state"] == "live" and audit(server).ok)
    found = server.metrics()
    assert found[named("pgtally_audits_total/equal")] + found[named("pgtally_audits_total/drift")] == 2
    assert before <= found[named("pgtally_last_audit_timestamp_seconds")] <= time.time()
    tweets.sql.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name ^@ 'pgtally' and pid <> pg_backend_pid()")
    eventually(lambda: audit(server).status_code in (409, 503))
    assert server.metrics()[named("pgtally_audits_total/failed")] >= 1


def test_tables_limits_and_the_database(serve, tweets):
    tweets.sql.execute("select tally.alter_tally('tweets', materialize => 'public.kept')")
    server = serve(tweets.dsn, "--materialize-every", "200ms", "--max-clients", "77").wait_live()
    eventually(lambda: server.metrics().get(named("pgtally_materialize_writer")) == 1)
    eventually(lambda: server.metrics()[named("pgtally_materialize_pending_keys")] == 0)
    found = server.metrics()
    assert [name for name in map(named, OF_A_TABLE) if name not in found] == []
    assert found['pgtally_limit{name="clients"}'] == 77 and found['pgtally_limit{name="long_polls"}'] == 5000
    info, = [name for name in found if name.startswith("pgtally_database_info{")]
    host, version = re.search(r'host="([^"]+)",server_version="([^"]+)",schema_version="\d+"', info).groups()
    assert host == f"127.0.0.1:{tweets.sql.info.port}" and version == tweets.sql.execute("show server_version").fetchone()[0].split()[0]
    # Another server waits for the lock of the table.
    second = serve(tweets.dsn).wait_live()
    assert second.metrics()[named("pgtally_materialize_writer")] == 0


def test_times_of_requests_and_actions(serve, tweets):
    server = serve(tweets.dsn, "--writable").wait_live()
    first = server.get("/v1/tallies/tweets/keys/33").json()
    assert server.post("/v1/tallies/tweets/keys/33/fav").status_code == 201
    server.get(f"/v1/tallies/tweets/keys/34?since={first['epoch']}-{first['revision'] + 1}&wait=1")
    found = server.metrics()
    assert found["pgtally_action_seconds_count"] == 1
    assert found['pgtally_request_seconds_count{route="/v1/tallies/{tally}/keys/{key}"}'] == 1, "a long poll's time is the client's"


def test_openmetrics(serve, tweets):
    parser = pytest.importorskip("prometheus_client.openmetrics.parser", reason="python3-prometheus-client is not installed: tools/setup --tests installs it")
    server = serve(tweets.dsn).wait_live()
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"}
    answer = requests.get(server.admin + "/metrics", headers=accept, timeout=LONG)
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8" and answer.headers["Vary"] == "Accept, Origin"
    families = {family.name: family for family in parser.text_string_to_metric_families(answer.text)}
    assert families["pgtally_events"].type == "counter" and families["pgtally_sent_bytes"].unit == "bytes"
    assert families["pgtally_event_lag_seconds"].type == "histogram"
    for accept in "text/plain", "application/openmetrics-text;q=0", "*/*":
        answer = requests.get(server.admin + "/metrics", headers={"Accept": accept}, timeout=LONG)
        assert answer.headers["Content-Type"].startswith("text/plain") and "# EOF" not in answer.text


def test_each_alert_is_in_the_runbook():
    alerts = re.findall(r"- alert: (\w+)", (DOCS / "prometheus-rules.yml").read_text())
    assert re.findall(r"(?m)^\| (Pgtally\w+) \|", (DOCS / "runbook.md").read_text()) == alerts


def test_check_finds_what_alerts_fire_at():
    """The thresholds of `pgtally check --url` are those of the rules, and each alert has one, or is about a state."""
    header = (ROOT / "server" / "check" / "thresholds.hpp").read_text()
    thresholds = {alert: float(limit) for alert, limit in re.findall(r'threshold \w+{"(\w+)", ([0-9.]+)}', header)}
    states = re.findall(r'"(Pgtally\w+)"', header.partition("> states{")[2])
    rules = dict(re.findall(r"- alert: (\w+)\n +expr: (.+)", (DOCS / "prometheus-rules.yml").read_text()))
    assert sorted([*thresholds, *states]) == sorted(rules) and len(thresholds) > 10
    for alert, limit in thresholds.items():
        compared = re.search(r"> (?:on \(instance\) )?([0-9.]+)", rules[alert])
        assert float(compared[1]) == limit, (alert, rules[alert])


@pytest.fixture
def prometheus(serve, tweets, tmp_path):
    """A Prometheus with the rules of the documentation, which scrapes a server; a function that asks it."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed: tools/setup --tests installs it")
    tweets.sql.execute("select tally.alter_tally('tweets', materialize => 'public.kept')")
    server = serve(tweets.dsn, "--writable", "--heartbeat", "200ms", "--materialize-every", "200ms").wait_live()
    (tmp_path / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}, "rule_files": [str(DOCS / "prometheus-rules.yml")],
        "scrape_configs": [{"job_name": "pgtally", "static_configs": [{"targets": [server.admin.split("//")[1]]}]}]}))
    address = f"127.0.0.1:{free_port()}"
    process = subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address={address}"],
                               stderr=(tmp_path / "log").open("w"), env=os.environ)

    def ask(path, **query):
        try:
            answer = requests.get(f"http://{address}/api/v1/{path}", params=query, timeout=LONG)
        except requests.ConnectionError:
            assert process.poll() is None, (tmp_path / "log").read_text()
            return None
        if answer.status_code == 503:  # it starts
            return None
        assert answer.ok, answer.text
        return answer.json()["data"]
    eventually(lambda: ask("query", query="up"))
    yield server, ask
    process.terminate()
    process.wait(LONG)


def test_the_rules_and_the_dashboard_by_prometheus(prometheus, tweets):
    server, ask = prometheus
    eventually(lambda: audit(server).ok)
    assert server.post("/v1/tallies/tweets/keys/33/fav").status_code == 201
    client = server.connect()
    client.ask(type="subscribe", id=1, tally="tweets", keys=["33"])
    eventually(lambda: ask("query", query="count_over_time(pgtally_action_seconds_count[1m])")["result"])

    def empty():
        return dashboard.unanswered(lambda query: ask("query", query=query)["result"])
    eventually(lambda: not empty(), empty)
    rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    eventually(lambda: all(rule["health"] == "ok" for group in ask("rules")["groups"] for rule in group["rules"]))
    assert len(rules) >= 18
    # What they alert about is there.
    eventually(lambda: {rule["name"]: rule["state"] for group in ask("rules")["groups"] for rule in group["rules"]}["PgtallyTallyNotLive"] == "inactive")
    tweets.sql.execute("alter table tweet.activity rename column action to other")
    tweets.sql.execute("alter table tweet.activity drop column other cascade")
    eventually(lambda: {rule["name"]: rule["state"] for group in ask("rules")["groups"] for rule in group["rules"]}["PgtallyTallyFailed"] == "pending")
    client.close()
