"""A client that moves between servers by `since`, and the judge of what it is shown."""

import bisect
import collections
import json

from story import KEYS, Viewer
from watchers import Watcher


class Traveller:
    """A viewer of the story on several servers.

    Positions are compared within an epoch. What is shown at a position may not be older than what was shown at it or at a lower
    one; all servers show the same at the same one.
    """

    def __init__(self, name):
        self.name = name
        self.judged = 0
        self.seen = []  # (values shown, key, value)
        self.places = collections.defaultdict(list)  # (epoch, key) -> (position, the place of what was shown there), ascending

    def saw(self, shown, values):
        self.seen.extend((shown, key, (counters["weight"], counters["rows"])) for key, counters in values.items() if key in KEYS)

    def take(self):
        taken, self.seen = self.seen, []
        return taken

    def judge(self, taken, history):
        """Why one of the values is impossible, or None. `history` must be newer than they are."""
        for shown, key, value in taken:
            known = self.places[shown["epoch"], key]
            at = bisect.bisect_right(known, shown["revision"], key=lambda each: each[0])
            viewer = Viewer(f"{self.name}, which was shown as much at revision {known[at - 1][0] if at else 'none'},")
            viewer.place[key] = known[at - 1][1] if at else 0
            if why := viewer.judge([(shown, key, value)], history):
                return why
            place = viewer.place[key]
            known[at:] = [(shown["revision"], place), *((position, max(later, place)) for position, later in known[at:])]
            self.judged += 1
        return None


class Hopper(Watcher):
    """Named keys of the story, on one server after the other."""

    def __init__(self, name, urls, keys):
        super().__init__(name, urls[0], "story", keys, resume=True)
        self.urls = urls
        self.viewer = Traveller(f"{name} of story")
        self.hops = self.resumed = self.waited_in_vain = 0

    def hop(self):
        """To the next server, with the position that it has."""
        self.urls = [*self.urls[1:], self.urls[0]]
        self.url = self.urls[0]
        self.hops += 1
        self.cut()

    def take(self, message):
        if message["type"] == "snapshot" and self.point and message["epoch"] == self.point["epoch"]:
            self.resumed += message.get("partial", False)
            if message["revision"] < self.point["revision"]:
                # A server that does not reach the position in time answers with everything that it has.
                assert not message.get("partial"), f"{self.name}: a part of the story from before {self.point}: {json.dumps(message)[:300]}"
                self.waited_in_vain += 1
                self.point = None
        super().take(message)
