"""A client that moves between servers by `since`."""

import json

from judge import Traveller
from watchers import Watcher


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
