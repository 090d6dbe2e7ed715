"""An account that cannot go on says why, in words and for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import MongoClient

from schemas.accounts import Trouble
from services.cli.operations import mailbox_diagnosis
from services.cli.operations.diagnosis import State
from services.store import TroubleGroup
from services.store.core.documents import plain
from tests.cli.fixtures import ANNA, Deployment
from tests.factories import INBOX


def troubled(deployment: Deployment, *, told: bool = False) -> Trouble:
    """Store a trouble as a poller does."""
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    trouble = Trouble(
        code="count-contradicted",
        phase="backfill",
        folder=INBOX,
        since=since,
        next_try=since + timedelta(days=3),
        detail="the server says that the folder holds 5 messages, and names 3",
        owner_told=told,
    )

    with MongoClient[dict[str, Any]](deployment.environment["LEADMAIL_MONGO_URL"]) as client:
        accounts = client[deployment.environment["LEADMAIL_MONGO_DATABASE"]]["accounts"]
        accounts.update_one({"address": ANNA}, {"$set": {"trouble": plain(trouble)}})
    return trouble


def test_the_account_shows_it(deployment: Deployment) -> None:
    """What, where, since when, what next: nothing of it needs a log."""
    assert deployment.run("account", "show", ANNA, "--json").json()["trouble"] is None
    trouble = troubled(deployment)
    shown = " ".join(deployment.ok("account", "show", ANNA).split())
    for words in (
        "names fewer or more messages than it says that a folder holds",
        "while importing earlier mail in the folder INBOX (count-contradicted)",
        "2 d ago",
        "holds 5 messages, and names 3",
        "tried again",
        "Leadmail believes no such answer and asks again",
        "has not been told",
    ):
        assert words in shown, words
    found = deployment.run("account", "show", ANNA, "--json").json()["trouble"]
    assert (found["code"], found["folder"], found["owner_told"]) == (trouble.code, INBOX, False)
    assert "active (count-contradicted for 2 d)" in " ".join(deployment.ok("account", "list").split())


def test_the_status_and_the_doctor_count_it(deployment: Deployment) -> None:
    """An operator sees how many accounts cannot go on, why and since when; the doctor does not say that nothing is wrong."""
    assert deployment.run("status", "--json").json()["troubles"] == []
    assert checks_of(deployment)["trouble"]["state"] == "fine"
    trouble = troubled(deployment)
    shown = " ".join(deployment.ok("status").split())
    assert "1 account cannot go on: the mail server names fewer or more messages" in shown
    found = deployment.run("status", "--json").json()
    assert [(one["code"], one["accounts"]) for one in found["troubles"]] == [(trouble.code, 1)]
    assert [one["trouble"]["code"] for one in found["accounts"] if one["trouble"]] == [trouble.code]
    check = checks_of(deployment)[f"trouble: {trouble.code}"]
    assert check["state"] == "wrong"
    assert check["found"].startswith("1 account, the oldest for 2 d: ")
    assert "must repair the mailbox" in check["advice"]


def checks_of(deployment: Deployment) -> dict[str, dict[str, str]]:
    """Return what the doctor finds by name."""
    return {check["name"]: check for check in deployment.run("doctor", "--json").json()["checks"]}


def test_what_is_new_is_a_warning() -> None:
    """Most troubles pass: a server that is down for a minute is nothing to act on."""
    (check,) = mailbox_diagnosis.troubles([TroubleGroup("timeout", 3, datetime.now(UTC) - timedelta(minutes=5))])
    assert (check.name, check.state) == ("trouble: timeout", State.WARNING)
    assert check.found.startswith("3 accounts, the oldest for 5 min: ")


def test_folders_show_what_is_missing(deployment: Deployment) -> None:
    """What the server holds, what was found, and what became of the rest, also of what is tried again."""
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    with MongoClient[dict[str, Any]](deployment.environment["LEADMAIL_MONGO_URL"]) as client:
        database = client[deployment.environment["LEADMAIL_MONGO_DATABASE"]]
        database["folders"].update_one({"id": INBOX}, {"$set": {"expected": 1500, "found": 1499}})
        doubtful = {"state": "planned", "doubt": "withheld", "doubts": 1, "retry_at": later}
        database["ledger"].update_one({"folder": INBOX, "state": "attached"}, {"$set": doubtful})
    for words in (("account", "show", ANNA), ("account", "folders", ANNA)):
        shown = " ".join(deployment.ok(*words).split())
        assert "INBOX yes 1,500 1,499 1 left out: parser-died; 1 not delivered yet: withheld; tried again" in shown
        answer = deployment.run(*words, "--json").json()
        folders = {one["name"]: one for one in answer["folder_list" if words[1] == "show" else "folders"]}
        assert (folders["INBOX"]["expected"], folders["INBOX"]["found"]) == (1500, 1499)
        assert folders["INBOX"]["left_out"] == {"parser-died": 1}
        assert folders["INBOX"]["waiting"] == {"withheld": 1}
        assert datetime.fromisoformat(folders["INBOX"]["next_try"]) == later
        assert folders["Trash"]["messages"] == {}
