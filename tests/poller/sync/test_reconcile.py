"""The ledger against the server: the gaps that ``leadmail ledger check`` reports, and how they are repaired."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from schemas.accounts import Account
from schemas.identity import copy_id
from schemas.ledger import RowState
from services.cli.operations.ledger import compare
from services.cli.operations.ledger_view import result_of
from services.cli.terminal.session import Session
from services.settings import CliSettings
from tests.conftest import MailUser
from tests.poller.fixtures import CLIENT, Mailbox, PollerEnvironment, mail, until
from tests.poller.imap_proxy import proxy

STRANGER = "stranger@else.test"


class Checked(NamedTuple):
    """The output of ``leadmail ledger check --json``."""

    result: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether the command exits 0."""
        return bool(self.result["balanced"])

    def folder(self, name: str) -> dict[str, Any]:
        """Return the result for a folder of the only account."""
        (account,) = self.result["accounts"]
        (found,) = (folder for folder in account["folders"] if folder["folder"] == name)
        if found["server"] is not None:
            assert found["server"] == found["rows"] + found["lost"] + found["unseen"] - found["stale"]
        assert isinstance(found, dict)
        return found


async def check(world: PollerEnvironment, account: str | None = None) -> Checked:
    """Do what ``leadmail ledger check`` does (the command itself: tests/cli)."""
    settings = CliSettings.model_validate(
        {name.removeprefix("LEADMAIL_").lower(): value for name, value in world.environment.items()}
    )
    return Checked(result_of(await compare(Session(settings, world.store), account)).model_dump(mode="json"))


async def balanced(world: PollerEnvironment) -> bool:
    """Whether every folder balances, with nothing unseen or unfinished."""
    done = await check(world)
    folders = [folder for account in done.result["accounts"] for folder in account["folders"]]
    return done.ok and folders != [] and not any(one["unseen"] or one["unfinished"] for one in folders)


async def damage(world: PollerEnvironment, account: Account) -> None:
    """Damage the ledger in ways that Leadmail never does: rows of INBOX are lost, and rows exist for messages that do not."""
    ledger = world.store._collections.ledger
    inbox = await world.folder_id(account, "INBOX")
    rows = [row for row in await world.rows(account) if row.folder == inbox]
    validity = rows[0].uidvalidity
    await ledger.delete_many({"_id": {"$in": [row.id for row in rows if row.uid in (2, 3, 11)]}})
    template = await ledger.find_one({"_id": rows[0].id})
    assert template is not None
    for folder, uidvalidity, uid in (
        (inbox, validity, 5),  # it was expunged, unnoticed
        (inbox, validity, 4_000),  # none of this uid ever came
        (inbox, validity - 1, 1),  # of the uids before
        ("f" * 12, 1, 1),  # of a folder that is not known
    ):
        new = {"_id": copy_id(account.id, folder, uidvalidity, uid), "folder": folder, "uidvalidity": uidvalidity}
        await ledger.replace_one({"_id": new["_id"]}, {**template, **new, "uid": uid}, upsert=True)


async def test_gaps_are_reported_and_repaired(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """Lost rows are restored, and rows without a message are removed; the check reports them before, and balances after."""
    for number in range(12):
        mailbox.append(mail(CLIENT if number % 3 == 1 else STRANGER))
    mailbox.append(mail(STRANGER, CLIENT), "Sent")
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    poller = world.start_poller()
    await world.complete(account)
    assert all(folder.checked_at for folder in await world.store.folders.of(account.id) if folder.selected)
    mailbox.expunge("5")
    await until(lambda: _gone(world, account), "the expunged mail is gone", world)
    assert await balanced(world)

    await damage(world, account)
    found = await check(world, mailbox.user.address)
    assert not found.ok
    inbox = found.folder("INBOX")
    assert (inbox["server"], inbox["rows"], inbox["lost"], inbox["stale"]) == (11, 11, 3, 3)
    assert (inbox["lost_uids"], inbox["stale_uids"]) == ("2:3,11", "5,4000")
    assert found.folder("Sent")["balanced"]
    assert (found.folder("f" * 12)["note"], found.folder("f" * 12)["stale"]) == ("left-out", 1)

    assert poller.stop() == 0
    fetched = len(world.fetched)
    world.start_poller(reconcile_seconds="2")
    await until(lambda: balanced(world), "the ledger balances", world, seconds=60)
    validity, uids = mailbox.read("INBOX")
    names = {folder.id: folder.name for folder in await world.store.folders.of(account.id)}
    rows = await world.rows(account)
    assert {(row.uidvalidity, row.uid) for row in rows if names[row.folder] == "INBOX"} == {(validity, u) for u in uids}
    assert {row.folder for row in rows} <= names.keys()
    assert sorted(row.uid for row in rows if row.state is RowState.ATTACHED and names[row.folder] == "INBOX") == [
        2,
        8,
        11,
    ]
    assert len(world.fetched) == fetched + 2, "of the three that were lost, the two that concern the client"
    assert all(row.epoch is None for row in rows if names[row.folder] == "INBOX" and row.uid in (2, 3, 11))


async def _gone(world: PollerEnvironment, account: Account) -> bool:
    return (await world.states(account)).get("gone") == 1


async def test_unseen_changes_are_not_gaps(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """New mail and new folders count as unseen; deleted or renumbered folders leave rows without messages until the poller looks."""
    for name in ("Kept", "Dropped", "Renewed"):
        mailbox.create(name)
        mailbox.append(mail(CLIENT), name)
    await world.know(CLIENT)
    account = await world.connect(mailbox.user)
    poller = world.start_poller()
    await world.complete(account)
    assert poller.stop() == 0
    mailbox.append(mail(CLIENT))
    mailbox.append(mail(STRANGER))
    mailbox.create("Fresh")
    mailbox.append(mail(STRANGER), "Fresh")
    found = await check(world)
    assert found.ok
    assert (found.folder("INBOX")["server"], found.folder("INBOX")["unseen"]) == (2, 2)
    assert (found.folder("Fresh")["note"], found.folder("Fresh")["unseen"]) == ("new-folder", 1)

    for name in ("Dropped", "Renewed"):
        assert mailbox.imap.delete(name)[0] == "OK"
    mailbox.create("Renewed")
    mailbox.append(mail(CLIENT), "Renewed")
    mailbox.append(mail(CLIENT), "Renewed")
    found = await check(world)
    assert not found.ok
    assert found.folder("Kept")["balanced"]
    for name, note, server in (("Dropped", "no-folder", 0), ("Renewed", "new-uids", 2)):
        folder = found.folder(name)
        assert (folder["note"], folder["server"], folder["rows"], folder["stale"]) == (note, server, 1, 1)

    world.start_poller()
    await until(lambda: balanced(world), "the ledger balances", world, seconds=60)


async def test_an_account_that_cannot_be_compared_does_not_stop_the_others(
    world: PollerEnvironment, mailbox: Mailbox, new_mail_user: Callable[..., MailUser]
) -> None:
    """A wrong password is reported with its fix, and the command exits 1; the other account is still compared."""
    mailbox.append(mail(CLIENT))
    good = await world.connect(mailbox.user)
    other = new_mail_user()
    wrong = await world.connect(replace(other, password="wrong"))
    found = await check(world)
    assert not found.ok
    by_id = {account["id"]: account for account in found.result["accounts"]}
    assert by_id[good.id]["balanced"]
    assert not by_id[wrong.id]["balanced"]
    assert "password" in by_id[wrong.id]["error"]
    assert (await check(world, good.address)).ok


async def test_flags_without_modification_sequences_are_compared(world: PollerEnvironment, mailbox: Mailbox) -> None:
    """If the server does not report flags, those of old mail are corrected by the comparison: watching covers only the newest mail."""
    for _ in range(510):
        mailbox.append(mail(STRANGER))
    async with proxy(world.servers.imap.host, world.servers.imap.port, hide=(b"CONDSTORE", b"QRESYNC")) as wire:
        account = await world.connect(mailbox.user, port=wire.port)
        world.start_poller(reconcile_seconds="2")
        await world.complete(account)
        mailbox.uid("STORE", "3", "+FLAGS", r"(\Flagged)")

        async def flagged() -> bool:
            return [row.uid for row in await world.rows(account) if "\\Flagged" in row.flags] == [3]

        await until(flagged, "the flag of an old mail", world)
