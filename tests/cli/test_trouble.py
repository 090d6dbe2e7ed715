"""An account that cannot go on says why, in words and for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import MongoClient

from schemas.accounts import Trouble
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
