"""Who may import whom: schemas <- runtime, store, mailbox <- stages; and <- desk <- cli, console. Read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAGES = ("poller", "parser", "matcher", "notifier")
SHARED = {"schemas", "services.runtime", "services.store", "services.mailbox"}
FRONTS = ("cli", "console")
"""Where people come in."""
MAY_IMPORT: dict[str, set[str]] = {
    "schemas": {"schemas"},
    "services.runtime": {"schemas", "services.runtime"},
    "services.store": {"schemas", "services.store"},
    "services.mailbox": {"schemas", "services.mailbox"},
    **{f"services.{stage}": SHARED | {f"services.{stage}", "services.words"} for stage in STAGES},
    **{
        f"services.{front}": SHARED | {f"services.{front}", "services.desk", "services.words", "services.wiring"}
        for front in FRONTS
    },
    "services.desk": SHARED | {"services.desk", "services.words"},
    "services.words": {"schemas", "services.store", "services.words"},
    "services.wiring": SHARED,
}
"""``store`` and ``mailbox`` know no queues; what they need of the settings is given to them."""

ERRORS_FOR_ALL = {"services.runtime.errors"}
"""The vocabulary in which everything fails."""


def room(module: str) -> str:
    """Return the room of a module: ``schemas`` or ``services.<name>``."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "services" else parts[0]


def modules() -> Iterator[tuple[str, Path]]:
    """Return every module of ours by name."""
    for top in ("schemas", "services"):
        for path in sorted((ROOT / top).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports(source: str) -> Iterator[str]:
    """Return the modules that a source names in imports, wherever they stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def forbidden(module: str, source: str) -> list[str]:
    """Return what a module imports and may not. Only who starts a process, ``__main__``, wires."""
    allowed = MAY_IMPORT.get(room(module), SHARED) | ({"services.wiring"} if module.endswith(".__main__") else set())
    return [
        name
        for name in imports(source)
        if name.split(".")[0] in ("schemas", "services", "deploy")
        and name != "services"
        and room(name) not in allowed
        and not any(name.startswith(each) for each in ERRORS_FOR_ALL)
    ]


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda each: each if isinstance(each, str) else "")
def test_imports_point_inwards(module: str, path: Path) -> None:
    """A module imports only from its own room and those below it; stages never import one another, nothing imports deploy."""
    if module == "services":
        return
    assert forbidden(module, path.read_text(encoding="utf-8")) == []


def test_every_room_has_its_rule() -> None:
    """A new room under ``services`` is entered here before anything is in it."""
    assert {room(module) for module, _ in modules()} - {"services"} <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("schemas.mail", "from services.runtime.bus import Bus", ["services.runtime.bus.Bus"]),
        ("services.parser.handler", "from services.matcher.handler import handle", ["services.matcher.handler.handle"]),
        ("services.parser.handler", "def f():\n    import services.poller.work", ["services.poller.work"]),
        ("services.parser.handler", "from services import poller", ["services.poller"]),
        ("services.store.blobs", "import services.runtime.rabbit", ["services.runtime.rabbit"]),
        ("services.mailbox.tls", "from services.store import Store", ["services.store.Store"]),
        ("services.desk.looking", "from services.cli.output import say", ["services.cli.output.say"]),
        ("services.console.records", "from services.cli.output import say", ["services.cli.output.say"]),
        ("services.poller.work", "from services.desk.letters import drop", ["services.desk.letters.drop"]),
        ("services.console.records", "from services.desk import looking\nfrom services import words", []),
        ("services.cli.run", "from deploy.local import LocalServers", ["deploy.local.LocalServers"]),
        ("services.poller.work", "from services.wiring import make_store", ["services.wiring.make_store"]),
        ("services.poller.__main__", "from services.wiring import make_store", []),
        ("services.poller.work", "from services.store.store import Store\nimport schemas.mail", []),
    ],
)
def test_the_rule_finds_offenders(module: str, source: str, wrong: list[str]) -> None:
    """The check above notices what it is there for."""
    assert forbidden(module, source) == wrong


QUERIES = (
    *(
        "find",
        "find_one",
        "insert_one",
        "insert_many",
        "update_one",
        "update_many",
        "replace_one",
        "delete_one",
        "delete_many",
    ),
    *(
        "bulk_write",
        "aggregate",
        "find_one_and_update",
        "find_one_and_delete",
        "find_one_and_replace",
        "count_documents",
    ),
    *("create_index", "create_indexes", "watch", "get_collection"),
)
OF_THE_STORE = re.compile(r"\b_?store\b")
COLLECTIONS = re.compile(
    r"pymongo\.(?:asynchronous\.)?(?:collection|operations|[A-Z]\w*(?:One|Many)$|IndexModel)|gridfs"
)


def queries(source: str) -> list[str]:
    """Return what a source asks the database itself: awaited calls that collections have, and collections taken from a database."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Await(value=ast.Call(func=ast.Attribute(attr=name) as function)) if name in QUERIES:
                found.append(ast.unparse(function))
            case ast.Subscript(value=ast.Attribute(attr="database" | "crm"), slice=ast.Constant(value=str())):
                found.append(ast.unparse(node))
    return [each for each in found if not OF_THE_STORE.search(each)] + [
        name for name in imports(source) if COLLECTIONS.match(name)
    ]


@pytest.mark.parametrize(
    ("module", "path"),
    [(module, path) for module, path in modules() if room(module) != "services.store"],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_only_the_store_queries(module: str, path: Path) -> None:
    """No module outside the store names collections or asks the database anything."""
    assert queries(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("async def f(stage): await stage.database.emails.find_one({})", ["stage.database.emails.find_one"]),
        ("async def f(stage): x = stage.crm['leads']", ["stage.crm['leads']"]),
        ("from pymongo import UpdateOne", ["pymongo.UpdateOne"]),
        (
            "from pymongo.asynchronous.collection import AsyncCollection",
            ["pymongo.asynchronous.collection.AsyncCollection"],
        ),
        ("async def f(self): await self._store.records.find('x')", []),
        ("async def f(text): return text.find('x')", []),
    ],
)
def test_the_rule_finds_queries(source: str, found: list[str]) -> None:
    """The check above notices what it is there for."""
    assert queries(source) == found
