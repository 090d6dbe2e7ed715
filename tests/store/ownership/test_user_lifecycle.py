"""Users who are disabled, enabled and removed: what they see, their sessions, and their mailboxes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from schemas.accounts import Account, AccountState, AddressProof, ProofKind
from schemas.sharing import Mode
from services.store import NotAllowedError, NotFoundError, ProvisionedGroup, Store
from services.store.ownership import handover
from tests.store.fixtures import START, World, content

ADMIN, ANN, BOB = "admin@corp.com", "ann@corp.com", "bob@corp.com"
HOUR = timedelta(hours=1)


async def test_a_disabled_user_sees_nothing_from_the_next_request_on(world: World, store: Store) -> None:
    """Sessions and links end, the mailbox pauses, and what it shares stays shared; enabling undoes all of that."""
    mine = await world.account(ANN)
    await world.user(BOB)
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", ANN))
    await store.sign_ins.offer(ANN, "link", lasts=HOUR)
    await store.sign_ins.use("link", "session", lasts=HOUR)
    await store.sign_ins.offer(ANN, "second", lasts=HOUR)
    await store.user_lifecycle.disable(ANN, by=BOB)
    with pytest.raises(NotFoundError):
        await store.reading.visible_emails(ANN, record)
    assert await store.sign_ins.user_of("session") is None
    with pytest.raises(NotFoundError):
        await store.sign_ins.use("second", "other", lasts=HOUR)
    with pytest.raises(NotFoundError):
        await store.sign_ins.offer(ANN, "third", lasts=HOUR)
    paused = await store.accounts.get(mine.id)
    assert (paused.state, paused.reason) == (AccountState.PAUSED, "owner-disabled")
    assert len((await store.reading.visible_emails(BOB, record)).emails) == 1
    await store.user_lifecycle.enable(ANN, by=BOB)
    assert len((await store.reading.visible_emails(ANN, record)).emails) == 1
    assert await store.sign_ins.user_of("session") is None
    assert (await store.accounts.get(mine.id)).state is AccountState.ACTIVE
    actions = [entry.action for entry in await store.audit.newest(subject=f"user:{ANN}")]
    assert actions[:2] == ["user.enable", "user.disable"]


async def test_a_session_that_started_while_its_user_was_disabled_stays_ended(world: World, store: Store) -> None:
    """It was stored after the others were ended. Enabling a user who is not disabled ends nothing."""
    await world.user(ANN)
    await store.sign_ins.start(ANN, "session", lasts=HOUR, how="oidc")
    await store.user_lifecycle.enable(ANN, by=BOB)
    assert await store.sign_ins.user_of("session") is not None
    await world.database["users"].update_one({"_id": ANN}, {"$set": {"disabled": True}})
    await store.user_lifecycle.enable(ANN, by=BOB)
    assert await store.sign_ins.user_of("session") is None


async def test_a_mailbox_that_its_owner_paused_stays_paused(world: World, store: Store) -> None:
    """Enabling a user resumes only what disabling paused."""
    mine = await world.account(ANN)
    await store.accounts.set_state(mine.id, AccountState.PAUSED, by=ANN)
    await store.user_lifecycle.disable(ANN, by=BOB)
    await store.user_lifecycle.enable(ANN, by=BOB)
    assert (await store.accounts.get(mine.id)).state is AccountState.PAUSED


async def test_a_blocked_mailbox_pauses_too(world: World, store: Store) -> None:
    """Nothing is tried for a user who is locked out, whatever stopped their mailbox before."""
    mine = await world.account(ANN)
    await store.accounts.set_state(mine.id, AccountState.BLOCKED, by="operator", reason="wrong-password")
    await store.user_lifecycle.disable(ANN, by=BOB)
    assert (await store.accounts.get(mine.id)).state is AccountState.PAUSED


@pytest.mark.parametrize(("purge", "visible"), [(False, 1), (True, 0)])
async def test_a_removed_users_mail_is_kept_or_deleted_as_chosen(
    world: World, store: Store, *, purge: bool, visible: int
) -> None:
    """Disconnected mailboxes keep their mail on the records; purged ones do not."""
    mine = await world.account(ANN)
    await world.user(BOB)
    record = await world.record("lead@x.com")
    await world.attach(mine, content("m", "lead@x.com", ANN))
    assert [one.id for one in await store.user_lifecycle.remove(ANN, by=BOB, purge=purge)] == [mine.id]
    assert len((await store.reading.visible_emails(BOB, record)).emails) == visible
    with pytest.raises(NotFoundError):
        await store.users.get(ANN)


async def test_a_transferred_mailbox_belongs_to_its_new_owner(world: World, store: Store) -> None:
    """The new owner sees its private mail, others still do not, and what was kept private stays private."""
    private = await world.account(ANN, Mode.PRIVATE)
    shared = await world.account("sales@corp.com", owner=ANN)
    for user in (BOB, "carl@corp.com"):
        await world.user(user)
    record = await world.record("lead@x.com")
    await world.attach(private, content("m1", "lead@x.com", ANN))
    await world.attach(shared, content("m2", "lead@x.com", "sales@corp.com"))
    kept = content("m2", "lead@x.com", "sales@corp.com").key
    await store.withdrawing.keep_private(kept, by=ANN)
    await store.user_lifecycle.remove(ANN, by="operator", transfer_to=BOB)
    assert len((await store.reading.visible_emails(BOB, record)).emails) == 2
    assert (await store.reading.visible_emails("carl@corp.com", record)).emails == []
    assert {one.owner for one in await store.accounts.get_all()} == {BOB}


@pytest.mark.parametrize(
    ("thread", "joined", "earlier"),
    [
        (False, {}, False),
        (True, {}, False),
        (True, {"thread": "v" * 24, "in_reply_to": "m1@mail"}, False),
        (True, {}, True),
    ],
)
async def test_what_the_heir_holds_of_it_becomes_private_too(
    world: World, store: Store, *, thread: bool, joined: dict[str, Any], earlier: bool
) -> None:
    """The heir's own copies of what the former owner kept private grant nothing any more, and the summary does not count them.

    An answer belongs to the thread by any Message-ID that it names. A link of an earlier release knows the oldest one only.
    """
    mine, theirs = await world.account(ANN), await world.account(BOB)
    record = await world.record("lead@x.com")
    both, answer = content("m1", "lead@x.com", ANN, BOB), content("m2", "lead@x.com", BOB, **joined)
    for mailbox, mail in ((mine, both), (theirs, both), (theirs, answer)):
        await world.attach(mailbox, mail)
    other = content("m3", "lead@x.com", BOB, thread="u" * 24)
    await world.attach(theirs, other)
    await store.withdrawing.keep_private(both.key, by=ANN, thread=thread)
    if earlier:
        await world.database["links"].update_many({}, {"$unset": {"ids": "", "own_ids": ""}})
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    granted = await world.database["links"].distinct("email", {"shared_by.0": {"$exists": True}})
    assert set(granted) == {other.key} | (set() if thread else {answer.key})
    summary = await world.summary(record)
    assert summary is not None
    assert summary["count"] == len(granted)


async def test_what_only_the_heir_still_holds_becomes_private_too(world: World, store: Store) -> None:
    """What the former owner kept private stays so although their own copy was deleted before the transfer."""
    mine, theirs = await world.account(ANN), await world.account(BOB)
    await world.record("lead@x.com")
    mail = content("m1", "lead@x.com", ANN, BOB)
    copy = await world.attach(mine, mail)
    await world.attach(theirs, mail)
    await store.withdrawing.keep_private(mail.key, by=ANN)
    await store.poller_ledger.gone(world.leases[mine.id], [copy])
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    (link,) = await world.database["links"].find({"email": mail.key}).to_list()
    assert (link["owners"], link["shared_by"]) == ([BOB], [])


async def test_the_last_administrator_stays(world: World, store: Store) -> None:
    """Without an administrator no one could change the company's policy."""
    await store.users.add(ADMIN, admin=True)
    await world.user(BOB)
    for change in (store.user_lifecycle.disable, store.user_lifecycle.remove):
        with pytest.raises(NotAllowedError, match="last administrator"):
            await change(ADMIN, by="operator")
    assert not (await store.users.get(ADMIN)).disabled
    await store.users.add("second@corp.com", admin=True)
    await store.user_lifecycle.remove(ADMIN, by="operator")
    with pytest.raises(NotAllowedError):
        await store.user_lifecycle.remove("second@corp.com", by="operator")


async def entries(store: Store, subject: str) -> list[tuple[str, str, dict[str, object]]]:
    """Return who did what to a subject, oldest first, with details."""
    found = await store.audit.newest(subject=subject)
    return [(one.action, one.by, dict(one.details)) for one in reversed(found)]


async def test_disabling_and_enabling_twice_is_noted_once(world: World, store: Store) -> None:
    """The answer is the user as they are afterwards; a repetition changes nothing."""
    await world.user(ANN)
    for change, disabled in ((store.user_lifecycle.disable, True), (store.user_lifecycle.enable, False)):
        for _ in range(2):
            answer = await change(ANN, by=BOB)
            assert (answer.email, answer.disabled) == (ANN, disabled)
            assert answer == await store.users.get(ANN)
    actions = [entry[:2] for entry in await entries(store, f"user:{ANN}") if entry[0] != "user.add"]
    assert actions == [("user.disable", BOB), ("user.enable", BOB)]


@pytest.mark.parametrize("how", ["disconnect", "purge", "transfer"])
async def test_a_removal_is_audited(world: World, store: Store, how: str) -> None:
    """The log says that the user was locked out first, which mailboxes they had, and what became of them."""
    mine = await world.account(ANN)
    await world.user(BOB)
    heir = BOB if how == "transfer" else None
    await store.user_lifecycle.remove(ANN, by=ADMIN, purge=how == "purge", transfer_to=heir)
    log = [entry for entry in await entries(store, f"user:{ANN}") if entry[0] != "user.add"]
    assert log == [
        ("user.disable", ADMIN, {}),
        ("user.remove", ADMIN, {"accounts": [mine.id], "how": how}),
    ]
    transfers = [entry for entry in await entries(store, f"account:{mine.id}") if entry[0] == "account.transfer"]
    wanted = [("account.transfer", ADMIN, {"before": ANN, "after": BOB})] if heir else []
    assert transfers == wanted


async def test_a_removed_user_is_in_no_group(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """They leave their groups with their document, or not at all."""
    for user in (ANN, BOB):
        await world.user(user)
    for name in ("sales", "support"):
        group = ProvisionedGroup(id=name, name=name, members=(ANN, BOB), created_at=START)
        await store.groups.add(group, administrators="administrators", by=ADMIN)
    add = store.audit.add

    async def fail(action: str, **values: Any) -> None:
        if action == "user.remove":
            raise ConnectionError
        await add(action, **values)

    with monkeypatch.context() as patch:
        patch.setattr(store.audit, "add", fail)
        with pytest.raises(ConnectionError):
            await store.user_lifecycle.remove(ANN, by=ADMIN)
    assert [group.members for group in await store.groups.get_all()] == [(ANN, BOB)] * 2
    await store.user_lifecycle.remove(ANN, by=ADMIN)
    assert [group.members for group in await store.groups.get_all()] == [(BOB,)] * 2


async def test_each_mailbox_of_a_removed_user_ends_disconnected(world: World, store: Store) -> None:
    """One that was disconnected before is no obstacle."""
    first, second = await world.account(ANN), await world.account("sales@corp.com", owner=ANN)
    await store.removal.disconnect(first.id, by=ANN)
    await store.user_lifecycle.remove(ANN, by=ADMIN)
    for account in (first, second):
        assert (await store.accounts.get(account.id)).state is AccountState.DISCONNECTED


async def test_the_mailboxes_go_to_another_user(world: World, store: Store) -> None:
    """Neither to the user who leaves, nor to one who does not exist; nothing is changed then."""
    mine = await world.account(ANN)
    with pytest.raises(NotAllowedError, match="another user"):
        await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=ANN)
    with pytest.raises(NotFoundError):
        await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    assert not (await store.users.get(ANN)).disabled
    assert (await store.accounts.get(mine.id)).state is AccountState.ACTIVE


async def test_a_transferred_mailbox_goes_on_where_it_was(world: World, store: Store) -> None:
    """What ran runs again; what its owner had paused, and what was disconnected, stays so."""
    running = await world.account(ANN)
    paused, ended = await world.account("p@corp.com", owner=ANN), await world.account("e@corp.com", owner=ANN)
    await store.accounts.set_state(paused.id, AccountState.PAUSED, by=ANN)
    await store.removal.disconnect(ended.id, by=ANN)
    await world.user(BOB)
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    states = [(await store.accounts.get(account.id)).state for account in (running, paused, ended)]
    assert states == [AccountState.ACTIVE, AccountState.PAUSED, AccountState.DISCONNECTED]


async def proofs(store: Store, of: Account) -> list[tuple[str, ProofKind, str]]:
    """Return what proves an account's addresses now."""
    return [(one.address, one.how, one.by) for one in (await store.accounts.get(of.id)).proofs]


async def test_the_address_of_a_removed_user_stays_a_colleagues(world: World, store: Store) -> None:
    """The mailbox that names it proves it from now on, so that mail among colleagues stays internal."""
    mine, _ = await world.account(ANN), await world.user(BOB)
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    assert await proofs(store, mine) == [(ANN, ProofKind.USER, ADMIN)]
    assert await store.colleagues.own_among([ANN]) == {ANN}


async def test_a_mailbox_under_another_address_gains_no_proof(world: World, store: Store) -> None:
    """It never named the user who is removed."""
    await world.user(ANN)
    await world.user(BOB)
    sales = await world.account("sales@corp.com", owner=ANN)
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    assert await proofs(store, sales) == [(sales.address, ProofKind.ADMINISTRATOR, "operator")]


SIGNED_IN = AddressProof(address=ANN, how=ProofKind.SIGN_IN, by=ANN, at=START)


@pytest.mark.parametrize("disconnected", [False, True])
async def test_a_mailbox_that_proved_the_address_keeps_its_proof(
    world: World, store: Store, *, disconnected: bool
) -> None:
    """Another one is not added, although a disconnected mailbox's proof would not hinder other mailboxes."""
    mine = await world.account(ANN, proofs=(SIGNED_IN,))
    await world.user(BOB)
    if disconnected:
        await store.removal.disconnect(mine.id, by=ANN)
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    assert await proofs(store, mine) == [(ANN, ProofKind.SIGN_IN, ANN)]


@pytest.mark.parametrize("disconnected", [False, True])
async def test_of_several_mailboxes_one_proves_the_address(world: World, store: Store, *, disconnected: bool) -> None:
    """The one that proved it already, unless it is disconnected: its proof does not count beside a connected mailbox's."""
    second = await world.account("second@corp.com", owner=ANN, aliases=(ANN,), proofs=(SIGNED_IN,))
    await world.user(ANN)
    first, third = (
        await world.account("first@corp.com", owner=ANN, aliases=(ANN,), proofs=()),
        await world.account("third@corp.com", owner=ANN, aliases=(ANN,), proofs=()),
    )
    await world.user(BOB)
    if disconnected:
        await store.removal.disconnect(second.id, by=ANN)
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    kinds = [(await store.accounts.get(one.id)).proof_of(ANN) for one in (first, third)]
    assert await proofs(store, second) == [(ANN, ProofKind.SIGN_IN, ANN)]
    assert sorted(map(str, kinds)) == (["None", "user"] if disconnected else ["None", "None"])


async def test_all_mail_of_a_transferred_mailbox_follows(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the size of a step: each email's link names the new owner, and its threads wait for the matcher."""
    monkeypatch.setattr(handover, "_AT_ONCE", 2)
    mine = await world.account(ANN, Mode.PRIVATE)
    await world.user(BOB)
    record = await world.record("lead@x.com")
    mails = [content(f"m{number}", "lead@x.com", ANN, minutes=number) for number in range(5)]
    for mail in mails:
        await world.attach(mine, mail)
    enqueue, enqueued = store.pending_work.enqueue, list[str]()

    async def noted(**what: Any) -> Any:
        if (await store.accounts.get(mine.id)).owner == ANN:
            enqueued.extend(what.get("emails", ()))
        return await enqueue(**what)

    monkeypatch.setattr(store.pending_work, "enqueue", noted)
    await store.user_lifecycle.remove(ANN, by=ADMIN, transfer_to=BOB)
    assert len((await store.reading.visible_emails(BOB, record)).emails) == 5
    assert sorted(enqueued) == sorted(mail.key for mail in mails), "work for the matcher, before the owner changes"


async def test_a_session_that_starts_during_a_removal_ends_with_it(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sign-in may have passed its check just before the user was disabled. If they ever come back, its session is no longer valid."""
    await world.account(ANN)
    await store.sign_ins.offer(ANN, "link", lasts=HOUR)
    await store.sign_ins.use("link", "session", lasts=HOUR)
    (late,) = await world.database["sessions"].find().to_list()
    disconnect = store.removal.disconnect

    async def meanwhile(account: str, *, by: str) -> None:
        assert await store.sign_ins.was_ended("session")
        await world.database["sessions"].replace_one({"_id": late["_id"]}, late)
        await disconnect(account, by=by)

    monkeypatch.setattr(store.removal, "disconnect", meanwhile)
    await store.user_lifecycle.remove(ANN, by=ADMIN)
    await world.user(ANN)
    assert await store.sign_ins.user_of("session") is None
