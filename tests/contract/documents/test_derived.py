"""Files that are derived from the contracts are up to date and agree with them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from schemas.messages import MESSAGES, MailFetched
from schemas.routes import DEAD_QUEUE, ROUTES
from schemas.topology import bindings, queues
from tools import derive
from tools.contracts import derived
from tools.contracts.asyncapi import document, message_name, to_yaml


@pytest.mark.parametrize("path", list(derived.files()), ids=lambda path: path.name)
def test_derived_file_is_up_to_date(path: Path) -> None:
    """A derived file equals what ``python -m tools.contracts.derived --write`` writes."""
    assert path.exists()
    assert path.read_text(encoding="utf-8") == derived.files()[path], "run `python -m tools.contracts.derived --write`"


def test_stale_and_missing_are_found(tmp_path: Path) -> None:
    """Every missing or edited file is stale until it is written, and what people wrote around the table stays."""
    page = tmp_path / derived.ARCHITECTURE
    page.parent.mkdir()
    page.write_text(f"# Words\n{derived.BEGIN}\nold\n{derived.END}\nmore words\n", encoding="utf-8")
    assert set(derive.stale(derived.files(tmp_path))) == set(derived.files(tmp_path))
    derive.write(derived.files(tmp_path))
    assert derive.stale(derived.files(tmp_path)) == []
    assert page.read_text(encoding="utf-8").startswith("# Words\n")
    assert page.read_text(encoding="utf-8").endswith("\nmore words\n")
    definitions = tmp_path / derived.DEFINITIONS
    definitions.write_text(definitions.read_text().replace("20000", "20001"), encoding="utf-8")
    assert derive.stale(derived.files(tmp_path)) == [definitions]


def test_definitions_have_every_queue() -> None:
    """The broker's definitions have each route's queue, its delay queues and the dead letters, each bound and a quorum queue."""
    definitions = derived.definitions()
    names = {queue["name"] for queue in definitions["queues"]}
    assert {route.queue for route in ROUTES} | {DEAD_QUEUE} <= names
    assert {binding["destination"] for binding in definitions["bindings"]} == names
    for queue in definitions["queues"]:
        assert queue["arguments"]["x-queue-type"] == "quorum"
        assert queue["arguments"]["x-overflow"] == "reject-publish"
        assert "x-delivery-limit" in queue["arguments"] or "x-message-ttl" in queue["arguments"]


def test_nothing_is_dropped_by_dead_lettering() -> None:
    """Each queue that dead-letters does so at least once, to where something is bound."""
    by_name = {queue.name: queue for queue in queues()}
    fed = {binding.exchange for binding in bindings()}
    for queue in by_name.values():
        exchange = queue.arguments.get("x-dead-letter-exchange")
        if queue.name == DEAD_QUEUE:
            assert exchange is None
            continue
        assert queue.arguments["x-dead-letter-strategy"] == "at-least-once"
        assert exchange in fed or queue.arguments["x-dead-letter-routing-key"] in by_name


def test_asyncapi_points_at_what_exists() -> None:
    """Every reference of the AsyncAPI document leads to something in it or to a JSON schema."""
    page = document()
    references = set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(page)))
    assert references
    for reference in references:
        if not reference.startswith("#/"):
            assert (derived.ROOT / "docs" / reference).resolve() in derived.files()
            continue
        node = page
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    stages = {name.split(".")[0] for name in page["operations"]}
    assert stages == {"poller", "parser", "matcher", "notifier"}


def test_yaml_is_plain() -> None:
    """Mappings and lists are block style, scalars JSON, odd keys quoted, empty ones inline."""
    value: dict[str, object] = {"a.b": [1, {"c": "x: y"}, []], "$ref": None, "d": {}, "e": True}
    assert to_yaml(value) == 'a.b:\n  - 1\n  -\n    c: "x: y"\n  - []\n"$ref": null\nd: {}\ne: true\n'


@pytest.mark.parametrize("message", MESSAGES, ids=message_name)
def test_json_schema_leaves_the_id_to_the_headers(message: type[MailFetched]) -> None:
    """A message's JSON schema describes its body; the id is an attribute of the event."""
    schema = derived.json_schema(message)
    assert "id" not in schema["properties"]
    assert "id" not in schema["required"]
    assert set(schema["properties"]) == set(message.model_fields) - {"id"}
