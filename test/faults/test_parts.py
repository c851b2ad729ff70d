"""Tests of the referee's parts: a judge must be able to fail."""

import pathlib
import sys

import psycopg
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import dba  # noqa: E402
from comparison import differences, nonzero  # noqa: E402
from dba import Dba  # noqa: E402
from judge import Traveller, Viewer  # noqa: E402
from proxy import Link  # noqa: E402
from shape import definition, plain, things  # noqa: E402
from stage import Wrong  # noqa: E402
from story import History  # noqa: E402


def history(*values):
    """The history of k0: 0, then these weights, one row each."""
    made = History()
    made.read(lambda statement, arguments: [("k0", n + 1, value, 1) for n, value in enumerate(values)])
    return made


def judged(viewer, made, *values):
    for value in values:
        viewer.saw("test", {"k0": {"weight": value, "rows": 1 if value else 0}})
    return viewer.judge(viewer.take(), made)


def test_values_of_the_history_in_its_order_are_explained():
    viewer = Viewer("somebody")
    assert judged(viewer, history(5, 7, 5, 9), 0, 5, 5, 7, 5, 9) is None
    assert viewer.judged == 6


def test_a_value_that_never_was_is_found():
    assert "after no prefix" in judged(Viewer("somebody"), history(5, 7), 0, 6)


def test_a_value_from_before_the_last_one_is_found():
    assert "older" in judged(Viewer("somebody"), history(5, 7, 9), 0, 9, 7)
    assert "older" in judged(Viewer("somebody"), history(5, 7, 5, 9), 0, 7, 5, 7)


def test_a_value_that_the_history_has_later_is_judged_again():
    """By wal an event comes a moment before anybody sees its transaction."""
    made, viewer = history(5), Viewer("somebody")
    for value in (5, 7, 5):
        viewer.saw("test", {"k0": {"weight": value, "rows": 1}})
    taken = viewer.take()
    assert "after no prefix" in viewer.judge(taken, made)
    assert "after no prefix" in viewer.judge(taken, made)
    made.read(lambda statement, arguments: [("k0", 2, 7, 1)])
    assert "older" in viewer.judge(taken, made)
    made.read(lambda statement, arguments: [("k0", 3, 5, 1)])
    assert viewer.judge(taken, made) is None and viewer.judged == 3


def test_after_a_restore_the_old_history_comes_first_and_the_new_one_goes_on():
    made, viewer = history(5, 7, 9), Viewer("somebody")
    assert judged(viewer, made, 9) is None
    made.restored(lambda statement, arguments: [("k0", 1, 5, 1)] if "history" in statement else [("k0", 5, 1)])
    made.read(lambda statement, arguments: [("k0", 2, 6, 1)])
    assert judged(viewer, made, 9, 5, 6) is None
    assert "older" in judged(viewer, made, 7)
    viewer.forget()
    assert judged(viewer, made, 7) is None


def test_a_traveller_is_shown_nothing_older_than_at_a_lower_position():
    def seen(*shown, epoch="e"):
        for revision, value in shown:
            traveller.saw({"epoch": epoch, "revision": revision}, {"k0": {"weight": value, "rows": 1}})
        return traveller.judge(traveller.take(), made)

    made, traveller = history(5, 7, 9), Traveller("somebody")
    assert seen((10, 5), (30, 9), (20, 7), (30, 9)) is None
    assert "older" in seen((25, 5)) and "revision 20" in seen((25, 5))
    assert "shown (7, 1) at the same position" in seen((20, 9))
    assert "older" in seen((40, 7))
    assert "after no prefix" in seen((40, 8))
    assert seen((15, 5), (40, 9)) is None
    assert seen((1, 5), epoch="another") is None


def test_names_are_quoted_and_the_key_goes_with_its_column():
    names = things([("schema", 'sh"op'), ("key", "select"), ("n", "n"), ("mood", "m"), ("happy", "o'clock"), ("weigh", "w"), ("spare", "detached")])
    assert definition("shapes", names) == ('"select"', '{"n": "\\"n\\"", "happy": "case \\"m\\" when \'o\'\'clock\' then 1 end", '
                                           '"weighed": "\\"sh\\"\\"op\\".\\"w\\"(\\"n\\"::integer)"}')
    assert plain("parts", names) == 'select k::text, coalesce(sum(n), 0) from "sh""op".part where k is not null group by 1'


class Failed:
    """A stage with a failed tally, whose remedies work as `allowed` says."""

    def __init__(self, reason, *allowed, state="failed"):
        self.reason, self.allowed, self.done = reason, allowed, []
        self.program = type("Program", (), {"states": lambda self: {"t": state}})()

    def administrator(self, monkeypatch):
        made = Dba(self, None)
        monkeypatch.setattr(made, "reasons", lambda tally: self.reason)
        monkeypatch.setattr(made, "follow", self.follow)
        return made

    def follow(self, remedy, tally):
        self.done.append(remedy)
        if remedy not in self.allowed:
            raise psycopg.errors.UndefinedColumn("no such column")

    def note(self, name, detail):
        pass


def test_the_administrator_follows_the_remedies_that_are_named(monkeypatch):
    stage = Failed("column \"m\" is gone; remedy: call tally.reload('t'), or tally.alter_tally with other counters", "alter_tally")
    stage.administrator(monkeypatch).repair("t")
    assert stage.done == ["reload", "alter_tally"]


def test_a_failed_tally_without_a_remedy_that_helps_is_found(monkeypatch):
    with pytest.raises(Wrong, match="nothing says what to do"):
        Failed("it is broken").administrator(monkeypatch).repair("t")
    Failed("", state="live").administrator(monkeypatch).repair("t")
    with pytest.raises(Wrong, match="its remedy fails"):
        Failed("call tally.reload('t')").administrator(monkeypatch).repair("t")


def test_a_tally_that_stays_live_and_wrong_is_found(monkeypatch):
    monkeypatch.setattr(dba, "LONG", 0.2)
    stage = Failed("", state="live")
    with pytest.raises(Wrong, match="t: live and wrong: 1 keys differ"):
        Dba(stage, lambda tally: "1 keys differ").settle(["t"])
    Dba(stage, lambda tally: "").settle(["t"])


def test_differences_name_keys_on_either_side():
    assert differences({"a": 1}, {"a": 1}) == ""
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}).startswith("3 keys differ")
    assert nonzero([("a", 0, 0), ("b", 0, 1)], ["x", "y"]) == {"b": {"x": 0, "y": 1}}


def message(kind, body):
    return kind + (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize("event", [message(b"A", b"\0\0\0\1tally\0{}\0"), message(b"d", b"w" + 24 * b"\0" + b"M")])
def test_a_deaf_link_loses_events_only_however_they_are_cut(event):
    answer, alive = message(b"Z", b"I"), message(b"d", b"k" + 17 * b"\0")
    for deaf, expected in ((False, answer + event + alive + answer), (True, answer + alive + answer)):
        link = Link.__new__(Link)
        link.deaf, link.rest = deaf, b""
        text = answer + event + alive + answer
        assert b"".join(link.without_events(text[n:n + 1]) for n in range(len(text))) == expected
