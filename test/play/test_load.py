"""`pgtally-play load`: each speech is posted once, by its speaker."""

import os
import pathlib

import psycopg
import pytest

from program import ROOT, TWEET, play, set_up, speech, start, write_play

DREAM = pathlib.Path(os.environ.get("PGTALLY_PLAY", ROOT.parent / "shared/data/dream.xml"))


def test_speeches_are_sent_in_order_by_name_and_nickname_whatever_the_case(stage, messages, tmp_path):
    file = write_play(tmp_path / "play.xml", speech("PUCK", "one", "two"), speech("nick bottom", "three <STAGEDIR>x</STAGEDIR>!"),
                      speech("Helena", "four"))
    assert play("load", file, "--dsn", stage.dsn) == "3 speeches, 3 messages: 3 sent\n"
    assert messages() == [("Puck", "one\ntwo"), ("Bottom", "three !"), ("Helena", "four")]


def test_speech_of_several_is_sent_by_each(stage, messages, tmp_path):
    file = write_play(tmp_path / "play.xml", speech("MOTH+COBWEB", "And I."))
    assert play("load", file, "--dsn", stage.dsn) == "1 speeches, 2 messages: 2 sent\n"
    assert messages() == [("Moth", "And I."), ("Cobweb", "And I.")]


def test_name_goes_before_a_nickname(stage, messages, tmp_path):
    stage.sql.execute("insert into tweet.users (uname, nickname) values ('Echo', 'Puck')")
    play("load", write_play(tmp_path / "play.xml", speech("PUCK", "x")), "--dsn", stage.dsn)
    assert messages() == [("Puck", "x")]


def test_stranger_becomes_one_user_and_is_named(stage, messages, tmp_path):
    file = write_play(tmp_path / "play.xml", speech("HERNIA", "a"), speech("Hernia", "b"), speech("O'Neil", "c"))
    assert play("load", file, "--dsn", stage.dsn) == (
        "new user: HERNIA (unknown speaker)\nnew user: O'Neil (unknown speaker)\n3 speeches, 3 messages: 3 sent\n")
    assert messages() == [("HERNIA", "a"), ("HERNIA", "b"), ("O'Neil", "c")]


def test_loading_twice_does_not_double_and_the_new_is_added(stage, messages, tmp_path):
    first = [speech("MOTH", "And I."), speech("MOTH", "And I."), speech("COBWEB", "And I.")]
    file = write_play(tmp_path / "play.xml", *first)
    play("load", file, "--dsn", stage.dsn)
    before = messages()
    assert play("load", file, "--dsn", stage.dsn) == "3 speeches, 3 messages: 0 sent, 3 existed\n"
    assert messages() == before
    write_play(file, *first, speech("MOTH", "And I."))
    assert play("load", file, "--dsn", stage.dsn) == "4 speeches, 4 messages: 1 sent, 3 existed\n"
    assert messages() == [*before, ("Moth", "And I.")]


def test_loads_take_turns(stage, messages):
    running = [start("load", TWEET / "play.xml", "--dsn", stage.dsn) for _ in range(4)]
    assert [one.wait(60) for one in running] == [0] * 4
    for one in running:
        one.communicate()
    assert len(messages()) == 44


def test_play_greater_than_a_chunk(stage, messages, tmp_path):
    words = ["\\N \t 'quoted' \\." + "x" * 500 + str(i) for i in range(2000)]
    file = write_play(tmp_path / "play.xml", *(speech("PUCK", one) for one in words))
    play("load", file, "--dsn", stage.dsn)
    assert [text for _, text in messages()] == [one.replace(" \t ", " ") for one in words]


@pytest.mark.parametrize(("text", "reason"), [
    ("<PLAY>\n<ACT>\n</PLAY>\n", ":3: Start-end tags mismatch"),
    ("<PLAY>\n<SPEECH><LINE>x</LINE></SPEECH></PLAY>", ":2: a SPEECH without a SPEAKER"),
    ("<POEM/>", ":1: this is no PLAY but a POEM"),
])
def test_broken_file_is_refused_with_line_and_reason(stage, messages, tmp_path, text, reason):
    file = tmp_path / "broken.xml"
    file.write_text(text)
    for command in ("load", "perform"):
        assert play(command, file, "--dsn", stage.dsn, status=1) == f"pgtally-play: {file}{reason}\n"
    assert messages() == []


def test_what_fails_in_the_middle_leaves_nothing(stage, messages, tmp_path):
    stage.sql.execute("alter table tweet.message add check (message <> 'no')")
    file = write_play(tmp_path / "play.xml", speech("PUCK", "yes"), speech("STRANGER", "no"))
    assert "message_message_check" in play("load", file, "--dsn", stage.dsn, status=1)
    assert messages() == []
    assert stage.sql.execute("select count(*) from tweet.users").fetchone() == (29,)


def test_absent_tables_and_files_are_told(empty_database, tmp_path):
    file = write_play(tmp_path / "play.xml", speech("PUCK", "x"))
    assert "schema/tweet/1-schema.sql" in play("load", file, "--dsn", empty_database.dsn, status=1)
    assert "No such file" in play("load", tmp_path / "none.xml", "--dsn", empty_database.dsn, status=1)
    assert "Is a directory" in play("load", tmp_path, "--dsn", empty_database.dsn, status=1)


@pytest.mark.parametrize(("words", "reason"), [
    ([], "a command is missing"), (["sing"], "'sing' is not a command"), (["load"], "load takes one file"),
    (["load", "x", "--seed", "1"], "--seed is for perform"), (["perform", "--rate", "0"], "--rate is from"),
    (["perform", "--rate", "nan"], "--rate"), (["perform", "--count", "-1"], "--count takes a number"),
    (["perform", "--seed", "99999999999999999999"], "--seed takes a number"), (["perform", "a", "b"], "one file at most"),
    (["perform", "--encore", "--count", "1"], "take either"), (["perform", "--per-speech", "1000001"], "--per-speech is from"),
])
def test_wrong_usage_is_status_2(words, reason):
    told = play(*words, status=2)
    assert reason in told and "usage: pgtally-play load FILE" in told


def test_application_may_be_set_up_again(stage):
    set_up(stage.sql)
    assert stage.sql.execute("select count(*), count(bio), count(nickname) from tweet.users").fetchone() == (29, 29, 29)
    assert stage.sql.execute("select count(*) from tweet.follower").fetchone() == (12,)
    assert stage.sql.execute("select name, materialize, problems from tally.tallies order by name").fetchall() == [
        ("daily", "twcache.daily_counters", []), ("tweets", "twcache.counters", [])]


def test_views_show_what_nobody_acted_upon(stage, tmp_path):
    play("load", write_play(tmp_path / "play.xml", speech("PUCK", "a"), speech("MOTH", "b")), "--dsn", stage.dsn)
    stage.sql.execute("insert into tweet.activity (messageid, action) values (1, 'rt'), (1, 'rt'), (1, 'de-rt'), (1, 'fav')")
    stage.sql.execute("refresh materialized view concurrently twcache.message")
    for view in ("tweet.message_with_counters", "twcache.message"):
        found = stage.sql.execute(f"select messageid, rts, favs from {view} order by 1").fetchall()
        assert found == [(1, 1, 1), (2, 0, 0)]


def test_day_is_that_of_the_row_in_utc(stage, tmp_path):
    play("load", write_play(tmp_path / "play.xml", speech("PUCK", "a")), "--dsn", stage.dsn)
    with psycopg.connect(stage.dsn, options="-c timezone=Asia/Tokyo") as late:
        late.execute("""insert into tweet.activity (messageid, action, datetime)
                        values (1, 'fav', '2018-06-30 23:59:59Z'), (1, 'rt', '2018-07-01 00:00Z'), (1, 'de-rt', '2018-07-01 08:59+09')""")
    assert stage.sql.execute("select key, counters from tally.truth('daily') order by key").fetchall() == [
        ("2018-06-30", [0, 1, 1, 0]), ("2018-07-01", [1, 0, 0, 0])]


def test_dream(stage, messages):
    if not DREAM.is_file():
        pytest.skip(f"{DREAM} is not there, and PGTALLY_PLAY names no other")
    assert play("load", DREAM, "--dsn", stage.dsn) == (
        "new user: HERNIA (unknown speaker)\n500 speeches, 500 messages: 500 sent\n")
    assert len(messages()) == 500
    assert len({name for name, _ in messages()}) <= 30
    assert play("load", DREAM, "--dsn", stage.dsn) == "500 speeches, 500 messages: 0 sent, 500 existed\n"
