"""Every trouble that a poller can store has words and advice."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.accounts import Trouble
from services.mailbox import advice
from services.mailbox.connection import Code
from tests.factories import account

RAISED = re.compile(r"^[a-z0-9]+(-[a-z0-9]+)+$")


def _raised() -> set[str]:
    """Return the codes that the code names where it raises a contradiction or notes a trouble."""
    found = set()
    for path in (*Path("services/mailbox/imap").rglob("*.py"), *Path("services/poller").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and "Error" in ast.unparse(node.func) and node.args:
                found |= {
                    one.value
                    for one in ast.walk(node.args[0])
                    if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
            elif isinstance(node, ast.FunctionDef) and node.name == "describe_trouble":
                found |= {
                    one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)
                }
    return {code for code in found if RAISED.match(code)}


def test_every_code_has_words() -> None:
    """Nobody reads a bare code."""
    raised = _raised()
    assert {"no-inbox", "many-gone", "count-contradicted", "connection-lost", "too-much-data"} <= raised
    codes = {code.value for code in Code} | raised | {"uid-out-of-range"}
    assert not {code for code in codes if advice.cause(code) == code.replace("-", " ")}
    assert all(advice.what_to_do(code).endswith(".") for code in codes)


@pytest.mark.parametrize(
    ("code", "words"),
    [("many-gone", "only a small part of a folder"), ("throttled", "limits how fast"), ("unheard-of", "unheard of")],
)
def test_what_an_account_cannot_do(code: str, words: str) -> None:
    """The words name the cause, the work and the folder; the owner's sentence is whole."""
    trouble = Trouble(
        code=code, phase="compare", folder="a" * 12, since=datetime.now(UTC), detail="3 of 5,000 are left"
    )
    assert words in advice.trouble_words(trouble, "Projects")
    assert "in the folder Projects" in advice.trouble_words(trouble, "Projects")
    sentence, _, _ = advice.of_trouble(account("anna@nw.example"), trouble)
    assert words in sentence.lower()
    assert sentence.endswith(".")
