"""Clients that move between servers: by `since` of WebSocket, and by `at_least` of REST."""

import json
import random
import threading
import time

import requests

from judge import Traveller
from story import KEYS
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


class Roamer(threading.Thread):
    """Reads the story from any server, each time at least as new as before."""

    def __init__(self, urls, seed):
        super().__init__(daemon=True)
        self.urls, self.random = urls, random.Random(seed)
        self.viewer = Traveller("a reader who asks any server for at_least the position before")
        self.stopping = threading.Event()
        self.error = None
        self.point = None
        self.answers = 0

    def run(self):
        try:
            while not self.stopping.is_set():
                self.read(self.random.choice(self.urls))
                self.stopping.wait(0.05)
        except Exception as error:  # noqa: BLE001: the referee reports it
            self.error = error

    def read(self, url):
        asked = [("key", key) for key in KEYS]
        if self.point:
            asked.append(("at_least", f"{self.point['epoch']}-{self.point['revision']}"))
        try:
            answer = requests.get(f"{url}/v1/tallies/story/keys", asked, timeout=20)
            body = answer.json()
        except requests.RequestException:
            return
        if answer.status_code == 200:
            if self.point:
                assert body["epoch"] == self.point["epoch"] and body["revision"] >= self.point["revision"], f"asked for {self.point}, got {body}"
            self.point = {name: body[name] for name in ("epoch", "revision", "state")} | {"at": time.strftime("%X")}
            self.viewer.saw(self.point, body["keys"])
            self.answers += 1
        elif answer.status_code in (404, 412):
            self.point = None
        else:
            assert answer.status_code in (503, 504), body
