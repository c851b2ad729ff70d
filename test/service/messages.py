"""Every message that the tests get by WebSocket, and every event, held against asyncapi.json and openapi.json."""

import json

from described import ASYNCAPI, OPENAPI, Wrong

seen = set()  # types of messages, and "event NAME"
STREAM = OPENAPI.all["paths"]["/v1/tallies/{tally}/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]


def payloads(action):
    """The payloads' schemas by type that the server sends, or receives."""
    out = {}
    for operation in ASYNCAPI.all["operations"].values():
        listed = operation["messages"] if operation["action"] == action else operation.get("reply", {}).get("messages", [])
        for each in listed:
            message = ASYNCAPI.resolved(each)
            out[each["$ref"].rpartition("/")[2]] = message["payload"]
    return out


SENT, RECEIVED = payloads("send"), payloads("receive")


def check_received(text):
    """Throws Wrong if it is not a message of the server as described."""
    message = json.loads(text)
    kind = message.get("type")
    if kind not in SENT:
        raise Wrong(f"a message of type {kind!r} is not described: {text[:1000]}")
    ASYNCAPI.check(SENT[kind], message, f"message {kind}")
    seen.add(kind)


def check_sent(text):
    """Throws Wrong if a message that a server took is not a client's as described."""
    message = json.loads(text)
    ASYNCAPI.check(RECEIVED[message["type"]], message, f"message {message['type']}")


def check_event(event):
    """Throws Wrong if it is not an event of a stream as described."""
    if event.name not in STREAM["x-events"]:
        raise Wrong(f"the event {event.name!r} is not described: {event}")
    OPENAPI.check(STREAM["x-events"][event.name], event.data, f"event {event.name}")
    if event.id is None and (event.name == "change" or (event.name == "snapshot" and not event.data.get("more"))):
        raise Wrong(f"no id: {event}")
    if event.id is not None:
        OPENAPI.check(OPENAPI.all["components"]["schemas"]["Position"], event.id, f"the id of event {event.name}")
    seen.add("event " + event.name)
