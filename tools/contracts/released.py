"""Compares the present contracts with what the last release promised: ``python -m tools.contracts.released --check|--record``.

During an upgrade, stages of two versions run side by side, and the queues hold messages of the previous version. So a released
message or queue stays as it is. A message may gain optional fields; a message or queue may be added. Anything else is a new
version of the message, with its own routing key and queue.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from schemas.messages import MESSAGES
from tools.contracts.asyncapi import message_name
from tools.contracts.derived import ROOT, definitions, json_schema

FOLDER = ROOT / "schemas" / "released"
TOPOLOGY = "definitions"
ADVICE = (
    "Keep what was released and add beside it: an optional field, a new version of the message, a new queue. Only while that version "
    "is not released yet, record it again: `python -m tools.contracts.released --record`."
)
_ANNOTATIONS = {"title", "description", "examples", "default", "$id", "$defs"}
"""What says nothing about which values there are."""

Schema = dict[str, Any]


def present() -> dict[str, Schema]:
    """Return the contracts of this version: the schema of each message by name, and the broker's definitions."""
    return {**{message_name(each): json_schema(each) for each in MESSAGES}, TOPOLOGY: definitions()}


def last(folder: Path = FOLDER) -> dict[str, Schema]:
    """Return the contracts of the newest release that was recorded.

    Raises:
        FileNotFoundError: none was.
    """
    releases = sorted(folder.iterdir(), key=lambda path: tuple(int(part) for part in path.name.split(".")))
    if not releases:
        raise FileNotFoundError(folder)
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in releases[-1].glob("*.json")}


def breaking(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """Return every promise of ``old`` that ``new`` does not keep."""
    found: list[str] = []
    for name, schema in sorted(old.items()):
        if name not in new:
            found.append(f"{name} is gone")
        elif name == TOPOLOGY:
            found += _topology(schema, new[name])
        else:
            found += _changes(name, schema, new[name], schema, new[name])
    return found


def _changes(where: str, old: Schema, new: Schema, old_root: Schema, new_root: Schema) -> Iterator[str]:
    """Yield how a schema differs other than by optional fields; references are followed."""
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    before, after = old.get("properties", {}), new.get("properties", {})
    for field, schema in before.items():
        if field not in after:
            yield f"{where}.{field} is gone"
        else:
            yield from _changes(f"{where}.{field}", schema, after[field], old_root, new_root)
    yield from (
        f"{where}.{field} is needed now"
        for field in sorted(set(new.get("required", [])) - set(old.get("required", [])))
    )
    yield from (
        f"{where}.{field} may be missing now"
        for field in sorted(set(old.get("required", [])) - set(new.get("required", [])))
    )
    for keyword in sorted((old.keys() | new.keys()) - _ANNOTATIONS - {"properties", "required"}):
        was, is_ = old.get(keyword), new.get(keyword)
        if isinstance(was, dict) and isinstance(is_, dict):
            yield from _changes(f"{where}.{keyword}", was, is_, old_root, new_root)
        elif (
            isinstance(was, list)
            and isinstance(is_, list)
            and len(was) == len(is_)
            and all(isinstance(each, dict) for each in was + is_)
        ):
            for number, pair in enumerate(zip(was, is_, strict=True)):
                yield from _changes(f"{where}.{keyword}[{number}]", *pair, old_root, new_root)
        elif was != is_:
            yield f"{where}: {keyword} was {json.dumps(was)} and is {json.dumps(is_)}"


def _resolved(schema: Schema, root: Schema) -> Schema:
    reference = schema.get("$ref")
    return root["$defs"][reference.rpartition("/")[2]] if reference else schema


def _topology(old: Schema, new: Schema) -> Iterator[str]:
    """Yield what a broker with the old definitions would not let the new version declare, or would not deliver to it.

    A queue that passes its messages on after a delay may be dropped: it empties by itself, and the old version declares it again.
    """
    delays = {queue["name"] for queue in old["queues"] if "x-message-ttl" in queue["arguments"]}
    for kind, keys in (
        ("exchanges", ("name",)),
        ("queues", ("name",)),
        ("bindings", ("source", "destination", "routing_key")),
    ):
        now = {tuple(each[key] for key in keys): each for each in new[kind]}
        for each in old[kind]:
            name = tuple(each[key] for key in keys)
            if name not in now:
                if delays.isdisjoint(name):
                    yield f"{kind}: {' '.join(name)} is gone"
            elif now[name] != each:
                yield f"{kind}: {' '.join(name)} has other properties"


def record(version: str, folder: Path = FOLDER) -> Path:
    """Write the present contracts as those of a release; returns their folder."""
    target = folder / version
    target.mkdir(parents=True, exist_ok=True)
    for name, contract in present().items():
        text = json.dumps(contract, indent=2, ensure_ascii=False) + "\n"
        (target / f"{name}.json").write_text(text, encoding="utf-8")
    return target


def main() -> int:
    """Check or record; 1 when a promise is broken."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.contracts.released", description="The contracts of the last release."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="name every promise of the last release that is not kept")
    what.add_argument(
        "--record", action="store_true", help="record the present contracts as those of this version, on its release"
    )
    if parser.parse_args().record:
        sys.stdout.write(f"{record(metadata.version('leadmail')).relative_to(ROOT)}\n")
        return 0
    broken = breaking(last(), present())
    for promise in broken:
        sys.stderr.write(f"{promise}\n")
    if broken:
        sys.stderr.write(f"{ADVICE}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
