"""Every answer that the tests get by HTTP, held against openapi.json."""

import json
import re
import urllib.parse

import requests
from requests.structures import CaseInsensitiveDict

from described import OPENAPI, Wrong

admin_hosts = set()  # "127.0.0.1:8081" of each server that a test started
seen = set()  # (method, path as described, status); what any request can get has neither; and ("code", code)
known = set()  # answers that were right: the same one again is not looked at, because tests poll

# Fields of HTTP itself, and those that the description of the document names for every answer.
EVERYWHERE = {"server", "date", "connection", "content-type", "content-length", "transfer-encoding", "vary", "x-content-type-options",
              "access-control-allow-origin", "access-control-allow-credentials", "access-control-allow-methods",
              "access-control-allow-headers", "access-control-expose-headers", "access-control-max-age"}
REFUSED = OPENAPI.all["components"]["responses"]["Refused"]
OPTIONS = OPENAPI.all["components"]["responses"]["Options"]
refused_statuses = {each["properties"]["status"]["const"] for each in OPENAPI.all["components"]["schemas"]["Refusal"]["oneOf"]}


def check(method, target, status, fields, body, admin=False, sent=None):
    """Throws Wrong if the answer is not as described. `body` and `sent`, the request's body, are bytes or None: unknown."""
    what, head = f"{method} {target[:200]} → {status}", method == "HEAD"
    fields = CaseInsensitiveDict(fields)
    if not re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", fields.get("Date", "")):
        raise Wrong(f"{what}: no Date")
    path, _, query = re.sub(r"(?i)^http://[^/?]*", "", target).partition("?")
    template, item = find_path(path or "/", admin)
    operation = item.get("get" if head else method.lower()) if item else None
    if method == "OPTIONS" and status == 204 and (item or path == "*" or not path.startswith("/v1/")):
        template, described = "*", OPTIONS
    elif status == 200 and method in ("GET", "HEAD") and not path.startswith("/v1/") and find_path(path, True)[1] is None:
        return  # a file of --web, or of the page
    elif operation and str(status) in operation["responses"]:
        described = OPENAPI.resolved(operation["responses"][str(status)])
    elif status in refused_statuses:
        method, template, described = "*", "*", REFUSED
    else:
        raise Wrong(f"{what}: not described")
    check_fields(described, fields, what)
    if head and body:
        raise Wrong(f"{what}: a body")
    check_body(described, status, fields, None if head else body, what)
    if status < 400 and operation:
        check_request(item, operation, query, sent, what)
    seen.add(("GET" if head else method, template, status))


def find_path(path, admin):
    """The described path that the path matches, and its item; nothing if it is not one of this address."""
    parts = path.split("/")
    for template, item in OPENAPI.all["paths"].items():
        wanted = template.split("/")
        if len(wanted) != len(parts) or ("servers" in item and not admin):
            continue
        if all(a == b or (a.startswith("{") and (b or a == "{key}")) for a, b in zip(wanted, parts)):
            return template, item
    return None, None


def check_fields(described, fields, what):
    headers = {name.lower(): OPENAPI.resolved(each) for name, each in described.get("headers", {}).items()}
    for name, header in headers.items():
        if name not in fields:
            if header.get("required"):
                raise Wrong(f"{what}: no field {name}")
            continue
        value = fields[name]
        OPENAPI.check(header["schema"], int(value) if header["schema"].get("type") == "integer" and value.isdigit() else value, f"{what}: field {name}")
    for name in fields:
        if name.lower() not in headers and name.lower() not in EVERYWHERE:
            raise Wrong(f"{what}: field {name} is not described")


def check_body(described, status, fields, body, what):
    content = described.get("content")
    if not content:
        if body or "Content-Type" in fields:
            raise Wrong(f"{what}: a body, or its type, that is not described")
        return
    kind = fields.get("Content-Type", "").partition(";")[0]
    if kind not in content:
        raise Wrong(f"{what}: content of type {kind!r} is not described")
    if body is None or not kind.endswith("json"):
        return
    value = json.loads(body or b"null")
    OPENAPI.check(content[kind]["schema"], value, what)
    if kind == "application/problem+json":
        if value["status"] != status:
            raise Wrong(f"{what}: the problem says {value['status']}")
        seen.add(("code", value["code"]))


def check_request(item, operation, query, sent, what):
    """What the server took must be what the document allows."""
    named = urllib.parse.parse_qs(query, keep_blank_values=True)
    for each in [*item.get("parameters", []), *operation.get("parameters", [])]:
        parameter = OPENAPI.resolved(each)
        if parameter["in"] != "query":
            continue
        values = named.pop(parameter["name"], None)
        if values is None:
            if parameter.get("required"):
                raise Wrong(f"{what}: taken without {parameter['name']}")
            continue
        schema = OPENAPI.resolved(parameter["schema"])
        value = values if schema["type"] == "array" else values[0]
        if schema["type"] == "integer" and value.isdigit():
            value = int(value)
        OPENAPI.check(schema, value, f"{what}: parameter {parameter['name']}")
    if named and what.split(" ")[1].startswith("/v1/"):
        raise Wrong(f"{what}: parameters that are not described: {', '.join(named)}")
    if "requestBody" in operation and sent:
        OPENAPI.check(OPENAPI.resolved(operation["requestBody"])["content"]["application/json"]["schema"], json.loads(sent), f"{what}: the request")


def check_once(method, target, status, fields, *more):
    """As `check`, unless the same answer was right before."""
    lasting = sorted((name, value) for name, value in fields.items() if name.lower() != "date")
    this = hash((method, target, status, tuple(lasting), *more))
    if this not in known:
        check(method, target, status, fields, *more)
        known.add(this)


def is_ours(fields):
    """Whether the answer is the server's own: proxies name themselves, by `Server` or by `Via`."""
    fields = [(name.lower(), value) for name, value in fields]
    return [value for name, value in fields if name == "server"] == ["pgtally"] and "via" not in dict(fields)


def watch_requests(patch):
    """From here on the answers that the module `requests` gets from pgtally are checked."""
    send = requests.Session.send

    def checked(self, request, **more):
        answer = send(self, request, **more)
        if is_ours(answer.headers.items()):
            body = None if more.get("stream") else answer.content
            admin = urllib.parse.urlsplit(request.url).netloc in admin_hosts
            sent = request.body.encode() if isinstance(request.body, str) else request.body
            check_once(request.method, request.path_url, answer.status_code, answer.headers, body, admin, sent)
        return answer

    patch.setattr(requests.Session, "send", checked)


def check_raw(request, answer, admin):
    """The answers to requests without a body, as texts: their heads, and their bodies by Content-Length."""
    asked = re.findall(r"(?m)([A-Z]+) (\S+) HTTP/1\.[01]\r?$", request)
    for method, target in asked or [("*", "*")]:
        head, found, answer = answer.partition("\r\n\r\n")
        if head.startswith("HTTP/1.1 100 "):
            head, found, answer = answer.partition("\r\n\r\n")
        if not found:
            return
        line, *lines = head.split("\r\n")
        fields = CaseInsensitiveDict(each.split(": ", 1) for each in lines)
        size = 0 if method == "HEAD" else int(fields.get("Content-Length", 0))
        body, answer = answer[:size].encode("latin-1"), answer[size:]
        check(method, target, int(line.split(" ")[1]), fields, body, admin)
