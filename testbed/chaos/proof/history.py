"""Keeps how a database came to hold what it holds: the replica set's log of its writes, without the text of mail."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bson import json_util
from pymongo import MongoClient

_FILE = "writes.jsonl"
_OMITTED = ("blobs.files", "blobs.chunks", "audit", "turns", "pollers", "key_holders")
_TEXT = ("text", "html", "snippet", "parts", "attachments")


def keep(url: str, names: Iterable[str], folder: Path) -> Path:
    """Write every write to the databases, oldest first, one line each. Returns the file."""
    ours = re.compile(f"^({'|'.join(map(re.escape, names))})\\.")
    query = {"$or": [{"ns": ours}, {"o.applyOps.ns": ours}]}
    path = folder / _FILE
    with MongoClient[dict[str, Any]](url) as client, path.open("w") as file:
        for entry in client["local"]["oplog.rs"].find(query).sort("$natural", 1):
            for write in entry["o"].get("applyOps", ()) if entry["ns"] == "admin.$cmd" else (entry,):
                if ours.match(write["ns"]) and write["ns"].partition(".")[2] not in _OMITTED:
                    file.write(json_util.dumps(_line(entry, write)) + "\n")
    return path


def _line(entry: dict[str, Any], write: dict[str, Any]) -> dict[str, Any]:
    content = {name: value for name, value in write["o"].items() if name not in _TEXT}
    return {
        "ts": [entry["ts"].time, entry["ts"].inc],
        "term": entry["t"],
        "wall": entry["wall"],
        "session": entry.get("lsid", {}).get("id"),
        "ns": write["ns"],
        "op": write["op"],
        "of": write.get("o2"),
        "o": content,
    }
