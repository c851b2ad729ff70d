"""Tests of the referee's parts: a judge must be able to fail."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from comparison import differences, nonzero  # noqa: E402
from proxy import Link  # noqa: E402
from story import History, Viewer  # noqa: E402


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


def test_differences_name_keys_on_either_side():
    assert differences({"a": 1}, {"a": 1}) == ""
    assert differences({"a": 1, "b": 2}, {"b": 3, "c": 4}).startswith("3 keys differ")
    assert nonzero([("a", 0, 0), ("b", 0, 1)], ["x", "y"]) == {"b": {"x": 0, "y": 1}}


def test_a_deaf_link_loses_notifications_only_however_they_are_cut():
    def message(kind, body):
        return kind + (len(body) + 4).to_bytes(4, "big") + body

    answer, notice = message(b"Z", b"I"), message(b"A", b"\0\0\0\1tally\0{}\0")
    for deaf, expected in ((False, answer + notice + answer), (True, answer + answer)):
        link = Link.__new__(Link)
        link.deaf, link.rest = deaf, b""
        text = answer + notice + answer
        assert b"".join(link.without_notifications(text[n:n + 1]) for n in range(len(text))) == expected
