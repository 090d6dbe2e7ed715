"""The last release's promises to versions that run side by side, and the validity of the derived documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tools.contracts import derived
from tools.contracts.released import ADVICE, TOPOLOGY, breaking, last, present, record

ASYNCAPI = Path(__file__).parent / "asyncapi-3.0.0.schema.json"
FETCHED, PARSED, ATTENTION = "mail.fetched.v1", "mail.parsed.v1", "account.attention.v1"
Contracts = dict[str, dict[str, Any]]


def test_the_last_release_is_kept() -> None:
    """Every message, field, exchange, queue and binding of the last release is as it was; only additions were made."""
    assert breaking(last(), present()) == [], ADVICE


def _queue(contracts: Contracts) -> dict[str, Any]:
    return next(each for each in contracts[TOPOLOGY]["queues"] if each["name"] == "parser.mail-fetched.live")


def _content(contracts: Contracts) -> dict[str, Any]:
    definitions: dict[str, Any] = contracts[PARSED]["$defs"]["Content"]
    return definitions


BROKEN: dict[str, tuple[Callable[[Contracts], object], str]] = {
    "a message goes": (lambda now: now.pop(FETCHED), f"{FETCHED} is gone"),
    "a field goes": (lambda now: now[ATTENTION]["properties"].pop("account"), f"{ATTENTION}.account is gone"),
    "a field is needed": (lambda now: now[FETCHED]["required"].append("blob"), f"{FETCHED}.blob is needed now"),
    "a field becomes optional": (
        lambda now: now[ATTENTION]["required"].remove("account"),
        f"{ATTENTION}.account may be missing now",
    ),
    "a type changes": (
        lambda now: now[ATTENTION]["properties"]["account"].update(type="integer"),
        f"{ATTENTION}.account: type was",
    ),
    "a limit comes": (
        lambda now: now[ATTENTION]["properties"]["account"].update(maxLength=3),
        f"{ATTENTION}.account: maxLength was null",
    ),
    "an inner field goes": (
        lambda now: _content(now)["properties"].pop("subject"),
        f"{PARSED}.content.subject is gone",
    ),
    "a queue changes": (
        lambda now: _queue(now)["arguments"].update({"x-max-length": 1}),
        "parser.mail-fetched.live has other properties",
    ),
    "a binding goes": (lambda now: now[TOPOLOGY]["bindings"].pop(0), "bindings: leadmail"),
}


@pytest.mark.parametrize("change", BROKEN)
def test_a_broken_promise_is_found(change: str) -> None:
    """The check above finds violations, and says where they are."""
    break_it, said = BROKEN[change]
    now = copy.deepcopy(present())
    break_it(now)
    assert any(said in promise for promise in breaking(present(), now)), breaking(present(), now)


def test_additions_are_free() -> None:
    """Another optional field, message or queue breaks nothing; neither do other descriptions."""
    now = copy.deepcopy(present())
    now[FETCHED]["properties"]["hint"] = {"type": "string", "default": ""}
    now[FETCHED]["description"] = "Other words."
    now["mail.seen.v1"] = {"type": "object"}
    now[TOPOLOGY]["queues"].append({**_queue(now), "name": "reader.mail-seen"})
    assert breaking(present(), now) == []


def test_a_retry_plan_may_change() -> None:
    """A delay that is no longer used takes its queue and binding along: what waits there still returns to its own queue."""
    now = copy.deepcopy(present())
    topology = now[TOPOLOGY]
    dropped = "parser.mail-fetched.live.retry-600s"
    topology["queues"] = [queue for queue in topology["queues"] if queue["name"] != dropped]
    topology["bindings"] = [binding for binding in topology["bindings"] if binding["destination"] != dropped]
    assert breaking(present(), now) == []
    assert len(topology["queues"]) == len(present()[TOPOLOGY]["queues"]) - 1


def test_the_newest_release_counts(tmp_path: Path) -> None:
    """Versions are compared as numbers: 0.10.0 came after 0.9.0."""
    record("0.9.0", tmp_path)
    newest = record("0.10.0", tmp_path)
    (newest / f"{FETCHED}.json").write_text("{}", encoding="utf-8")
    assert last(tmp_path)[FETCHED] == {}


def asyncapi_faults(document: dict[str, Any]) -> list[str]:
    """Return what the AsyncAPI Initiative's schema has against a document."""
    schema = json.loads(ASYNCAPI.read_text(encoding="utf-8"))
    found = jsonschema.Draft7Validator(schema).iter_errors(document)
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found]


def test_the_asyncapi_document_is_valid() -> None:
    """docs/asyncapi.yaml is an AsyncAPI 3 document, by its official schema."""
    document = yaml.safe_load((derived.ROOT / derived.ASYNCAPI).read_text(encoding="utf-8"))
    assert asyncapi_faults(document) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("info", "version"), 1),
        (("channels", "parser.mail-fetched.live", "adress"), "mail.fetched.v1.live"),
        (("channels", "parser.mail-fetched.live", "bindings", "amqp", "is"), "topic"),
        (("operations",), []),
    ],
)
def test_an_invalid_asyncapi_document_is_found(path: tuple[str, ...], value: object) -> None:
    """The check above notices a wrong type, a misspelt field and a binding that AMQP does not have."""
    document = yaml.safe_load((derived.ROOT / derived.ASYNCAPI).read_text(encoding="utf-8"))
    node = document
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    assert asyncapi_faults(document) != []


@pytest.mark.parametrize("name", [name for name in present() if name != TOPOLOGY])
def test_the_json_schemas_are_schemas(name: str) -> None:
    """Each message's schema is valid by the meta schema that it names, and all its references resolve."""
    schema = present()[name]
    validator = jsonschema.validators.validator_for(schema)
    assert validator is jsonschema.Draft202012Validator
    validator.check_schema(schema)
    assert "$ref" not in schema or schema["$ref"].rpartition("/")[2] in schema["$defs"]


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "samples").glob("*.json")), ids=lambda path: path.stem)
def test_samples_obey_their_schema(path: Path) -> None:
    """Messages on the wire obey their schema, so other programs may generate readers from it."""
    sample = json.loads(path.read_text(encoding="utf-8"))
    name = ".".join(path.name.split(".")[:3])
    fields = {key: value for key, value in sample["fields"].items() if key != "id"}
    jsonschema.Draft202012Validator(present()[name]).validate(fields)
