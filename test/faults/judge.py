"""The judges of what viewers were shown of the story. They judge later, when the history has been read."""

import bisect
import collections

from story import KEYS


class Viewer:
    """A viewer on one server: it is shown nothing older than before."""

    def __init__(self, name):
        self.name = name
        self.seen = collections.deque()  # (values shown, key, value)
        self.place = dict.fromkeys(KEYS, 0)
        self.judged = 0

    def saw(self, shown, values):
        """`values`: key -> {"weight": …, "rows": …}."""
        self.seen.extend((shown, key, (counters["weight"], counters["rows"])) for key, counters in values.items()
                         if key in self.place)

    def forget(self):
        """It was itself restored: it may show what it showed long ago."""
        self.place = dict.fromkeys(KEYS, 0)

    def take(self):
        taken, self.seen = self.seen, collections.deque()
        return taken

    def judge(self, taken, history):
        """Why one of the values is impossible, or None. `history` must be newer than they are. Takes those that are explained from the list."""
        while taken:
            shown, key, value = taken[0]
            places = history.found_at[key].get(value, [])
            at = bisect.bisect_left(places, self.place[key])
            if at == len(places):
                why = f"older than what it was shown before, line {self.place[key]} of {len(history.lines[key]) - 1}" if places \
                    else "after no prefix of the committed events was that so"
                near = [f"{n}: {line}" for n, line in enumerate(history.lines[key])][max(0, self.place[key] - 2):self.place[key] + 9]
                return (f"{self.name} was shown {key} = {value}: {why}.\n  shown by: {shown}\n"
                        f"  the key's history from there: {'; '.join(near)}")
            self.place[key] = places[at]
            self.judged += 1
            taken.popleft()
        return None


class Traveller:
    """A viewer of the story on several servers.

    Positions are compared within an epoch. At the same position all servers show the same, and at a higher one nothing older.
    """

    def __init__(self, name):
        self.name = name
        self.judged = 0
        self.seen = collections.deque()  # (values shown, key, value)
        self.places = collections.defaultdict(list)  # (epoch, key) -> (position, the place of what was shown there, that), ascending

    def saw(self, shown, values):
        self.seen.extend((shown, key, (counters["weight"], counters["rows"])) for key, counters in values.items() if key in KEYS)

    def take(self):
        taken, self.seen = self.seen, collections.deque()
        return taken

    def judge(self, taken, history):
        """As a Viewer does."""
        while taken:
            shown, key, value = taken[0]
            known = self.places[shown["epoch"], key]
            at = bisect.bisect_right(known, shown["revision"], key=lambda each: each[0])
            position, place, before = known[at - 1] if at else (-1, 0, None)
            if position == shown["revision"] and before != value:
                return f"{self.name} was shown {key} = {value} where it was shown {before} at the same position.\n  shown by: {shown}"
            viewer = Viewer(f"{self.name}, which was shown as much at revision {position},")
            viewer.place[key] = place
            if why := viewer.judge(collections.deque([taken[0]]), history):
                return why
            place = viewer.place[key]
            known[at:] = [(shown["revision"], place, value), *((position, max(later, place), there) for position, later, there in known[at:])]
            self.judged += 1
            taken.popleft()
        return None
