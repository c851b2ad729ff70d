"""The documents that describe the API, and how the tests hold what a server says against them.

A document leaves its objects open, because a later version adds members. Here they are closed: a member that is not
described is wrong.
"""

import json
import pathlib

import jsonschema

WEB = pathlib.Path(__file__).resolve().parents[2] / "server" / "web"
MOST = 64  # members of an object, or items of a list, that are looked at: from both ends


class Wrong(AssertionError):
    """A server said what its document does not."""


class Document:
    def __init__(self, name):
        self.all = json.loads((WEB / name).read_text())
        self.validators = {}

    def at(self, pointer):
        node = self.all
        for part in pointer.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def resolved(self, node):
        """The node itself, or what its `$ref` names, with the members beside the `$ref`."""
        while "$ref" in node:
            node = {**self.at(node["$ref"]), **{name: value for name, value in node.items() if name != "$ref"}}
        return node

    def closed(self, schema, outermost=True):
        """The schema without references, and closed. What a composition puts together is closed as a whole."""
        out = dict(self.resolved(schema))
        for word in "allOf", "anyOf", "oneOf":
            if word in out:
                out[word] = [self.closed(each, False) for each in out[word]]
        if "properties" in out:
            out["properties"] = {name: self.closed(each) for name, each in out["properties"].items()}
        for word in "items", "additionalProperties":
            if isinstance(out.get(word), dict):
                out[word] = self.closed(out[word])
        if outermost and "additionalProperties" not in out and {"properties", "allOf", "anyOf", "oneOf"} & set(out):
            out["unevaluatedProperties"] = False
        return out

    def check(self, schema, value, what):
        """Throws Wrong if the value is not as the schema, which is a node of this document, says."""
        known = self.validators.get(id(schema))
        if known is None:
            known = self.validators[id(schema)] = jsonschema.Draft202012Validator(self.closed(schema))
        value = thinned(value)
        if not known.is_valid(value):
            error = jsonschema.exceptions.best_match(known.iter_errors(value))
            raise Wrong(f"{what}: {error.message} at /{'/'.join(map(str, error.absolute_path))} of {json.dumps(value)[:1000]}")


def thinned(value):
    """The value with long lists and maps cut in their middle: ten thousand keys have counters of one make."""
    if isinstance(value, dict):
        names = ends(list(value))
        return {name: thinned(value[name]) for name in names}
    if isinstance(value, list):
        return [thinned(each) for each in ends(value)]
    return value


def ends(items):
    return items if len(items) <= MOST else items[:MOST // 2] + items[-MOST // 2:]


OPENAPI, ASYNCAPI = Document("openapi.json"), Document("asyncapi.json")
