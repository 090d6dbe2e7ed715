"""The shell's completion: names from the database, and silence without one."""

from __future__ import annotations

import pytest

from tests.cli.fixtures import ANNA, KIM, LUC, Deployment


def offered(deployment: Deployment, typed: str, **changes: str) -> list[str]:
    """Return what bash offers for the last word of a line."""
    words = typed.split(" ")
    asked = {"_LEADMAIL_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    done = deployment.run(**asked, **changes)
    assert done.errors == ""
    return done.out.split()


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("leadmail account show an", [ANNA]),
        ("leadmail account show lu", []),
        ("leadmail account pause an", [ANNA]),
        ("leadmail ledger check anna.", []),
        ("leadmail dead-letters list --account a", [ANNA]),
        ("leadmail user disable lu", [LUC]),
        ("leadmail contact show ki", [KIM]),
        ("leadmail emails k", [KIM]),
        ("leadmail emails kim@customer.example --viewer l", [LUC]),
        ("leadmail stat", ["status"]),
    ],
)
def test_names_are_completed(deployment: Deployment, typed: str, names: list[str]) -> None:
    """Of accounts, users and records, each where it is asked for; of commands, as ever."""
    assert offered(deployment, typed) == names


@pytest.mark.parametrize(
    "changes",
    [
        {"LEADMAIL_MONGO_URL": "mongodb://127.0.0.1:1/?replicaSet=rs0&serverSelectionTimeoutMS=600000"},
        {"LEADMAIL_MONGO_URL": "nonsense"},
        {"LEADMAIL_MONGO_URL": ""},
    ],
    ids=["down", "wrong", "unset"],
)
def test_without_a_database_there_are_no_names(deployment: Deployment, changes: dict[str, str]) -> None:
    """Nothing is said, and the shell does not wait as long as a command may for a database: here longer than a test may take."""
    assert offered(deployment, "leadmail account show an", **changes) == []
