"""Files made from the contracts: ``python -m tools.contracts.derived --check|--write``.

The broker's definitions, the AsyncAPI document, the JSON schemas of the messages and the table of routes in the architecture page.
A test fails when one of them is stale.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from schemas.messages import MESSAGES, Event
from schemas.routes import ROUTES
from schemas.topology import EXCHANGES, bindings, queues
from tools import derive
from tools.contracts.asyncapi import document, duration, first_line, message_name, to_yaml

ROOT = Path(__file__).parents[2]
VIRTUAL_HOST = "leadmail"
BEGIN, END = "<!-- routes:begin -->", "<!-- routes:end -->"
DEFINITIONS = "deploy/rabbitmq/definitions.json"
ASYNCAPI = "docs/asyncapi.yaml"
ARCHITECTURE = "docs/architecture.md"


def definitions() -> dict[str, Any]:
    """Return the broker's definitions, without users (they have passwords) and policies (every limit is a queue's argument)."""
    durable = {"vhost": VIRTUAL_HOST, "durable": True, "auto_delete": False}
    return {
        "vhosts": [{"name": VIRTUAL_HOST}],
        "exchanges": [
            {"name": each.name, "type": each.type, **durable, "internal": False, "arguments": {}} for each in EXCHANGES
        ],
        "queues": [{"name": queue.name, **durable, "arguments": queue.arguments} for queue in queues()],
        "bindings": [
            {
                "source": each.exchange,
                "vhost": VIRTUAL_HOST,
                "destination": each.queue,
                "destination_type": "queue",
                "routing_key": each.routing_key,
                "arguments": {},
            }
            for each in bindings()
        ],
        "policies": [],
    }


def json_schema(message: type[Event]) -> dict[str, Any]:
    """Return the JSON schema of a message's fields; its id travels as ``ce-id``."""
    schema = message.model_json_schema(mode="serialization")
    schema["properties"].pop("id")
    schema["required"] = [name for name in schema.get("required", ()) if name in schema["properties"]]
    name = message_name(message)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:leadmail:{name}", **schema}


def routes_table() -> str:
    """Return the routes as a Markdown table."""
    lines = [
        "| message | what happened | from | to, by queue | tried again after | queue holds |",
        "|---|---|---|---|---|---|",
    ]
    for route in ROUTES:
        delays = ", ".join(map(duration, route.retry))
        size = f"{route.max_length:,} messages, {route.max_bytes // 1024 // 1024} MiB"
        what = first_line(route.message).replace("|", "\\|")
        lines.append(
            f"| `{route.routing_key}` | {what} | {', '.join(route.producers)} | {route.consumer}: `{route.queue}` | {delays} | {size} |"
        )
    return "\n".join(lines)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def files(root: Path = ROOT) -> dict[Path, str]:
    """Return every derived file with what it should contain."""
    page = root / ARCHITECTURE
    schemas = {root / f"schemas/json/{message_name(each)}.json": _json(json_schema(each)) for each in MESSAGES}
    return {
        root / DEFINITIONS: _json(definitions()),
        root / ASYNCAPI: "# Made by `python -m tools.contracts.derived --write`.\n" + to_yaml(document()),
        page: derive.between_marks(page.read_text(encoding="utf-8"), BEGIN, END, routes_table()),
        **schemas,
    }


if __name__ == "__main__":
    sys.exit(derive.main("tools.contracts.derived", "Files made from the contracts.", files()))
