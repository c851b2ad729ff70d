"""The form of events, and the number of keys in one."""

import json
import re

import pytest
from replica import Replica
from stream import Stream
from transports import EITHER

pytestmark = EITHER


@pytest.fixture
def words(database):
    database.sql.execute("create table words (k text, w bigint); select tally.create_tally('words', 'words', 'k', '{\"n\": \"1\", \"w\": \"w\"}')")
    return database


def sizes(replica):
    return [len(payload.encode()) for payload in replica.payloads]


def check_sizes(replica):
    assert max(sizes(replica)) < 8000
    # packed: any two neighbours together would not fit
    assert all(a + b > 7900 for a, b in zip(sizes(replica), sizes(replica)[1:]))


@pytest.mark.parametrize("key", ["repeat('x', 500) || i", "repeat('ü', 250) || i", "repeat(chr(1), 507) || i", "repeat('\"', 505) || i",
                                 "repeat('\\', 505) || i", "repeat('😀', 126) || i", "i::text", "repeat(e'\\n', i)", "chr(10) || chr(i + 31)"])
def test_keys_of_every_kind_fit(words, key):
    replica = Replica(words, "words")
    words.sql.execute(f"insert into words select {key}, -9223372036854775808 from generate_series(1, 500) i")
    assert len(replica.check()) == 500
    check_sizes(replica)
    words.sql.execute("update words set k = k || '!', w = 9223372036854775807 where octet_length(k) < 500 or k like '%77'")
    words.sql.execute("delete from words")
    if not replica.drain().reloads:
        assert replica.check() == {}
        assert max(sizes(replica)) < 8000


def test_events_have_the_form_that_a_server_decodes_at_once(words):
    """cache/plain_event.hpp: another order of members would be decoded as well, and several times as slowly."""
    replica = Replica(words, "words")
    words.sql.execute("insert into words values ('a b', 5), ('c', -7); delete from words where k = 'c'")
    replica.check()
    delta = r'\["[^"\\]*"(,-?\d+)+\]'
    plain = re.compile(rf'\{{"t":"words","v":\d+,"x":"\d+","n":\d+,"at":\d+,"d":\[{delta}(,{delta})*\]\}}')
    assert len(replica.payloads) == 2
    assert all(plain.fullmatch(payload) for payload in replica.payloads), replica.payloads


def test_an_event_is_filled_to_the_limit(words):
    """Sizes around the limit, byte by byte: one event while it fits, then two."""
    replica = Replica(words, "words")
    counts = set()
    for last in range(1, 512):
        replica.events.clear()
        replica.payloads.clear()
        words.sql.execute("insert into words select repeat('k', 452) || i, 1 from generate_series(10, 25) i union all select repeat('z', %s), 1", [last])
        replica.drain()
        counts.add(len(replica.payloads))
        assert max(sizes(replica)) < 8000
        if len(replica.payloads) == 2:
            assert sum(sizes(replica)) > 7900
    assert counts == {1, 2}
    replica.check()


def test_the_longest_names_and_the_most_counters(database):
    name, counters = "n" * 63, {f"c{i}": "w" for i in range(64)}
    database.sql.execute("create table t (k text, w bigint)")
    database.sql.execute("select tally.create_tally(%s, 't', 'k', %s)", [name, json.dumps(counters)])
    replica = Replica(database, name)
    database.sql.execute("insert into t select repeat(chr(2), 509) || i, -9223372036854775808 from generate_series(100, 199) i")
    assert len(replica.check()) == 100
    assert max(sizes(replica)) < 8000 and len(replica.events) == 100


def test_a_hundred_thousand_rows_in_a_statement(words):
    replica = Replica(words, "words")
    words.sql.execute("insert into words select i, i from generate_series(1, 100000) i")
    assert len(replica.check()) == 100_000
    check_sizes(replica)
    words.sql.execute("update words set k = (k::int % 1000)::text")
    assert len(replica.check()) == 1000
    assert len({event["n"] for event in replica.events}) == len(replica.events)


def test_numbers_are_integers_and_times_are_microseconds(words):
    replica = Replica(words, "words")
    before, x, after = words.sql.execute("""
        with row as (insert into words values ('a', 9223372036854775807))
        select extract(epoch from clock_timestamp()) * 1000000, pg_current_xact_id()::text, null""").fetchone()
    after = words.sql.execute("select extract(epoch from clock_timestamp()) * 1000000").fetchone()[0]
    (event,) = replica.drain().events
    assert event["x"] == x and event["t"] == "words" and isinstance(event["n"], int) and before - 1 <= event["at"] <= after + 1
    assert '["a",1,9223372036854775807]' in replica.payloads[0]


class Heard:
    """The events of all tallies, by both transports."""

    def __init__(self, database):
        self.stream, self.listener, self.notified = Stream(database), database.connect(), []
        self.listener.add_notify_handler(lambda notification: self.notified.append(json.loads(notification.payload)))
        self.listener.execute("listen tally")

    def since_last(self):
        """Those by NOTIFY, and those by wal."""
        self.listener.execute("select pg_notify('tally', '{\"barrier\": \"1\"}')")
        assert self.notified.pop() == {"barrier": "1"}
        notified, self.notified[:] = list(self.notified), []
        return notified, self.stream.events()


def kinds(events):
    return [next(kind for kind in ("definition", "reload", "truncate", "d") if kind in event) for event in events]


def test_definition_events(words):
    """They are sent by NOTIFY, whatever the transport is, and by wal too if that is the tally's."""
    [transport] = words.sql.execute("select transport from tally.tallies").fetchone()
    words.sql.execute("select tally.create_tally('streamed', 'words', 'k', transport => 'wal')")  # the stream needs the publication
    heard = Heard(words)
    words.sql.execute("select tally.create_tally('more', 'words', 'w')")
    words.sql.execute("select tally.create_tally('more', 'words', 'w')")  # nothing happens
    words.sql.execute("select tally.alter_tally('more', filter => 'w > 1')")
    words.sql.execute("select tally.reload('more')")
    words.sql.execute("select tally.drop_tally('more')")
    everything = ["definition", "definition", "reload", "definition"]
    notified, streamed = heard.since_last()
    assert (kinds(notified), kinds(streamed)) == ((everything, []) if transport == "notify" else (["definition"] * 3, everything))
    events = streamed or notified
    assert set(events[0]) == {"t", "v", "x", "n", "definition"} and set(events[2]) == {"t", "v", "x", "n", "at", "reload"}


def test_an_expression_that_fails_is_an_event(database):
    """The writer's statement does not fail. The event names the SQLSTATE."""
    database.sql.execute("create table t (k int); select tally.create_tally('ratio', 't', 'k', '{\"n\": \"100 / k\"}')")
    replica = Replica(database, "ratio")
    database.sql.execute("insert into t values (0), (1); insert into t values (2)")
    replica.drain()
    assert set(replica.events[0]) == {"t", "v", "x", "n", "at", "broken"} and replica.events[0]["broken"] == "22012 division by zero"
    assert replica.events[1]["d"] == [["2", 50]]
    assert database.sql.execute("select count(*) from t").fetchone() == (3,)


def test_more_than_a_million_keys_are_a_reload(words):
    words.sql.execute("select tally.create_tally('all', 'words', '1')")
    replica = Replica(words, "words")
    words.sql.execute("insert into words select i, 1 from generate_series(1, 1000001) i")
    assert [event.get("reload") for event in replica.drain().events] == [True]
    assert Replica(words, "all").counters == {"1": [1000001]}
