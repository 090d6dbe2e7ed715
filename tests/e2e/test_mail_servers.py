"""Everything that a user does with mail, on each mail server: the ledger is always what an independent reading finds there."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pymongo import MongoClient

from schemas.ledger import EpochState
from testbed.local import LocalServers
from testbed.processes.parts import MAIL_SERVERS
from testbed.samples.person import User
from testbed.servers.imap import log_in, quoted
from tests.e2e.deployment import STAGES, Deployment, deploy
from tests.e2e.independent import Copies, add, in_step, move, opened, remove
from tests.e2e.mail import CONTACT, leadmail, small

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("company", MAIL_SERVERS, indirect=True, scope="module"),
]
HOST = "northwind-instruments.example"
FOLDERS = ("INBOX", "Sent", "Clients/Zürich")
MAILS = 3
"""In each folder, before the account is connected."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def company(
    request: pytest.FixtureRequest, servers: LocalServers, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Deployment]:
    """All stages on one mail server, with one contact in the CRM."""
    chosen = await asyncio.to_thread(servers.with_mail, request.param)
    name = f"test_{secrets.token_hex(6)}"
    environment = {
        **chosen.environment(),
        "LEADMAIL_RABBITMQ_URL": servers.broker.create_virtual_host(name),
        "LEADMAIL_MONGO_DATABASE": name,
    }
    async with deploy(chosen, environment, tmp_path_factory.mktemp(request.param)) as deployment:
        await deployment.add_records(CONTACT)
        deployment.start(*STAGES)
        await deployment.known(CONTACT)
        yield deployment
    servers.broker.drop_virtual_host(name)
    with MongoClient[dict[str, object]](servers.mongo_url) as client:
        client.drop_database(name)


@pytest_asyncio.fixture(loop_scope="module")
async def user(company: Deployment, request: pytest.FixtureRequest) -> User:
    """A user with mail in three folders, whose backfill is confirmed."""
    key = f"u{secrets.token_hex(3)}"
    person = User(key=key, name="A User", addresses=(f"{key}@{HOST}",), sharing="public")
    await company.add_user(person, [])
    with opened(company, person) as client:
        for folder in FOLDERS:
            client.create(quoted(folder, client))
            for number in range(MAILS):
                add(client, folder, raw(person, f"{folder.encode().hex()}-{number}"))
    await company.connect(person)
    await confirmed(company, person)
    found = await in_step(company, person, "the backfill has every mail")
    assert sum(map(len, found.values())) == len(FOLDERS) * MAILS
    return person


def raw(user: User, name: str) -> bytes:
    """Return a mail from the contact."""
    return small(user, name).raw


async def confirmed(company: Deployment, user: User, epoch: int = 1) -> None:
    """Wait until a backfill is complete and its confirmation sent."""

    async def done() -> bool:
        found = await company.store.epochs.get(company.accounts[user.key], epoch)
        return found is not None and found.state is EpochState.COMPLETE and found.sent_at is not None

    await company.until(done, f"backfill {epoch} is confirmed", seconds=60)


def count(copies: Copies) -> int:
    """Return how many copies there are."""
    return sum(map(len, copies.values()))


async def test_one_confirmation_says_what_is_there(company: Deployment, user: User) -> None:
    """The confirmation comes once, and counts every mail of every folder."""
    assert len(set(company.confirmations(user))) == 1
    report = await company.store.status.report(company.accounts[user.key], 1)
    assert report is not None
    assert report.emails == len(FOLDERS) * MAILS
    totals = await company.store.ledger_counts.totals(company.accounts[user.key])
    assert [dict(one.every_state) for one in totals.values()] == [{"attached": MAILS}] * len(FOLDERS)


async def test_live_mail_arrives_in_any_folder(company: Deployment, user: User) -> None:
    """Mail that is delivered, sent, or put into a folder that exists or is new is attached."""
    await asyncio.to_thread(company.servers.deliver, company.addresses[user.key], raw(user, "delivered"))
    with opened(company, user) as client:
        add(client, "Sent", raw(user, "sent"), r"\Seen")
        add(client, "Clients/Zürich", raw(user, "filed"))
        client.create(quoted("New folder", client))
        add(client, "New folder", raw(user, "new"))
    found = await in_step(company, user, "new mail of four folders")
    assert count(found) == (len(FOLDERS) * MAILS) + 4
    counts = await company.store.ledger_counts.counts(company.accounts[user.key])
    assert {str(state): number for state, number in counts.items() if number} == {"attached": count(found)}


async def test_flags_follow(company: Deployment, user: User) -> None:
    """Flags that are set or removed on the oldest and on the newest mail, and a keyword, are as on the server."""
    with opened(company, user) as client:
        for folder in FOLDERS:
            client.select(quoted(folder, client))
            client.store("1", "+FLAGS", r"(\Seen \Flagged)")
            client.store("*", "+FLAGS", r"(\Answered Important)")
    found = await in_step(company, user, "flags that were set")
    assert sum(r"\Flagged" in flags for copies in found.values() for flags in copies.values()) == len(FOLDERS)
    assert sum("Important" in flags for copies in found.values() for flags in copies.values()) == len(FOLDERS)
    with opened(company, user) as client:
        client.select("INBOX")
        client.store("1", "-FLAGS", r"(\Seen \Flagged)")
    await in_step(company, user, "flags that were removed")


@pytest.mark.parametrize("which", ["oldest", "newest"])
async def test_moves_and_deletions_follow(company: Deployment, user: User, which: str) -> None:
    """The oldest or the newest mail of a folder is moved, one of another folder deleted: no copy remains where it was."""
    number = "1" if which == "oldest" else "*"
    with opened(company, user) as client:
        move(client, "INBOX", number, "Clients/Zürich")
        remove(client, "Sent", number)
    found = await in_step(company, user, f"the {which} mail moved and deleted")
    assert sorted(map(len, found.values())) == [MAILS - 1, MAILS - 1, MAILS + 1]
    counts = await company.store.ledger_counts.counts(company.accounts[user.key])
    assert {str(state): many for state, many in counts.items() if many} == {"attached": 3 * MAILS - 1, "gone": 2}


async def test_an_emptied_folder_is_empty(company: Deployment, user: User) -> None:
    """All mail of a folder is deleted at once, and new mail comes after it."""
    with opened(company, user) as client:
        remove(client, "Sent", "1:*")
    found = await in_step(company, user, "an empty folder")
    assert count(found) == (len(FOLDERS) - 1) * MAILS
    with opened(company, user) as client:
        add(client, "Sent", raw(user, "again"))
    assert count(await in_step(company, user, "mail in a folder that was empty")) == (len(FOLDERS) - 1) * MAILS + 1


async def test_folders_are_made_renamed_and_deleted(company: Deployment, user: User) -> None:
    """A renamed folder keeps its mail under the new name; that of a deleted one is gone."""
    with opened(company, user) as client:
        client.create(quoted("Made", client))
        add(client, "Made", raw(user, "made"))
        client.rename(quoted("Clients/Zürich", client), quoted("Clients/Bern", client))
    found = await in_step(company, user, "one folder made, one renamed")
    assert count(found) == len(FOLDERS) * MAILS + 1
    with opened(company, user) as client:
        client.delete(quoted("Made", client))
        client.delete(quoted("Clients/Bern", client))
    found = await in_step(company, user, "folders deleted")
    assert count(found) == (len(FOLDERS) - 1) * MAILS


async def test_what_others_share_is_left_out(company: Deployment, user: User) -> None:
    """Another user's folder and a shared one, both with mail that the user may read, have no rows, and are left out by name."""
    imap, me = company.servers.imap, company.addresses[user.key]
    with opened(company, user) as client:
        if "ACL" not in client.capabilities:
            pytest.skip("nothing can be shared here")
        spaces = client.namespace()[1][0].decode()
    other = User(
        key=f"o{secrets.token_hex(3)}", name="Another", addresses=(f"{secrets.token_hex(3)}@{HOST}",), sharing="private"
    )
    await company.add_user(other, [])
    with opened(company, other) as client:
        client.create(quoted("Team", client))
        for folder in ("Team", "INBOX"):
            add(client, folder, raw(user, f"shared-{folder}"))
            assert client.setacl(quoted(folder, client), me, "lrs")[0] == "OK"
    cyrus = "Shared Folders/" in spaces
    if cyrus:  # its administrator makes folders that belong to no user
        secret = secrets.token_hex(8)
        await asyncio.to_thread(company.servers.add_user, "administrator", secret)
        with log_in(imap.host, imap.port, "administrator", secret) as client:
            client.create(f"Sales@{HOST}")
            assert client.setacl(f"Sales@{HOST}", me, "lrs")[0] == "OK"
            assert client.setacl(f"Sales@{HOST}", "administrator", "lrsi")[0] == "OK"
            add(client, f"Sales@{HOST}", raw(user, "shared-sales"))
    with opened(company, user) as client:
        prefix = "Other Users/" if cyrus else "#shared."
        listed = [line for line in client.list('""', f'"{prefix}*"')[1] if isinstance(line, bytes)]
        assert any(line.rstrip(b'"').endswith(b"Team") for line in listed), "the user sees what is shared"
        add(client, "INBOX", raw(user, "own"))
    assert count(await in_step(company, user, "the user's own mail alone")) == len(FOLDERS) * MAILS + 1
    # Courier tells of others' folders only where it is asked for them.
    expected = ["other-users", "other-users", "shared"] if cyrus else []

    async def left_out() -> bool:  # from the next look at all folders on
        shown = json.loads(await leadmail(company, "account", "folders", user.addresses[0], "--json"))["folders"]
        return sorted(one["reason"] for one in shown if one["reason"] in {"other-users", "shared"}) == expected

    await company.until(left_out, f"these folders are left out: {expected}", seconds=60)


async def test_the_ledger_balances_and_a_resync_changes_nothing(company: Deployment, user: User) -> None:
    """`ledger check` says what the independent reading finds, before and after a resync, which is confirmed again."""
    found = await in_step(company, user, "before")
    await assert_balanced(company, user, found)
    account = company.accounts[user.key]
    before = await company.store.ledger_counts.counts(account)
    await leadmail(company, "account", "resync", user.addresses[0])
    await confirmed(company, user, epoch=2)
    assert await in_step(company, user, "after a resync") == found
    assert await company.store.ledger_counts.counts(account) == before
    await assert_balanced(company, user, found)


async def assert_balanced(company: Deployment, user: User, found: Copies) -> None:
    """Check that `ledger check` balances, with the numbers of the independent reading."""
    (one,) = json.loads(await leadmail(company, "ledger", "check", user.addresses[0], "--json"))["accounts"]
    assert one["balanced"], one
    checked = {folder["folder"]: (folder["server"], folder["rows"]) for folder in one["folders"]}
    assert sorted(checked.values()) == sorted(
        [*((len(copies), len(copies)) for copies in found.values()), *[(0, 0)] * (len(checked) - len(found))]
    ), checked
