#!/usr/bin/python3
"""The application of the example: it serves the page, knows who is logged in, and signs tokens for pgtally.

    login.py --port 8081 --counters http://127.0.0.1:8080/ --key FILE --person u4=Hermia --person u5=Lysander

Made for a demo: there are no passwords, and one is whoever one chooses to be. What an application would do the same way:

- POST /login begins a session. Its name is a random text in a cookie that scripts cannot read and other sites cannot send.
- POST /token gives the page of that session a token of a few minutes, for the keys of this person; null if nobody is logged
  in. The page asks again before it ends, so that who is logged out, or may do less, has no longer than that.
- POST /logout ends the session.

Every POST must come from a page of this very origin. The key is a secret that only this program and pgtally know.
"""

import argparse
import base64
import hashlib
import hmac
import html
import http.cookies
import http.server
import json
import pathlib
import secrets
import threading
import time

HERE = pathlib.Path(__file__).parent
FILES = {"/": ("index.html", "text/html"), "/people.js": ("people.js", "text/javascript"), "/people.css": ("people.css", "text/css")}
MAX_BODY_BYTES = 1024
MAX_SESSIONS = 1000  # with one more, the oldest ends
SESSION_S = 12 * 3600
COOKIE = "people_session"


def token_of(person, key, lasts_s):
    """A JWT by HS256: who bears it reads and likes by the keys "<person>/…" of the tally "mine", and nothing else."""
    now = int(time.time())
    claims = {"sub": person, "iat": now, "exp": now + lasts_s,
              "pgtally": {"read": [{"tally": "mine", "prefix": f"{person}/"}], "act": ["mine.like", "mine.unlike"]}}
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{text}.{base64url(hmac.digest(key, text.encode(), hashlib.sha256))}"


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Sessions:
    """Who is logged in. A restart forgets all."""

    def __init__(self):
        self._lock = threading.Lock()
        self._people = {}  # name -> (person, when it ends); the oldest is first

    def begin(self, person):
        name = secrets.token_urlsafe(32)
        with self._lock:
            if len(self._people) >= MAX_SESSIONS:
                del self._people[next(iter(self._people))]
            self._people[name] = person, time.time() + SESSION_S
        return name

    def person(self, name):
        with self._lock:
            person, ends = self._people.get(name, (None, 0))
        return person if time.time() < ends else None

    def end(self, name):
        with self._lock:
            self._people.pop(name, None)


class Application(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # s, for a client that sends nothing

    def do_GET(self):
        if self.headers.get("Host") not in self.server.hosts or self.path not in FILES:
            return self.refuse(404, "there is nothing here")
        name, kind = FILES[self.path]
        text = (HERE / name).read_text()
        self.answer(200, text.replace("COUNTERS", self.server.options.counters).replace("PEOPLE", self.server.buttons), kind)

    def do_POST(self):
        body = self.body()
        host, origin = self.headers.get("Host"), self.headers.get("Origin")
        if body is None:
            return self.refuse(400, f"the body is JSON of at most {MAX_BODY_BYTES} bytes")
        if host not in self.server.hosts or origin != f"http://{host}":
            return self.refuse(403, "this is for pages of this address")
        session = self.session()
        if self.path == "/login":
            return self.login(body.get("person"), session)
        if self.path == "/token":
            return self.give_token(self.server.sessions.person(session))
        if self.path == "/logout":
            self.server.sessions.end(session)
            return self.answer(200, "{}", cookie=f"{COOKIE}=; Max-Age=0")
        self.refuse(404, "there is nothing here")

    def login(self, person, before):
        if not isinstance(person, str) or person not in self.server.people:
            return self.refuse(403, "nobody of this name plays here")
        self.server.sessions.end(before)
        name = self.server.sessions.begin(person)
        self.give_token(person, f"{COOKIE}={name}; Max-Age={SESSION_S}")

    def give_token(self, person, cookie=None):
        if person is None:
            return self.answer(200, "null")
        options = self.server.options
        token = token_of(person, self.server.key, options.token_seconds)
        self.answer(200, json.dumps({"person": person, "name": self.server.people[person], "token": token}), cookie=cookie)

    def session(self):
        try:
            found = http.cookies.SimpleCookie(self.headers.get("Cookie", "")).get(COOKIE)
        except http.cookies.CookieError:
            return ""
        return found.value if found else ""

    def body(self):
        """The object of the body; None if it is none, and then the connection ends with the answer."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY_BYTES):
            self.close_connection = True
            return None
        try:
            value = json.loads(self.rfile.read(int(length)))
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def refuse(self, status, why):
        self.answer(status, json.dumps({"detail": why}))

    def answer(self, status, text, kind="application/json", cookie=None):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", self.server.policy)
        if cookie:  # with https also: Secure
            self.send_header("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Strict")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *what):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, options):
        super().__init__(("127.0.0.1", options.port), Application)
        self.options = options
        # A page that a foreign name leads to is not served: its own origin would be that name.
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}
        counters = options.counters.rstrip("/")
        self.policy = (f"default-src 'none'; style-src 'self'; script-src 'self' {counters}; connect-src 'self' {counters} "
                       f"{counters.replace('http', 'ws', 1)}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
        self.people = dict(person.split("=", 1) for person in options.person)
        self.buttons = "".join(f'<button type="button" data-person="{html.escape(person)}">{html.escape(name)}</button>'
                               for person, name in [*self.people.items(), ("", "Log out")])
        self.key = options.key.read_bytes().removesuffix(b"\n")
        self.sessions = Sessions()


def main():
    parser = argparse.ArgumentParser(description="Serves the page of two people, their login, and their tokens. For demos: there are no passwords.")
    parser.add_argument("--port", type=int, default=8081, help="on 127.0.0.1; 0: any; default %(default)s")
    parser.add_argument("--counters", default="http://127.0.0.1:8080/", help="the address of pgtally; default %(default)s")
    parser.add_argument("--key", type=pathlib.Path, required=True, help="the file of pgtally's --auth-key, a secret of at least 32 bytes")
    parser.add_argument("--person", action="append", required=True, metavar="PREFIX=NAME", help="somebody to be, as u4=Hermia; repeatable")
    parser.add_argument("--token-seconds", type=int, default=300, help="how long a token lasts; default %(default)s")
    server = Server(parser.parse_args())
    print(f"login ready: http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
