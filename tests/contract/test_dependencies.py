"""The direction of imports: schemas <- runtime <- amqp; schemas <- store, mailbox; then stages and usecases; then cli and console."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("schemas", "services", "testbed", "tools", "deploy", "tests")
STAGES = ("poller", "parser", "matcher", "notifier")
SHARED = {"schemas", "services.amqp", "services.runtime", "services.store", "services.mailbox"}
FRONTS = ("cli", "console")
"""The ways in for people."""
MAY_IMPORT: dict[str, set[str]] = {
    "schemas": {"schemas"},
    "services.front_door": set(),
    "services.runtime": {"schemas", "services.runtime"},
    "services.amqp": {"schemas", "services.front_door", "services.runtime", "services.amqp"},
    "services.store": {"schemas", "services.front_door", "services.store"},
    "services.mailbox": {"schemas", "services.front_door", "services.mailbox"},
    "services.wording": {"schemas", "services.front_door", "services.store", "services.wording"},
    "services.settings": {"services.runtime"},
    "services.wiring": SHARED,
    "services.usecases": SHARED | {"services.usecases", "services.wording"},
    **{f"services.{stage}": SHARED | {f"services.{stage}", "services.wording"} for stage in STAGES},
    **{
        f"services.{front}": SHARED
        | {f"services.{front}", "services.usecases", "services.wording", "services.wiring", "services.settings"}
        for front in FRONTS
    },
}
"""Which packages a package may import. ``store`` and ``mailbox`` know no queues; the settings they need are passed in."""


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
    """Return the modules that a source imports, anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


WIRED_BY = {"services.wiring", "services.settings"}


def forbidden(module: str, source: str) -> list[str]:
    """Return what a module imports and may not. Only ``__main__``, which starts a process, wires."""
    allowed = MAY_IMPORT.get(room(module), SHARED) | (WIRED_BY if module.endswith(".__main__") else set())
    return [
        name
        for name in imports(source)
        if name.split(".")[0] in OURS and name != "services" and room(name) not in allowed
    ]


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda each: each if isinstance(each, str) else "")
def test_imports_point_inwards(module: str, path: Path) -> None:
    """A module imports only from its own room and those below it; stages never import one another, nor testbed, tools or deploy."""
    if module == "services":
        return
    assert forbidden(module, path.read_text(encoding="utf-8")) == []


def test_every_room_has_its_rule() -> None:
    """A new room under ``services`` needs a rule here."""
    assert {room(module) for module, _ in modules()} - {"services"} <= set(MAY_IMPORT)


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("schemas.mail", "from services.amqp.delivery.bus import Bus", ["services.amqp.delivery.bus.Bus"]),
        ("services.parser.handler", "from services.matcher.handler import handle", ["services.matcher.handler.handle"]),
        (
            "services.parser.handler",
            "def f():\n    import services.poller.copies.account_context",
            ["services.poller.copies.account_context"],
        ),
        ("services.parser.handler", "from services import poller", ["services.poller"]),
        ("services.store.mail.blobs", "import services.amqp.rabbitmq.bus", ["services.amqp.rabbitmq.bus"]),
        ("services.mailbox.connection.tls", "from services.store import Store", ["services.store.Store"]),
        (
            "services.usecases.overview",
            "from services.cli.terminal.output import say",
            ["services.cli.terminal.output.say"],
        ),
        (
            "services.console.pages.records",
            "from services.cli.terminal.output import say",
            ["services.cli.terminal.output.say"],
        ),
        (
            "services.poller.copies.account_context",
            "from services.usecases.dead_letters import drop",
            ["services.usecases.dead_letters.drop"],
        ),
        ("services.console.pages.records", "from services.usecases import overview\nfrom services import wording", []),
        ("services.cli.operations.run", "from testbed.local import LocalServers", ["testbed.local.LocalServers"]),
        (
            "services.poller.copies.account_context",
            "from services.wiring import make_store",
            ["services.wiring.make_store"],
        ),
        ("services.poller.__main__", "from services.wiring import make_store", []),
        ("services.poller.copies.account_context", "from services.store.store import Store\nimport schemas.mail", []),
    ],
)
def test_the_rule_finds_offenders(module: str, source: str, wrong: list[str]) -> None:
    """The check above finds violations."""
    assert forbidden(module, source) == wrong


PACKAGES = {
    ".".join(path.parent.relative_to(ROOT).parts)
    for top in ("schemas", "services")
    for path in (ROOT / top).rglob("__init__.py")
}
FILES = {name for name, _ in modules()}


def target(name: str) -> str:
    """Return the module that an imported name is, or is in."""
    return name if name in FILES else name.rpartition(".")[0]


def package(module: str) -> str:
    """Return the package of a module; a package is its own."""
    return module if module in PACKAGES else module.rpartition(".")[0]


def test_no_two_packages_import_each_other() -> None:
    """Between two packages (sub-packages, too) imports have one direction. A front door that re-exports its own modules does not count."""
    pairs: dict[tuple[str, str], str] = {}
    for module, path in modules():
        if module in PACKAGES:
            continue
        for name in imports(path.read_text(encoding="utf-8")):
            if name.split(".")[0] in ("schemas", "services") and package(target(name)) != package(module):
                pairs[package(module), package(target(name))] = f"{module} -> {target(name)}"
    assert {pairs[one, other] for one, other in pairs if (other, one) in pairs} == set()


def closed(name: str) -> bool:
    """Whether a package has a front door: an ``__init__`` with an ``__all__``."""
    path = ROOT.joinpath(*name.split("."), "__init__.py")
    return name in PACKAGES and "__all__ = [" in path.read_text(encoding="utf-8")


def past_the_door(module: str, source: str) -> list[str]:
    """Return what a module imports from the inside of another package that has a front door."""
    found = []
    for name in imports(source):
        parts = target(name).split(".")
        for depth in range(1, len(parts)):
            outer = ".".join(parts[:depth])
            if closed(outer) and not f"{module}.".startswith(f"{outer}."):
                found.append(name)
                break
    return found


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda each: each if isinstance(each, str) else "")
def test_no_module_reaches_past_a_front_door(module: str, path: Path) -> None:
    """If a package's ``__init__`` has an ``__all__``, others import only that."""
    assert past_the_door(module, path.read_text(encoding="utf-8")) == []


DRIVERS = re.compile(r"(pymongo|bson|gridfs)\b")
OPENS_THE_CONNECTION = ("services.store", "services.runtime", "services.wiring")


@pytest.mark.parametrize(("module", "path"), list(modules()), ids=lambda each: each if isinstance(each, str) else "")
def test_only_the_store_knows_the_driver(module: str, path: Path) -> None:
    """Only ``store``, and what opens the connection, imports pymongo or bson."""
    if room(module) not in OPENS_THE_CONNECTION:
        assert [name for name in imports(path.read_text(encoding="utf-8")) if DRIVERS.match(name)] == []


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
    """Return how a source queries the database directly: awaited methods of collections, and collections taken from a database."""
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
    """No module outside the store names collections or queries the database."""
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
    """The check above finds violations."""
    assert queries(source) == found
