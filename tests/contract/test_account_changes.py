"""A poller reads an account again when its document says that it was changed, so every writer has to say so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

STORE = Path(__file__).parents[2] / "services" / "store"
WRITES = {"update_one", "update_many", "find_one_and_update", "bulk_write", "replace_one", "find_one_and_replace"}
UNMARKED = {
    "core.fence._checked": "the fence of a poller's own writes",
    "core.migrations._keep_own_addresses": "runs before any poller of this version",
    "sync.leases._claim": "the lease itself",
    "sync.leases._renew": "the lease itself",
    "sync.leases.release": "the lease itself",
    "sync.epochs.start": "the poller's own, which knows the number",
    "sync.account_troubles.block": "the poller's own; it ends the worker",
    "sync.account_troubles.note": "the poller's own; for people",
    "sync.accounts.save_credentials": "a blocked account has no poller; the credentials are marked by _change",
    "sync.blocked_accounts.claim": "a blocked account has no poller",
    "sync.blocked_accounts.postpone": "a blocked account has no poller",
    "sync.blocked_accounts.note_reason": "a blocked account has no poller",
    "sync.blocked_accounts.unblock": "a blocked account has no poller",
    "sync.former_accounts.connect_again": "a disconnected account has no poller",
    "sync.attention._claim": "which mail was sent about it",
    "sync.attention.renew": "which mail was sent about it",
    "sync.attention.release": "which mail was sent about it",
    "sync.attention.postpone": "which mail was sent about it",
    "sync.attention.sent": "which mail was sent about it",
}
"""Functions that change accounts without a poller having to notice, and why."""


def writers() -> Iterator[tuple[str, bool]]:
    """Yield each function that updates accounts, and whether it uses the mark."""
    for path in sorted(STORE.rglob("*.py")):
        module = ".".join(path.relative_to(STORE).with_suffix("").parts)
        tree = ast.parse(path.read_text())
        bodies = [tree.body, *(node.body for node in tree.body if isinstance(node, ast.ClassDef))]
        for node in (each for body in bodies for each in body):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
                if any(isinstance(call, ast.Attribute) and call.attr in WRITES and of_accounts(call) for call in calls):
                    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
                    yield f"{module}.{node.name}", "CHANGED" in names


def of_accounts(call: ast.Attribute) -> bool:
    """Whether the collection is that of accounts."""
    return isinstance(call.value, ast.Attribute) and call.value.attr in ("accounts", "_accounts")


FOUND = dict(writers())


@pytest.mark.parametrize("writer", FOUND)
def test_a_writer_marks_what_it_changes(writer: str) -> None:
    """It adds ``CHANGED`` to its update, or the poller need not notice."""
    assert FOUND[writer] != (writer in UNMARKED), "add **CHANGED to the update, or a reason to UNMARKED"


def test_no_reason_is_out_of_date() -> None:
    """Each function with a reason still exists."""
    assert UNMARKED.keys() <= FOUND.keys()
