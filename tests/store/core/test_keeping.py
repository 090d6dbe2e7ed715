"""What is stored besides mail: users, policies, the audit log, dead letters, singleton leases, set-up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import AsyncMongoClient

from schemas.accounts import Account, FolderRules
from schemas.addresses import InvalidAddressError
from schemas.emails import Email
from schemas.ledger import Row, RowState
from schemas.sharing import CompanyPolicy, Mode
from services.store import AlreadyExistsError, ChangedMeanwhileError, DeadLetter, NotFoundError, Store, StoreConfig
from services.store.core.documents import decode, decode_email, encode, encode_email, now
from services.store.ledger.ledger_rows import row_document, row_of
from tests.factories import account, row
from tests.store.fixtures import World, content


async def test_users_are_stored_by_normal_address(store: Store) -> None:
    """There is one user per address, in any spelling."""
    ann = await store.users.add("Ann@Corp.com", name="Ann", admin=True)
    assert await store.users.get("ann@corp.COM") == ann
    with pytest.raises(AlreadyExistsError, match=r"ann@corp\.com"):
        await store.users.add("ann@corp.com")
    with pytest.raises(InvalidAddressError):
        await store.users.add("nobody")
    with pytest.raises(NotFoundError, match="user add"):
        await store.users.get("bob@corp.com")
    bob = await store.users.add("bob@corp.com")
    assert await store.users.get_all() == [ann, bob]


async def test_the_company_has_a_policy_from_the_start(store: Store) -> None:
    """The default policy applies until another is stored."""
    assert await store.company.policy() == CompanyPolicy()
    policy = CompanyPolicy(excluded_domains=("corp.com",), default_mode=Mode.PRIVATE)
    saved = await store.company.save(policy)
    assert saved == policy.replaced(version=1)
    assert await store.company.policy() == saved


async def test_no_administrator_overwrites_what_another_saved_meanwhile(store: Store) -> None:
    """Of two administrators who start from one state only one saves. The other gets an error, reads again, and nothing is lost."""
    first = await store.company.policy()
    changes = [first.replaced(internal_domains=("corp.com",)), first.replaced(excluded_domains=("law.com",))]
    both = await asyncio.gather(
        *(store.sharing.set_company(change, by=f"{number}@corp.com") for number, change in enumerate(changes)),
        return_exceptions=True,
    )
    assert [isinstance(one, ChangedMeanwhileError) for one in both].count(True) == 1
    (late,) = (change for change, one in zip(changes, both, strict=True) if isinstance(one, ChangedMeanwhileError))
    with pytest.raises(ChangedMeanwhileError, match="try again"):
        await store.company.save(late)
    current = await store.company.policy()
    again = current.replaced(
        internal_domains=late.internal_domains or current.internal_domains,
        excluded_domains=late.excluded_domains or current.excluded_domains,
    )
    await store.sharing.set_company(again, by="late@corp.com")
    policy = await store.company.policy()
    assert (policy.internal_domains, policy.excluded_domains, policy.version) == (("corp.com",), ("law.com",), 2)
    assert {one.action for one in await store.audit.newest(subject="company")} == {"company.sharing", "company.domains"}


async def test_a_policy_without_a_version_can_be_changed(world: World, store: Store) -> None:
    """A release without versions stored it."""
    old = {"excluded_domains": ["law.com"], "default_mode": "private", "allowed_modes": ["private"]}
    await world.database["settings"].insert_one({"_id": "company", "policy": old})
    policy = await store.company.policy()
    assert (policy.excluded_domains, policy.version) == (("law.com",), 0)
    assert (await store.company.save(policy.replaced(internal_domains=("corp.com",)))).version == 1
    with pytest.raises(ChangedMeanwhileError):
        await store.company.save(policy)


async def test_the_audit_log_is_newest_first(store: Store) -> None:
    """Entries say who did what, and when."""
    await store.audit.add("one", by="a", subject="s", n=1)
    await store.audit.add("two", by="b", subject="t", mode=Mode.PRIVATE)
    newest, oldest = await store.audit.newest()
    assert (newest.action, newest.by, newest.details) == ("two", "b", {"mode": "private"})
    assert (oldest.action, oldest.subject) == ("one", "s")
    assert [entry.action for entry in await store.audit.newest(subject="s")] == ["one"]


async def test_folder_rules_ask_for_a_backfill(world: World, store: Store) -> None:
    """A changed selection of folders takes effect by a new backfill."""
    mine = await world.account("a@corp.com")
    await store.epochs.start(world.leases[mine.id], [], expected=0)
    changed = await store.accounts.save_folder_rules(mine.id, FolderRules(include=("Spam",)), by="a@corp.com")
    assert (changed.folders.include, changed.resync_requested) == (("Spam",), True)
    with pytest.raises(NotFoundError):
        await store.accounts.save_folder_rules("f" * 24, FolderRules(), by="a@corp.com")


async def test_dead_letters_are_kept_once_with_their_body(store: Store) -> None:
    """A redelivery is the same dead letter. Lists have no bodies."""
    letter = DeadLetter(
        id="m/1@q", queue="q", reason="parser-died", headers={"ce-id": "m/1"}, body=b"\0raw", account="a" * 24, at=now()
    )
    assert await store.dead_letters.add(letter)
    assert not await store.dead_letters.add(letter.model_copy(update={"reason": "other"}))
    assert await store.dead_letters.get("m/1@q") == letter
    assert await store.dead_letters.newest(account="a" * 24) == [letter.model_copy(update={"body": b""})]
    assert await store.dead_letters.newest(account="b" * 24) == []
    assert await store.dead_letters.count() == 1
    assert await store.dead_letters.remove(["m/1@q"]) == 1
    assert await store.dead_letters.remove(["m/1@q"]) == 0
    with pytest.raises(NotFoundError, match="dead-letters list"):
        await store.dead_letters.get("m/1@q")


async def test_a_singleton_lease_has_one_holder_at_a_time(store: Store) -> None:
    """One of many callers gets the lease and may extend it. Others get it after it expires or is released."""
    minute = timedelta(minutes=1)
    got = await asyncio.gather(*(store.singleton_lease.take("watch", f"m{n}", minute) for n in range(6)))
    assert got.count(True) == 1
    holder = f"m{got.index(True)}"
    assert await store.singleton_lease.take("watch", holder, minute)
    assert not await store.singleton_lease.take("watch", "other", minute)
    assert await store.singleton_lease.take("sweep", "other", minute)
    await store.singleton_lease.release("watch", "other")
    assert not await store.singleton_lease.take("watch", "other", minute)
    await store.singleton_lease.release("watch", holder)
    assert await store.singleton_lease.take("watch", "other", -minute)
    assert await store.singleton_lease.take("watch", holder, minute)


async def test_setting_up_at_once_and_again_does_no_harm(
    mongo: AsyncMongoClient[dict[str, object]], mongo_database: str
) -> None:
    """All processes can set up at the same time."""
    stores = [
        Store(mongo[mongo_database], mongo["crm"], StoreConfig(blind_index_keys={"only": b"k" * 32})) for _ in range(6)
    ]
    await asyncio.gather(*(store.setup() for store in stores))
    before = await mongo[mongo_database]["ledger"].index_information()
    await stores[0].setup()
    assert await mongo[mongo_database]["ledger"].index_information() == before
    names = {"_id_", "unfinished", "marks", "email", "relink", "bcc", "deleted", "id_mark", "same_id", "unclear"}
    assert set(before) == names | {"waiting", "changed", "left_out"}


def test_documents_come_back_as_they_were() -> None:
    """Keys, enumerations, bytes and datetimes survive the conversion to BSON and back."""
    mine = account("a@corp.com", aliases=("b@corp.com",))
    document = encode(mine)
    assert document["_id"] == mine.id
    assert "id" not in document
    assert type(document["state"]) is str
    assert type(document["sharing"]["mode"]) is str
    assert decode(Account, {**document, "lease": {"holder": "p"}}) == mine
    copy = row("a" * 24, 7, RowState.SKIPPED, reason="x", marks=(b"m" * 16,), bcc=("b@x.com",))
    assert row_of(row_document(copy)) == copy == decode(Row, encode(copy))
    mail = content("m", "a@x.com", in_reply_to="p@x", references=("r@x",))
    stored = encode_email(Email(content=mail, stored_at=datetime(2026, 1, 1, tzinfo=UTC), by_thread=True))
    assert (stored["_id"], stored["refs"], stored["raw"]) == (mail.key, ["r@x", "p@x"], mail.raw)
    assert decode_email(stored).content == mail


async def test_moments_are_utc_with_milliseconds(world: World, store: Store) -> None:
    """A stored time reads back equal, with its time zone."""
    ann = await store.users.add("ann@corp.com")
    stored = await store.users.get("ann@corp.com")
    assert stored.created_at == ann.created_at
    assert stored.created_at.tzinfo is UTC or stored.created_at.utcoffset() == timedelta(0)
    assert now().microsecond % 1000 == 0
