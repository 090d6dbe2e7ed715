"""The audit log is append-only: no code changes or deletes an entry, and every privileged action adds one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from services.store.core.audit import Audit

ROOT = Path(__file__).parents[2]
CODE = sorted((ROOT / "services").rglob("*.py"))
STORE = ROOT / "services" / "store"
LOG, NAMES, SETUP = (ROOT / "services" / "store" / "core" / f"{name}.py" for name in ("audit", "collections", "setup"))
ADDING = {"insert_one", "find"}
ACTION = re.compile(
    r"explain|(account|company|console|dead-letter|email|privacy|record|scim|secrets|user)\.[a-z][a-z-]+"
)
HANDLES = ("c", "self._c", "collections")
"""Expressions that hold the collections."""


def attributes(tree: ast.AST, name: str) -> Iterator[ast.Attribute]:
    """Iterate over every ``something.name``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == name:
            yield node


def owner(node: ast.Attribute) -> str:
    """Return the expression before the last dot."""
    return ast.unparse(node.value)


def test_one_module_has_the_collection() -> None:
    """The log's collection is named once, indexed once, and used only by the module of the log."""
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
    """The module only inserts and finds. Others can only add and read."""
    tree = ast.parse(LOG.read_text("utf-8"))
    done = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self._audit"
    }
    assert done == ADDING
    assert {name for name in vars(Audit) if not name.startswith("_")} == {"add", "newest", "about", "transaction"}


def actions() -> set[str]:
    """Return the codes of every action that the store and the use cases write."""
    files = [file for file in CODE if file.parts[-2] == "usecases" or STORE in file.parents]
    constants = [node for file in files for node in ast.walk(ast.parse(file.read_text("utf-8")))]
    return {
        node.value
        for node in constants
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value)
    } - {"email.content", "record.id", "record.kind"}


def test_every_privileged_action_is_logged() -> None:
    """Each of these codes is written somewhere. Add a new action here and to docs/operations.md."""
    assert actions() >= {
        "account.add",
        "account.credentials",
        "account.disconnect",
        "account.folders",
        "account.members",
        "account.own",
        "account.purge",
        "account.resync",
        "account.share",
        "account.sharing",
        "account.state",
        "company.domains",
        "company.sharing",
        "console.link",
        "console.sign-in",
        "email.delete",
        "email.restore",
        "explain",
        "privacy.erase",
        "secrets.lost",
        "secrets.rotate",
        "secrets.rotated",
        "privacy.export",
        "record.delete",
        "record.edit",
        "scim.group",
        "scim.revoke",
        "scim.token",
        "user.add",
        "user.admin",
        "user.change",
        "user.identity",
    }
