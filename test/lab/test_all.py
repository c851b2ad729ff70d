"""All experiments, and their page."""

import html.parser
import json
import os
import signal

import pytest
from labs import SERVER, eventually

EXPERIMENTS = ["concurrency", "isolation", "isolation --walk", "reading", "anomalies"]


def small(seconds=1, history=10):
    return ["all", "--workers", 2, "--retweets", 2, "--writers", 1, "--readers", 1, "--seconds", seconds, "--history", history,
            "--program", SERVER]


def quick(**more):
    return [*small(**more), "--way", "view", "--strategy", "update"]


class Page(html.parser.HTMLParser):
    """Collects sections with their tags and every address, and checks that all tags are closed."""
    VOID = {"meta", "line", "br", "hr", "img", "input", "link"}

    def __init__(self, text):
        super().__init__()
        self.open, self.sections, self.addresses, self.tags, self.text = [], {}, [], set(), ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        attributes = dict(attributes)
        self.addresses += [attributes[name] for name in ("src", "href", "xlink:href", "action", "data") if name in attributes]
        assert not any(name.startswith("on") for name in attributes)
        if tag == "section":
            self.sections[attributes["id"]] = []
        elif self.sections:
            self.sections[list(self.sections)[-1]].append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert tag in self.VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_page_holds_tables_and_drawings_of_all_and_nothing_from_elsewhere(lab, tmp_path):
    path = tmp_path / "report.html"
    status, out, err = lab(*small(), "--report", path)
    assert status == 0, err
    assert f"pgtally-lab: the report is {path}\n" in err
    text = path.read_text()
    page = Page(text)
    assert list(page.sections) == ["ran-on", "concurrency", "isolation", "isolation-walk", "reading", "anomalies"]
    for name in list(page.sections)[1:]:
        assert "table" in page.sections[name] and "svg" in page.sections[name], name
    assert "script" not in page.tags and "link" not in page.tags and "iframe" not in page.tags
    assert page.addresses and all(address.startswith("#") for address in page.addresses)
    assert "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text
    for word in ("processor", "cores", "memory", "kernel", "fsync", "synchronous_commit", "shared_buffers", "wal_level",
                 "max_connections", "so a flush of the storage takes about"):
        assert word in page.text, word
    assert os.listdir(tmp_path) == ["report.html"]
    for name in EXPERIMENTS:
        assert f"\n{name}\n{'=' * len(name)}\n" in out, name


def test_json_of_all(lab, empty_database):
    status, out, err = lab(*quick(), "--json")
    assert status == 0, err
    found = json.loads(out)
    assert found["experiment"] == "all"
    assert [one["experiment"] for one in found["experiments"]] == EXPERIMENTS
    assert all(one["tables"] and "failure" not in one for one in found["experiments"])
    assert set(found["machine"]) == {"cpu", "cores", "memory_bytes", "kernel"} and found["machine"]["cores"] > 0
    server = found["server"]
    assert server["version"].startswith("PostgreSQL ") and server["fsync"] == "off" and server["same_machine"] is True
    assert server["max_connections"] == "100" and server["wal_level"] == "logical"
    assert server["commit_ms"] > 0 and server["flush_ms"] >= 0
    schemas = empty_database.sql.execute("select count(*) from pg_namespace where nspname = 'pgtally_lab'")
    assert schemas.fetchone()[0] == 0


def test_one_that_fails_says_so_and_the_others_go_on(lab, on_table, tmp_path):
    # No writer of `reading`, nor of `anomalies`, can retweet; a strategy counts what is refused.
    on_table("activity", "alter table pgtally_lab.activity add check (action <> 'rt')")
    path = tmp_path / "report.html"
    status, out, err = lab(*quick(history=0), "--json", "--report", path)
    assert status == 1
    found = {one["experiment"]: one for one in json.loads(out)["experiments"]}
    assert list(found) == EXPERIMENTS
    assert {name for name, one in found.items() if "failure" in one} == {"reading", "anomalies"}
    assert "23514" in found["reading"]["failure"] and found["reading"]["tables"] == []
    page = Page(path.read_text())
    assert "It failed: " in page.text and "reading (failed)" in " ".join(page.text.split())


def test_lost_connection_fails_one_and_the_others_go_on(begin, empty_database):
    sql = empty_database.sql
    process = begin("--json", *quick(seconds=5))
    lost = ("select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name ~ '^pgtally-lab'"
            " and exists (select from pg_class where relname = 'message_with_counters')")
    eventually(lambda: sql.execute(lost).fetchone()[0], "reading did not begin")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert [name for name, one in zip(EXPERIMENTS, json.loads(out)["experiments"]) if "failure" in one] == ["reading"]


@pytest.mark.parametrize("place, why", [
    ("", "takes the name of a file"), (".", "it is no regular file"), ("none/r.html", "No such file or directory"),
    ("/dev/null", "it is no regular file"), ("/proc/r.html", "cannot be written")])
def test_place_that_cannot_be_written_is_refused_before_the_run(lab, tmp_path, place, why):
    # A database that is not asked: it would be refused by another error.
    status, out, err = lab("all", "--report", tmp_path / place if place else "", dsn="host=127.0.0.1 port=1")
    assert status == (1 if place else 2) and out == ""
    assert why in err and "127.0.0.1:1" not in err


def test_interrupted_run_leaves_no_file(begin, empty_database, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("the one before")
    process = begin(*small(), "--report", path)
    there = "select count(*) from pg_namespace where nspname = 'pgtally_lab'"
    eventually(lambda: empty_database.sql.execute(there).fetchone()[0])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert os.listdir(tmp_path) == ["report.html"] and path.read_text() == "the one before"
