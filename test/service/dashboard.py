"""The dashboard of the documentation: each of its queries, asked of a Prometheus."""

import json
import pathlib

FILE = pathlib.Path(__file__).resolve().parents[2] / "server" / "docs" / "grafana.json"
VARIABLES = {"$instance": ".*", "$tally": ".*", "$__rate_interval": "1m", "$__range": "1m"}


def queries():
    """Pairs of a panel's title and a query without variables."""
    for panel in json.loads(FILE.read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"]
            for variable, value in VARIABLES.items():
                query = query.replace(variable, value)
            yield panel["title"], query


def unanswered(ask):
    """The queries for which ask(query) has no series."""
    return [(title, query) for title, query in queries() if not ask(query)]
