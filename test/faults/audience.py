"""The clients of a run, by what they watch and how."""

from comparison import COUNTERS, FIRST_MARKER, MARKERS
from hopper import Hopper
from story import KEYS
from http_watchers import Polling, Streaming
from watchers import Watcher

ENDS = [f"end {n}" for n in range(MARKERS)]


def watchers(program):
    """Clients of one server."""
    def watcher(*arguments, **more):
        return Watcher(arguments[0], program.ws_url, *arguments[1:], **more)
    named = [str(key) for key in [*range(1, 301), *range(FIRST_MARKER, FIRST_MARKER + MARKERS)]]
    everything = [watcher("a client of all keys", tally) for tally in (*COUNTERS, "drafts")]
    slow = [watcher("a slow client", tally, slow=0.4) for tally in ("posts", "story", "ballots")]
    resuming = [watcher("a client that resumes", tally, resume=True) for tally in ("weights", "story")]
    streaming = [Streaming("a client of events", program.ws_url, tally, resume=resume) for tally, resume in (("posts", True), ("story", True), ("weights", False))]
    polling = [Polling("a client that polls", program.ws_url, "story", [*KEYS[:5], *ENDS])]
    return [*everything, *slow, *resuming, *streaming, *polling, watcher("a client of named keys", "posts", named, resume=True),
            watcher("a client of named keys", "story", [*KEYS[:5], *ENDS], resume=True)]


def hoppers(servers):
    """Clients that move between the servers, each from another one on."""
    urls = [server.program.ws_url for server in servers]
    return [Hopper(f"a client that begins on server {at}", [*urls[at:], *urls[:at]], [*KEYS, *ENDS]) for at in range(len(urls)) if len(urls) > 1]
