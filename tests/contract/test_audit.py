"""The audit log is append-only: no code of ours changes or deletes an entry, and every act of power makes one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from services.store.core.audit import Audit

ROOT = Path(__file__).parents[2]
CODE = sorted((ROOT / "services").rglob("*.py"))
STORE = ROOT / "services" / "store"
LOG, NAMES, SETUP = (ROOT / "services" / "store" / "core" / f"{name}.py" for name in ("audit", "collections", "setup"))
ADDING = {"insert_one", "find"}
HANDLES = ("c", "self._c", "collections")
"""What the collections are called by."""


def attributes(tree: ast.AST, name: str) -> Iterator[ast.Attribute]:
    """Iterate over every ``something.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == name:
            yield node


def owner(node: ast.Attribute) -> str:
    """Return what stands before the last dot."""
    return ast.unparse(node.value)


def test_one_module_has_the_collection() -> None:
    """The log's collection is named once, made an index of once, and handed to nobody but the module of the log."""
    for file in CODE:
        tree = ast.parse(file.read_text("utf-8"))
        if STORE in file.parents and file != NAMES:
            assert not [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "audit"], (
                file
            )
        if file not in (LOG, SETUP):
            assert not [node for node in attributes(tree, "audit") if owner(node) in HANDLES], file
        for way in ("drop_collection", "drop_database"):
            assert not list(attributes(tree, way)), file


def test_the_module_only_adds() -> None:
    """What it does with the collection is inserting and finding; what others may call is adding and reading."""
    tree = ast.parse(LOG.read_text("utf-8"))
    done = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._audit"
    }
    assert done == ADDING
    assert {name for name in vars(Audit) if not name.startswith("_")} == {"add", "list", "about"}


def test_every_act_of_power_is_noted() -> None:
    """Each of these codes is written somewhere; a new act belongs here and into docs/operations.md."""
    acts = {
        node.args[0].value
        for file in CODE
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "add"
        and ast.unparse(node.func.value).endswith("audit")
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    assert acts >= {
        "account.add",
        "account.credentials",
        "account.disconnect",
        "account.folders",
        "account.purge",
        "account.resync",
        "account.sharing",
        "account.state",
        "company.sharing",
        "console.link",
        "console.sign-in",
        "email.delete",
        "explain",
        "privacy.erase",
        "privacy.export",
        "user.add",
        "user.admin",
    }
