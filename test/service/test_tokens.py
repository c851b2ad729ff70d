"""Who may: tokens by REST, by long poll and by Server-Sent Events, and what is refused."""

import signal

import pytest
import requests

import program
import tokens
from program import eventually
from streams import Events, path_of
from tokens import bearer, claims, hs256, token

KEY = "/v1/tallies/tweets/keys/33"
MINE = """
create table liked (id bigint generated always as identity primary key, person text, post bigint);
select tally.create_tally(
  name => 'mine', source => 'liked', key => $$person || '/' || post::text$$,
  counters => '{"likes": "1"}',
  actions => $${"like": "insert into liked (person, post) values (split_part($1, '/', 1), split_part($1, '/', 2)::bigint)"}$$);
insert into liked (person, post) values ('u42', 7), ('u43', 7);
"""


@pytest.fixture
def keyed(serve, tweets, tmp_path):
    """Starts a server with tokens by SECRET, or by the given files' contents."""
    def start(*options, keys=(tokens.SECRET,), **more):
        tweets.sql.execute(MINE)
        named = []
        for number, content in enumerate(keys):
            file = tmp_path / f"key{number}"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
            named += ["--auth-key", str(file)]
        return serve(tweets.dsn, *named, "--writable", "--heartbeat", "200ms", *options, **more).wait_live()
    return start


def refused(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.json()["code"] == code
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="pgtally"')
    return answer


def count_of(server, reason):
    return server.metrics()[f'pgtally_tokens_refused_total{{reason="{reason}"}}']


def test_refused_tokens_are_counted(keyed):
    """Every reason is there before it occurs, and counts by requests, by cookies and by WebSocket."""
    server = keyed("--auth-cookie", "session")
    reasons = {"too_long", "malformed", "algorithm", "critical", "unknown_key", "signature", "claims", "rules", "expired", "not_yet", "audience", "issuer"}
    named = {name.split('"')[1]: value for name, value in server.metrics().items() if name.startswith("pgtally_tokens_refused_total{")}
    assert named == dict.fromkeys(reasons, 0)
    assert server.get(KEY).status_code == 401
    assert server.get(KEY, headers=bearer(token("tweets"))).ok
    forged, expired = token("tweets", secret="x" * 32), token("tweets", ends=-31)
    assert server.get(KEY, headers=bearer(forged)).status_code == 401
    assert server.get(KEY, headers={"Cookie": f"session={expired}"}).status_code == 401
    client = server.connect()
    for text, reason in (forged, "signature"), (expired, "expired"), (token("tweets", nbf=2**33), "not_yet"):
        before = count_of(server, reason)
        assert client.ask(type="auth", token=text)["code"] == "unauthorized"
        assert count_of(server, reason) == before + 1
    client.close()
    assert [count_of(server, reason) for reason in ("signature", "expired", "not_yet", "malformed")] == [2, 2, 1, 0]


# What a token is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
@pytest.mark.parametrize("form", ["pem", "jwks"])
def test_public_keys(keyed, algorithm, form):
    key, other = tokens.Key(algorithm), tokens.Key(algorithm)
    server = keyed(keys=[key.pem() if form == "pem" else tokens.jwks(key.jwk(kid="a", use="sig"))])
    good = claims(["tweets"])
    assert server.get(KEY, headers=bearer(key.token(good))).ok
    assert server.get(KEY, headers=bearer(key.token(good, kid="a"))).ok
    forged = refused(server.get(KEY, headers=bearer(other.token(good))), 401, "unauthorized")
    assert 'error="invalid_token"' in forged.headers["WWW-Authenticate"]
    # The public key is no secret, whatever the header says.
    for text in key.pem(), key.pem().strip():
        refused(server.get(KEY, headers=bearer(hs256(good, text))), 401, "unauthorized")
    refused(server.get(KEY, headers=bearer(tokens.signed({"alg": "none"}, good, lambda text: b""))), 401, "unauthorized")


def test_what_is_no_right_token(keyed):
    server = keyed("--auth-audience", "ours", "--auth-issuer", "us")
    ours = {"aud": "ours", "iss": "us"}
    good = claims(["tweets"], **ours)
    right = hs256(good)
    assert server.get(KEY, headers=bearer(right)).ok
    assert server.get(KEY, headers={"Authorization": "bearer   " + right}).ok
    header, payload, signature = right.split(".")
    longer = hs256({**good, "pad": "x" * 8192})
    wrong = [
        hs256(good, "another secret of at least 32 bytes"),
        tokens.signed({"alg": "none"}, good, lambda text: b""),
        f"{header}.{tokens.part(claims(['*'], **ours))}.{signature}",
        f"{header}.{payload}.", f"{header}.{payload}", right + "=", right + ".", "", longer,
        hs256(good, crit=["b64"], b64=False),
        hs256(claims(["tweets"], ends=-31, **ours)), hs256({**good, "exp": None}), hs256({**good, "nbf": good["exp"]}),
        hs256({**good, "aud": "theirs"}), hs256({**good, "aud": None}), hs256({**good, "iss": "them"}),
        hs256({**good, "pgtally": {"read": [{"tally": "tweets", "perfix": "3"}]}}),
    ]
    for text in wrong:
        answer = refused(server.get(KEY, headers=bearer(text)), 401, "unauthorized")
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert text == "" or text not in answer.text + str(answer.headers)
    assert server.get(KEY, headers=bearer(hs256(claims(["tweets"], ends=-15, **ours)))).ok  # the leeway
    assert server.get(KEY, headers=bearer(hs256({**good, "aud": ["theirs", "ours"]}))).ok
    refused(server.get(KEY, headers={"Authorization": f"Bearer {right}, Bearer {right}"}), 401, "unauthorized")


def test_a_token_in_the_url_counts_for_nothing(keyed):
    server = keyed("--log-level", "debug")
    right = token("tweets")
    for name in "token", "access_token", "auth":
        status = int(server.raw(f"GET {KEY}?{name}={right} HTTP/1.1\r\nHost: {server.host}\r\nConnection: close\r\n\r\n").split()[1])
        assert status == 401
    assert server.get(KEY, headers=bearer(right)).ok
    refused(server.get(KEY, headers=bearer(right[:-4] + "AAAA")), 401, "unauthorized")
    assert right not in server.log() and right.split(".")[1] not in server.log()


# What a token gives ---------------------------------------------------------------------------------------------------


def test_nothing_without_a_token(keyed):
    server = keyed()
    for path in (KEY, "/v1/tallies/none/keys/1", "/v1/tallies/tweets", "/v1/tallies", "/v1/tallies/tweets/keys?key=33",
                 "/v1/tallies/tweets/top?by=favs", "/v1/tallies/tweets/rank?by=favs&key=33", path_of(), path_of("none")):
        answer = refused(server.get(path), 401, "unauthorized")
        assert answer.headers["Cache-Control"] == "private, no-store" and "Authorization, Cookie" in answer.headers["Vary"]
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="pgtally"'
    refused(server.post("/v1/tallies/tweets/keys", json={"keys": [33]}), 401, "unauthorized")
    refused(server.post(KEY + "/fav"), 401, "unauthorized")
    refused(server.get(KEY, headers={"Authorization": "Basic dTpw"}), 401, "unauthorized")
    refused(server.get("/v1/ws", headers=bearer("wrong")), 401, "unauthorized")
    for path in "/livez", "/readyz", "/", "/pgtally.js", "/openapi.json":
        assert server.get(path).ok
    # The admin address has no tokens.
    assert requests.get(server.admin + KEY, headers=bearer("nonsense"), timeout=program.LONG).ok


def test_another_tally_is_not_there(keyed):
    server = keyed()
    head = bearer(token("tweets"))
    assert [each["name"] for each in server.get("/v1/tallies", headers=head).json()["tallies"]] == ["tweets"]
    for path in "/v1/tallies/mine", "/v1/tallies/mine/keys/u42%2F7", path_of("mine"), "/v1/tallies/mine/top?by=likes":
        answer = refused(server.get(path, headers=head), 404, "unknown_tally")
        assert answer.content == server.get(path.replace("mine", "none"), headers=head).content
    refused(server.post("/v1/tallies/mine/actions/like?key=u42/8", headers=head), 404, "unknown_tally")
    assert server.get("/v1/tallies", headers=bearer(token())).json() == {"tallies": []}


def test_keys_and_prefixes(keyed):
    server = keyed()
    head = bearer(token({"tally": "tweets", "keys": ["33", -7]}, {"tally": "mine", "prefix": "u42/"}))
    mine = "/v1/tallies/mine"
    assert server.get(KEY, headers=head).json()["counters"]["rts"] == 2
    assert server.get("/v1/tallies/tweets/keys?key=33&key=-7", headers=head).ok
    assert server.get(mine + "/keys/u42%2F7", headers=head).json()["counters"] == {"likes": 1}
    assert server.get(mine + "/keys/u42%2F999", headers=head).json()["counters"] == {"likes": 0}
    listed = {each["name"]: each for each in server.get("/v1/tallies", headers=head).json()["tallies"]}
    assert set(listed) == {"mine", "tweets"} and "size" not in listed["mine"]
    for path in ("/v1/tallies/tweets/keys/34", "/v1/tallies/tweets/keys?key=33&key=34", "/v1/tallies/tweets",
                 "/v1/tallies/tweets/top?by=favs", "/v1/tallies/tweets/rank?by=favs&key=33", path_of(), path_of("tweets", 34),
                 path_of(sum=""), path_of(rank=33, by="favs"), mine + "/keys/u43%2F7", mine + "/keys/u4", mine):
        answer = refused(server.get(path, headers=head), 403, "not_allowed")
        assert answer.headers["Cache-Control"] == "private, no-store"
    refused(server.post("/v1/tallies/tweets/keys", json={"keys": [33, 34]}, headers=head), 403, "not_allowed")


def test_did_i_like_it(keyed):
    """A second tally, by person and post; a token with the person's prefix reads and acts there only."""
    server = keyed("--public", "tweets")
    head = bearer(hs256(claims([{"tally": "mine", "prefix": "u42/"}], ["mine.like", "tweets.*"])))
    like = "/v1/tallies/mine/actions/like?key="
    done = server.post(like + "u42/8", headers=head)
    assert done.status_code == 201 and done.json()["counters"] == {"likes": 1}
    assert done.headers["Cache-Control"] == "private, no-store"
    refused(server.post(like + "u43/8", headers=head), 403, "not_allowed")
    refused(server.post(like + "u42/8"), 401, "unauthorized")
    # What everybody reads not everybody does.
    assert server.get(KEY).ok
    refused(server.post(KEY + "/fav"), 401, "unauthorized")
    assert server.post(KEY + "/fav", headers=head).status_code == 201
    refused(server.post(KEY + "/fav", headers=bearer(token("tweets"))), 403, "not_allowed")


def test_public_tallies_may_be_kept_by_caches_and_others_not(keyed):
    server = keyed("--public", "tweets")
    anybody = server.get(KEY)
    assert anybody.headers["Cache-Control"] == "no-cache" and anybody.headers["Vary"] == "Origin"
    position = "{epoch}-{revision}".format(**anybody.json())
    assert server.get(f"{KEY}?since={position}&wait=1").headers["Cache-Control"] == "public, max-age=1"
    head = bearer(token("mine"))
    path = "/v1/tallies/mine/keys/u42%2F7"
    answer = server.get(path, headers=head)
    assert answer.headers["Cache-Control"] == "private, no-store"
    position = "{epoch}-{revision}".format(**answer.json())
    waited = server.get(f"{path}?since={position}&wait=1", headers=head)
    assert waited.status_code == 204 and waited.headers["Cache-Control"] == "private, no-store"
    assert server.get(path, headers={**head, "If-None-Match": answer.headers["ETag"]}).status_code == 304
    # A list is as long as the token allows.
    assert [each["name"] for each in server.get("/v1/tallies").json()["tallies"]] == ["tweets"]
    assert server.get("/v1/tallies").headers["Cache-Control"] == "private, no-store"
    # A wrong token is wrong for what is public, too; a private name is not in the answer of readyz.
    refused(server.get(KEY, headers=bearer("wrong")), 401, "unauthorized")


def test_everything_is_public(keyed):
    server = keyed("--public", "*")
    assert server.get("/v1/tallies/mine").ok and len(server.get("/v1/tallies").json()["tallies"]) == 2
    assert server.get("/v1/tallies").headers["Cache-Control"] == "no-cache"
    refused(server.get("/v1/tallies/none"), 404, "unknown_tally")


# Cookies and pages -----------------------------------------------------------------------------------------------------


def test_cookies(keyed):
    server = keyed("--auth-cookie", "session", "--allow-origin", "https://shop.example", "--allow-origin", "*")
    good = hs256(claims(["tweets"], ["tweets.fav"]))
    cookie = {"Cookie": f"a=b; session={good}; c=d"}
    own, named, stranger = "http://" + server.host, "https://shop.example", "https://evil.example"
    assert server.get(KEY, headers=cookie).ok
    assert server.get(KEY, headers={**cookie, "Origin": own}).ok
    shop = server.get(KEY, headers={**cookie, "Origin": named})
    assert shop.ok and shop.headers["Access-Control-Allow-Credentials"] == "true"
    # A page that only `*` allows gets nothing by the visitor's cookie.
    refused(server.get(KEY, headers={**cookie, "Origin": stranger}), 401, "unauthorized")
    act = KEY + "/fav"
    refused(server.post(act, headers=cookie), 403, "bad_origin")
    refused(server.post(act, headers={**cookie, "Origin": stranger}), 403, "bad_origin")
    refused(server.post("/v1/tallies/tweets/keys", json={"keys": []}, headers=cookie), 403, "bad_origin")
    assert server.post(act, headers={**cookie, "Origin": own}).status_code == 201
    assert server.post(act, headers={**cookie, "Origin": named}).status_code == 201
    assert server.post(act, headers=bearer(good)).status_code == 201
    # Two of the name: which one is the page's?
    refused(server.get(KEY, headers={"Cookie": f"session={good}; session={good}"}), 401, "unauthorized")
    refused(server.get(KEY, headers={"Cookie": f"other={good}"}), 401, "unauthorized")
    # The field wins.
    refused(server.get(KEY, headers={**cookie, **bearer("wrong")}), 401, "unauthorized")


def test_a_cookie_that_expired_is_as_none(keyed):
    server = keyed("--auth-cookie", "session", "--public", "mine")
    old = {"Cookie": "session=" + token("tweets", ends=-60)}
    assert server.get("/v1/tallies/mine", headers=old).ok
    answer = refused(server.get(KEY, headers=old), 401, "unauthorized")
    assert "expired" in answer.json()["detail"]


def test_no_cookie_without_the_option(keyed):
    refused(keyed().get(KEY, headers={"Cookie": "session=" + token("tweets")}), 401, "unauthorized")


def test_pages_may_send_tokens(keyed):
    server = keyed("--allow-origin", "https://shop.example")
    ask = {"Origin": "https://shop.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    answer = requests.options(server.url + KEY, headers=ask, timeout=program.LONG)
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    # The page reads why it was refused.
    for headers, status in (({}, 401), (bearer(token({"tally": "tweets", "keys": []})), 403)):
        answer = server.get(KEY, headers={"Origin": "https://shop.example", **headers})
        assert answer.status_code == status and answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


# Time, streams and rotation ---------------------------------------------------------------------------------------------


def test_a_stream_ends_with_its_token(keyed, tweets):
    server = keyed("--public", "mine")
    head = bearer(token({"tally": "tweets", "keys": ["33"]}, ends=-28))  # two more seconds, by the leeway
    stream = Events(server, path_of("tweets", 33), head)
    public = Events(server, path_of("mine"), head)
    assert stream.next().name == "snapshot" and public.next().name == "snapshot"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    last = stream.ended()[-1]
    assert (last.name, last.data) == ("unsubscribed", {"reason": "expired"})
    refused(server.get(KEY, headers=head), 401, "unauthorized")
    # What everybody reads goes on.
    tweets.sql.execute("insert into liked (person, post) values ('u1', 1)")
    assert public.next().data["keys"] == {"u1/1": {"likes": 1}}
    public.close()


def test_a_long_poll_does_not_outlive_its_token(keyed):
    server = keyed()
    head = bearer(token("tweets", ends=-28))
    position = "{epoch}-{revision}".format(**server.get(KEY, headers=head).json())
    answer = server.get(f"/v1/tallies/tweets/keys/99?since={position}&wait=4", headers=head)
    assert answer.status_code in (204, 401)
    refused(server.get(KEY, headers=head), 401, "unauthorized")


def test_rotation(keyed, tmp_path):
    server = keyed()
    file, old, new = tmp_path / "key0", token("tweets"), token("tweets", secret="another secret of at least 32 bytes")
    assert server.get(KEY, headers=bearer(old)).ok
    file.write_text("short")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "stay as they were" in server.log(), server.log)
    assert str(file) in server.log() and "short" not in server.log().partition("stay as they were")[2]
    assert server.get(KEY, headers=bearer(old)).ok
    file.write_text("another secret of at least 32 bytes\n")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.get(KEY, headers=bearer(new)).ok, server.log)
    refused(server.get(KEY, headers=bearer(old)), 401, "unauthorized")
    assert server.stop() == 0


def test_a_hangup_without_keys_ends_nothing(server):
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: "SIGHUP" in server.log(), server.log)
    assert server.get("/livez").ok


# The command line -------------------------------------------------------------------------------------------------------


def test_files_that_are_no_keys(tmp_path):
    short, none = tmp_path / "short", tmp_path / "none"
    short.write_text("not32")
    for file, why in ((short, "at least 32 bytes"), (none, "No such file"), (tmp_path, "directory")):
        ended = program.run("serve", "--auth-key", str(file))
        assert ended.returncode == 2 and str(file) in ended.stderr and why in ended.stderr and "not32" not in ended.stderr
    ended = program.run("serve", env={"PGTALLY_AUTH_KEY": f"{short}"})
    assert ended.returncode == 2 and str(short) in ended.stderr
    for option in ("--public", "a"), ("--auth-cookie", "a"), ("--auth-audience", "a"), ("--auth-issuer", "a"):
        ended = program.run("serve", *option)
        assert ended.returncode == 2 and option[0] in ended.stderr and "--auth-key" in ended.stderr


def test_who_listens_to_the_world_without_keys_is_warned(serve, tweets, keyed):
    warned = serve(tweets.dsn, "--listen", "0.0.0.0:0")
    eventually(lambda: sum("--auth-key requires tokens" in line for line in warned.lines) == 1, warned.log)
    local = serve(tweets.dsn)
    guarded = keyed("--listen", "0.0.0.0:0")
    assert "--auth-key" not in local.log() + guarded.log()
