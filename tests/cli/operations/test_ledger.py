"""``leadmail ledger check`` as a command, and what it says while the mailbox moves. The gaps themselves: tests/poller."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.ledger import RowState
from services.cli.operations import ledger_compare
from services.cli.operations.ledger_compare import FolderBalance, compare_account
from services.mailbox.connection import SecretBox
from services.mailbox.imap import Listed, OpenFolder
from services.store import Store
from services.store.core.documents import now
from tests.cli.fixtures import ANNA, Deployment
from tests.factories import INBOX


class Moving:
    """A mailbox with one folder that changes between the first look and the second."""

    gmail = False

    def __init__(self, *looks: set[int], agreed: bool = True) -> None:
        self.looks = list(looks)
        self.agreed = agreed

    async def folders(self) -> list[Listed]:
        """Answer LIST."""
        return [Listed(b"INBOX", "/", frozenset())]

    async def read(self, folder: bytes) -> OpenFolder:
        """Answer the next look."""
        return OpenFolder(1, frozenset(self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]), self.agreed)


def compared(deployment: Deployment, first: set[int], second: set[int], *, live_next: int = 10) -> FolderBalance:
    """Compare Anna's INBOX, whose ledger has uids 1, 2 and 3, with what a mailbox answers first and second."""

    async def go(store: Store, _: SecretBox) -> FolderBalance:
        account = await store.accounts.find(ANNA)
        await store._collections.folders.update_one({"id": INBOX}, {"$set": {"live_next": live_next}})
        await store._collections.accounts.update_one({"_id": account.id}, {"$set": {"resync_requested": False}})
        reader: Any = Moving(first, second)
        (found,) = await compare_account(store, await store.accounts.find(ANNA), reader)
        assert found.server == found.rows + len(found.lost) + found.unseen - len(found.stale)
        return found

    return deployment.store(go)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_compare, "SETTLE_SECONDS", 0.0)


@pytest.mark.parametrize(
    ("first", "second", "lost", "stale", "server"),
    [
        ({1, 2, 3}, set(), [], [], 3),
        ({1, 2, 3, 4}, {4}, [4], [], 4),
        ({1, 2, 3, 4}, set(), [], [], 3),
        ({1, 3}, set(), [], [2], 2),
        ({1, 3}, {2}, [], [], 3),
        (set(), set(), [], [1, 2, 3], 0),
    ],
    ids=["balanced", "lost", "expunged-meanwhile", "stale", "shown-late", "all-gone"],
)
def test_differences_are_checked_twice(
    deployment: Deployment, *, first: set[int], second: set[int], lost: list[int], stale: list[int], server: int
) -> None:
    """Only a difference that the server reports twice is a gap."""
    found = compared(deployment, first, second)
    assert (found.lost, found.stale, found.server) == (lost, stale, server)
    assert found.balanced == (not lost and not stale)


def test_mail_above_the_newest_that_was_taken_in_is_not_seen_yet(deployment: Deployment) -> None:
    """Mail newer than the poller's last look counts separately, and is no gap."""
    found = compared(deployment, {1, 2, 3, 4, 7}, {4, 7}, live_next=4)
    assert (found.unseen, found.lost, found.balanced) == (2, [], True)
    assert found.states == {RowState.ATTACHED: 2, RowState.QUARANTINED: 1}
    assert found.unfinished == 0


def test_a_server_that_contradicts_itself_is_not_compared(deployment: Deployment) -> None:
    """If it names fewer messages than it says there are, no row is stale for it, and the folder does not balance."""

    async def go(store: Store, _: SecretBox) -> FolderBalance:
        reader: Any = Moving({1}, agreed=False)
        (found,) = await compare_account(store, await store.accounts.find(ANNA), reader)
        return found

    found = deployment.store(go)
    assert (found.note, found.server, found.stale, found.balanced) == ("contradicted", None, [], False)
    assert found.rows == 3


def test_what_people_see(empty: Deployment, deployment: Deployment) -> None:
    """Without an account there is nothing to compare; one whose server is down is named, and the command exits 1."""
    done = deployment.run("ledger", "check", ANNA)
    assert done.code == 1
    assert f"{ANNA}: " in done.out
    assert "1 account or folder could not be checked" in done.out
    assert deployment.run("ledger", "check", "nobody@nw.example").code == 1
    deployment.ok("account", "pause", ANNA)
    assert "nothing to compare" in deployment.ok("ledger", "check")


def test_the_oldest_unfinished_copy_is_first(deployment: Deployment) -> None:
    """``leadmail status`` and its JSON start with its age; when all work is done, they say so."""
    assert deployment.ok("status").splitlines()[1].startswith("nothing is unfinished")

    async def wait(store: Store, _: SecretBox) -> None:
        since = {"$set": {"state": "published", "noticed_at": now() - timedelta(hours=3)}}
        await store._collections.ledger.update_one({"state": "attached"}, since)

    deployment.store(wait)
    assert deployment.ok("status").splitlines()[1].startswith("the oldest unfinished copy is 3 h old")
    shown = deployment.run("status", "--json").json()
    assert next(iter(shown)) == "oldest_unfinished"
    assert shown["oldest_unfinished"] == shown["accounts"][0]["oldest_unfinished"] is not None
