"""`pgtally-play perform`: its output equals the tables, and the tallies count exactly those."""

import collections
import re
import signal

import pytest

from program import play, speech, start, write_play

FAST = ("--rate", "100000")


def acts(stage):
    """Counted here, not in the database."""
    return stage.sql.execute("select messageid, action, (datetime at time zone 'UTC')::date::text from tweet.activity order by id").fetchall()


def expected(stage):
    tweets, daily = collections.defaultdict(lambda: [0, 0]), collections.defaultdict(lambda: [0, 0, 0, 0])
    for messageid, action, day in acts(stage):
        tweets[str(messageid)][action.endswith("fav")] += -1 if action.startswith("de-") else 1
        daily[day][["rt", "de-rt", "fav", "de-fav"].index(action)] += 1
    return {"tweets": {key: sums for key, sums in tweets.items() if any(sums)}, "daily": dict(daily)}


def truth(stage):
    return {tally: dict(stage.sql.execute("select key, counters from tally.truth(%s)", [tally]).fetchall())
            for tally in ("tweets", "daily")}


def numbers(printed):
    found = re.search(r"(\d+) acts: (\d+) likes, (\d+) retweets, (\d+) likes and (\d+) retweets taken back", printed)
    return [int(number) for number in found.groups()]


def test_truth_is_what_an_independent_count_says(stage, messages):
    printed = play("perform", *FAST, "--seed", 20180601, "--count", 3000, "--dsn", stage.dsn)
    assert "43 speeches, 44 messages: 44 sent\n" in printed
    assert "seed 20180601" in printed
    assert len(messages()) == 44
    done = collections.Counter(action for _, action, _ in acts(stage))
    assert numbers(printed) == [3000, done["fav"], done["rt"], done["de-fav"], done["de-rt"]]
    assert min(done.values()) > 0
    assert truth(stage) == expected(stage)
    assert stage.sql.execute("select min(least(favs, rts)) from tweet.message_with_counters").fetchone()[0] >= 0


def test_seed_repeats_the_run(stage):
    def run(seed):
        stage.sql.execute("truncate tweet.message, tweet.activity restart identity")
        play("perform", *FAST, "--seed", seed, "--count", 700, "--dsn", stage.dsn)
        return [(messageid, action) for messageid, action, _ in acts(stage)]

    first = run(7)
    assert run(7) == first
    assert run(8) != first


def test_speeches_appear_in_order_with_acts_between(stage, tmp_path):
    file = write_play(tmp_path / "play.xml", speech("PUCK", "one", "and a half"), speech("MOTH+COBWEB", "two"), speech("WALL", "three"))
    printed = play("perform", file, *FAST, "--per-speech", 2, "--dsn", stage.dsn)
    assert printed.splitlines()[:4] == ["PUCK: one", "MOTH, COBWEB: two", "WALL: three", "3 speeches, 4 messages: 4 sent"]
    said = [messageid for messageid, _, _ in acts(stage)]
    assert len(said) == 6
    assert set(said[:2]) == {1} and set(said[:4]) <= {1, 2, 3}


def test_play_that_was_loaded_is_not_sent_again(stage, messages, tmp_path):
    file = write_play(tmp_path / "play.xml", speech("MOTH", "And I."), speech("MOTH", "And I."), speech("STRANGER", "x"))
    play("load", file, "--dsn", stage.dsn)
    before = messages()
    assert "3 speeches, 3 messages: 0 sent, 3 existed" in play("perform", file, *FAST, "--dsn", stage.dsn)
    assert messages() == before
    assert len(acts(stage)) == 30


def test_performance_may_be_begun_again_after_its_end(stage, messages):
    assert "0 acts" in play("perform", *FAST, "--count", 0, "--dsn", stage.dsn)
    play("perform", *FAST, "--count", 30, "--dsn", stage.dsn)
    assert 0 < len(messages()) < 44
    play("perform", *FAST, "--dsn", stage.dsn)
    assert len(messages()) == len(set(messages())) == 44


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_ends_it_well(stage, name):
    running = start("perform", "--encore", *FAST, "--dsn", stage.dsn)
    try:
        for line in running.stdout:
            if line.startswith("PUCK: If we counters"):
                break
        running.send_signal(getattr(signal, name))
        printed, told = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, told) == (0, "")
    assert numbers(printed)[0] == len(acts(stage))
    assert truth(stage) == expected(stage)


def test_signal_ends_it_while_it_waits_for_a_lock(stage):
    other = stage.connect()
    with other.transaction():
        other.execute("lock table tweet.users in access exclusive mode")
        running = start("perform", *FAST, "--dsn", stage.dsn)
        try:
            while not stage.sql.execute("select count(*) from pg_locks where not granted").fetchone()[0]:
                assert running.poll() is None
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 0
        finally:
            running.kill()
            running.communicate()


@pytest.mark.parametrize("ends", ["by its end", "by a signal"])
def test_speech_waits_for_a_lock_and_is_said_then(stage, messages, ends):
    other = stage.connect()
    running = start("perform", "--rate", 100, "--per-speech", 0, "--dsn", stage.dsn)
    try:
        running.stdout.readline()
        with other.transaction():
            other.execute("lock table tweet.message in share mode")
            waiting = "select pid, waitstart from pg_locks where not granted and waitstart is not null"
            seen = set()
            while len(seen) < 2:  # it gave up once and retried
                seen.update(stage.sql.execute(waiting).fetchall())
                assert running.poll() is None
            if ends == "by a signal":
                running.send_signal(signal.SIGTERM)
                assert running.wait(20) == 0
        printed, told = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, told) == (0, "")
    said = int(re.search(r"(\d+) messages: \d+ sent", printed)[1])
    assert said == len(messages()) == len(set(messages()))
    assert (said == 44) == (ends == "by its end")


def test_cut_connections_lose_no_speech_and_double_none(stage, messages):
    cut = 0
    running = start("perform", "--rate", 2000, "--count", 6000, "--per-speech", 100, "--seed", 1, "--dsn", stage.dsn)
    try:
        for line in running.stdout:
            if line.startswith("PUCK: If we counters"):
                break
            if line.startswith("THESEUS"):
                cut += len(stage.sql.execute("""select pg_terminate_backend(pid) from pg_stat_activity
                                                where application_name = 'pgtally-play'
                                                  and datname = current_database()""").fetchall())
        printed, told = running.communicate(timeout=100)
    finally:
        running.kill()
    assert running.returncode == 0, told
    assert cut > 3
    assert len(messages()) == len(set(messages())) == 44
    unknown = re.search(r"(\d+) without an answer", printed)
    assert 0 <= len(acts(stage)) - numbers(printed)[0] <= (int(unknown[1]) if unknown else 0)
    assert truth(stage) == expected(stage)
    assert stage.sql.execute("select min(least(favs, rts)) from tweet.message_with_counters").fetchone()[0] >= 0


def test_audience_that_is_refused_ends_it(stage):
    stage.sql.execute("alter table tweet.activity add constraint mute check (false)")
    told = play("perform", "--encore", *FAST, "--per-speech", 1000, "--dsn", stage.dsn, status=1)
    assert 'violates check constraint "mute"' in told


def test_speech_that_is_refused_ends_it(stage, messages, tmp_path):
    stage.sql.execute("alter table tweet.message add constraint no check (message <> 'no')")
    file = write_play(tmp_path / "play.xml", speech("PUCK", "yes"), speech("MOTH", "no"))
    assert 'violates check constraint "no"' in play("perform", file, *FAST, "--dsn", stage.dsn, status=1)
    assert messages() == [("Puck", "yes")]
