"""Files made from the contracts: ``python -m tools.contracts.derived --check|--write``.

The broker's definitions, the AsyncAPI document, the JSON schemas of the messages and the table of routes in the architecture page.
A test fails when one of them is stale.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from schemas.messages import MESSAGES, Event
from schemas.routes import ROUTES
from schemas.topology import EXCHANGES, bindings, queues
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


def with_routes(page: str) -> str:
    """Return a page with the present table between its markers, which are added where they are missing."""
    block = f"{BEGIN}\n{routes_table()}\n{END}"
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        return f"{before}{block}{after}"
    return f"{page or '# Architecture' + chr(10)}\n{block}\n"


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def files(root: Path = ROOT) -> dict[Path, str]:
    """Return every derived file with what it should contain."""
    page = root / ARCHITECTURE
    schemas = {root / f"schemas/json/{message_name(each)}.json": _json(json_schema(each)) for each in MESSAGES}
    return {
        root / DEFINITIONS: _json(definitions()),
        root / ASYNCAPI: "# Made by `python -m tools.contracts.derived --write`.\n" + to_yaml(document()),
        page: with_routes(page.read_text(encoding="utf-8") if page.exists() else ""),
        **schemas,
    }


def stale(root: Path = ROOT) -> list[Path]:
    """Return the files that are not as they should be."""
    return [path for path, text in files(root).items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def write(root: Path = ROOT) -> None:
    """Bring every file up to date."""
    for path, text in files(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main() -> int:
    """Check or write; 1 when something is stale."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.contracts.derived", description="Files made from the contracts."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="name the stale files")
    what.add_argument("--write", action="store_true", help="bring them up to date")
    if parser.parse_args().write:
        write()
        return 0
    names = [str(path.relative_to(ROOT)) for path in stale()]
    for name in names:
        sys.stderr.write(f"{name} is stale: run `python -m tools.contracts.derived --write`\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
