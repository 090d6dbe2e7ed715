"""Shared mailboxes: each member counts as the holder, and a change of members works at the next request."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.accounts import Account, AccountState, ProofKind
from schemas.identity import is_team, team_of
from schemas.sharing import Mode, SharingPolicy
from services.store import AlreadyExistsError, NotAllowedError, NotFoundError, Store
from services.store.core.documents import now
from services.store.readers.candidates import EVERYTHING, Candidates
from tests.factories import account, confirmed
from tests.store.fixtures import World, content

ADMIN, ANN, BOB, EVE = "admin@corp.com", "ann@corp.com", "bob@corp.com", "eve@corp.com"
SALES, KIM = "sales@corp.com", "kim@x.com"


async def shared(world: World, *members: str, mode: Mode = Mode.PRIVATE, **fields: Any) -> Account:
    """Connect a shared mailbox, and add those of its members who are no users."""
    for user in members:
        if not await world.database["users"].find_one({"_id": user}):
            await world.user(user)
    mailbox = account(fields.pop("address", SALES), mode, **fields)
    mailbox = mailbox.model_copy(
        update={"owner": team_of(mailbox.id), "members": members, "proofs": confirmed(mailbox.address)}
    )
    await world.store.accounts.add(mailbox, by=members[0])
    await world.lease(mailbox.id)
    return await world.store.accounts.get(mailbox.id)


async def page(store: Store, viewer: str, record: Any) -> list[str]:
    """Return the subjects that a user sees on a record."""
    return [one.subject for one in (await store.reading.visible_emails(viewer, record)).emails]


async def test_each_member_sees_its_mail_and_nobody_else(world: World, store: Store) -> None:
    """As their own: Bcc, folder and raw form included. To others, a mailbox of a team is a holder with the mailbox's address."""
    sales, record = await shared(world, ANN, BOB), await world.record(KIM)
    await world.user(EVE)
    mail = content("m", SALES, KIM)
    await world.attach(sales, mail, bcc=["secret@y.com"])
    for member in (ANN, BOB):
        (line,) = (await store.reading.visible_emails(member, record)).emails
        assert (line.bcc, line.holders, [copy.own for copy in line.copies]) == (("secret@y.com",), (SALES,), [True])
        assert [one.line.email for one in await store.email_search.search(member, "Text")] == [mail.key]
        assert await store.reading.full_key(member, mail.key[:9]) == mail.key
        assert await store.reading.count(member, record) == 1
    assert await page(store, EVE, record) == []
    with pytest.raises(NotFoundError):
        await store.reading.show(EVE, mail.key)
    await store.sharing.set_account(sales.id, SharingPolicy(mode=Mode.PUBLIC), by=ANN)
    (line,) = (await store.reading.visible_emails(EVE, record)).emails
    assert (line.bcc, line.holders, [copy.own for copy in line.copies]) == ((), (SALES,), [False])
    (told,) = (await store.explaining.explain(EVE, record, mail.key, asked_by=EVE)).lines
    assert (told.copy_of.owner, told.copy_of.bcc) == (SALES, ()), "the team's members stay unnamed"


async def test_a_change_of_members_works_at_the_next_request(world: World, store: Store) -> None:
    """It rewrites no link. Who leaves sees nothing more, who joins sees all."""
    sales, record = await shared(world, ANN, BOB), await world.record(KIM)
    await world.user(EVE)
    await world.attach(sales, content("m", KIM, SALES))
    before = await world.database["links"].find().to_list()
    changed = await store.membership.change(sales.id, add=[EVE], remove=[BOB], by=ANN)
    assert changed.members == (ANN, EVE)
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [1, 0, 1]
    assert await world.database["links"].find().to_list() == before
    assert [one.id for one in await store.accounts.held_by(EVE)] == [sales.id]
    assert await store.accounts.held_by(BOB) == []
    (entry,) = await store.audit.newest(action="account.members")
    assert (entry.by, entry.details) == (ANN, {"before": [ANN, BOB], "after": [ANN, EVE]})
    await store.membership.change(sales.id, add=[EVE], by=ANN)
    assert len(await store.audit.newest(action="account.members")) == 1, "nothing changed"


async def test_own_mail_and_that_of_a_team_come_in_one_order(world: World, store: Store) -> None:
    """A page is in order, has each mail once, and a part of it continues where the last one ended."""
    mine = await world.account(ANN, Mode.PRIVATE)
    sales, record = await shared(world, ANN, BOB), await world.record(KIM)
    for number in range(6):
        mail = content(f"m{number}", KIM, SALES, minutes=number)
        for mailbox in ((mine,), (sales,), (mine, sales))[number % 3]:
            await world.attach(mailbox, mail)
    wanted = [f"Subject m{number}" for number in reversed(range(6))]
    seen: list[str] = []
    before = None
    while len(seen) < 6:
        part = await store.reading.visible_emails(ANN, record, limit=2, before=before)
        seen, before = [*seen, *(one.subject for one in part.emails)], part.before
    assert (seen, before) == (wanted, None)
    ann = await world.viewer(ANN)
    links = await Candidates(store._collections, store._guard).newest(ann, EVERYTHING, None, 100)
    assert len({link.id for link in links}) == len(links) == 6


async def test_what_a_member_keeps_private_is_kept_for_the_team(world: World, store: Store) -> None:
    """Any member shares it again. Their own copy goes with it, as it is one mail for them; colleagues' copies do not."""
    mine = await world.account(ANN)
    sales, record = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    await world.user(EVE)
    mail = content("m", KIM, SALES, ANN)
    for mailbox in (mine, sales):
        await world.attach(mailbox, mail)
    await store.withdrawing.keep_private(mail.key, by=BOB)
    assert await page(store, EVE, record) == ["Subject m"], "Ann shares her copy"
    await store.withdrawing.keep_private(mail.key, by=ANN)
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [1, 1, 0]
    assert await store.withdrawals.kinds(await store.teams.owners(BOB), mail.key, ()) == {"email"}
    await store.membership.change(sales.id, remove=[BOB], by=ANN)
    assert await page(store, EVE, record) == [], "it is the team's, not Bob's"
    with pytest.raises(NotFoundError):
        await store.withdrawing.share_again(mail.key, by=BOB)
    await store.withdrawing.share_again(mail.key, by=ANN)
    assert await page(store, EVE, record) == ["Subject m"]


async def test_a_thread_that_a_member_keeps_private(world: World, store: Store) -> None:
    """It is the one that the team's mail joins, also where a member's own mailbox has less of it."""
    sales, record = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    await world.user(EVE)
    first = content("m1", KIM, SALES)
    answer = content("m2", SALES, KIM, in_reply_to=first.message_id, thread="u" * 24)
    for mail in (first, answer):
        await world.attach(sales, mail)
    assert await store.withdrawing.keep_private(first.key, by=BOB, thread=True) == 2
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [2, 2, 0]


async def test_members_delete_what_only_the_team_holds(world: World, store: Store) -> None:
    """A copy in a mailbox of another user keeps it."""
    other = await world.account(EVE)
    sales, _ = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    alone, both = content("m1", KIM, SALES), content("m2", KIM, SALES, EVE)
    for mailbox, mail in ((sales, alone), (sales, both), (other, both)):
        await world.attach(mailbox, mail)
    for user, mail in ((ANN, both), (EVE, alone), (EVE, both)):
        with pytest.raises(NotAllowedError):
            await store.deleting.delete(mail.key, by=user)
    await store.deleting.delete(alone.key, by=BOB)
    (deleted,) = await store.undoing.deleted(BOB)
    assert (deleted.email, deleted.subject) == (alone.key, alone.subject)
    await store.undoing.restore(alone.key, by=BOB)


async def test_previews_and_counts_are_those_of_the_member_who_asks(world: World, store: Store) -> None:
    """Members see the mail before and after, so that a change concerns the other users only."""
    sales, _ = await shared(world, ANN, BOB, mode=Mode.PUBLIC), await world.record(KIM)
    for user in (EVE, "zoe@corp.com"):
        await world.user(user)
    await world.attach(sales, content("m", KIM, SALES))
    for by in (None, BOB):
        hidden = (await store.previewing.account(sales, SharingPolicy(mode=Mode.PRIVATE), by=by)).hidden
        assert (hidden.emails, hidden.users, len(hidden.examples)) == (1, 2, 1)
    counts = await store.removal.counts([sales.id], asker=BOB)
    assert (counts.emails, counts.only_here) == (1, 1)


async def test_only_active_users_join(world: World, store: Store) -> None:
    """Nobody who is unknown or disabled, neither to a new mailbox nor to one that is there; and who is no member cannot leave."""
    sales = await shared(world, ANN)
    await world.user(BOB)
    await store.user_lifecycle.disable(BOB, by=ADMIN)
    refused: list[dict[str, Any]] = [{"add": [BOB]}, {"add": ["nobody@corp.com"]}, {"remove": [EVE]}]
    for change in (*refused, {"add": [EVE], "remove": [ANN]}):
        with pytest.raises(NotFoundError):
            await store.membership.change(sales.id, **change, by=ANN)
    with pytest.raises(NotFoundError):
        await shared(world, BOB, address="support@corp.com")
    assert [(one.address, one.members) for one in await store.accounts.get_all()] == [(SALES, (ANN,))]


async def test_an_active_member_stays(world: World, store: Store) -> None:
    """Neither the last one, nor the last one who is not disabled can leave."""
    sales = await shared(world, ANN, BOB)
    with pytest.raises(NotAllowedError, match="not disabled"):
        await store.membership.change(sales.id, remove=[ANN, BOB], by=ANN)
    await store.user_lifecycle.disable(BOB, by=ADMIN)
    with pytest.raises(NotAllowedError, match="not disabled"):
        await store.membership.change(sales.id, remove=[ANN], by=ANN)
    assert (await store.membership.change(sales.id, remove=[BOB], by=ANN)).members == (ANN,)
    mine = await world.account(EVE)
    for other in (mine.id, "f" * 24):
        with pytest.raises(NotFoundError, match="no shared mailbox"):
            await store.membership.change(other, add=[ANN], by=ANN)


async def state(store: Store, of: Account) -> tuple[AccountState, tuple[str, ...]]:
    """Return the state and the members of an account now."""
    found = await store.accounts.get(of.id)
    return found.state, found.members


async def test_it_goes_on_while_a_member_is_active(world: World, store: Store) -> None:
    """It pauses with the last one who is disabled, and goes on with the first who is enabled, or who joins."""
    sales, record = await shared(world, ANN, BOB), await world.record(KIM)
    await world.user(EVE)
    await world.attach(sales, content("m", KIM, SALES))
    for user, then in ((BOB, AccountState.ACTIVE), (ANN, AccountState.PAUSED)):
        await store.user_lifecycle.disable(user, by=ADMIN)
        assert await state(store, sales) == (then, (ANN, BOB))
        with pytest.raises(NotFoundError):
            await page(store, user, record)
    await store.user_lifecycle.enable(BOB, by=ADMIN)
    assert await state(store, sales) == (AccountState.ACTIVE, (ANN, BOB))
    await store.user_lifecycle.disable(BOB, by=ADMIN)
    trouble = {"code": "unavailable", "phase": "live", "since": now()}
    await world.database["accounts"].update_one({"_id": sales.id}, {"$set": {"trouble": trouble}})
    paused = await store.accounts.get(sales.id)
    assert (paused.reason, paused.trouble is None) == ("owner-disabled", False)
    await store.membership.change(sales.id, add=[EVE], by=ADMIN)
    assert await state(store, sales) == (AccountState.ACTIVE, (ANN, BOB, EVE))
    resumed = await store.accounts.get(sales.id)
    assert (resumed.reason, resumed.trouble) == (None, None)
    await store.accounts.set_state(sales.id, AccountState.PAUSED, by=EVE)
    await store.membership.change(sales.id, remove=[ANN], by=EVE)
    assert (await state(store, sales))[0] is AccountState.PAUSED, "a member paused it"


async def test_a_removed_member_leaves_the_team(world: World, store: Store) -> None:
    """The mailbox is the others'; a later user of the same address is no member."""
    sales, record = await shared(world, ANN, BOB), await world.record(KIM)
    await world.attach(sales, content("m", KIM, SALES))
    for purge, heir in ((True, None), (False, BOB)):
        assert await store.user_lifecycle.concerned(ANN) == []
        assert await store.user_lifecycle.remove(ANN, by=ADMIN, purge=purge, transfer_to=heir) == []
        assert await state(store, sales) == (AccountState.ACTIVE, (BOB,))
        await world.user(ANN)
        assert await page(store, ANN, record) == []
        assert await page(store, BOB, record) == ["Subject m"]
        await store.membership.change(sales.id, add=[ANN], by=BOB)
    entries = await store.audit.newest(action="account.members", by=ADMIN)
    assert [one.details for one in entries] == [{"before": [ANN, BOB], "after": [BOB]}] * 2


@pytest.mark.parametrize("how", ["disconnect", "purge", "transfer"])
async def test_the_last_members_removal_decides(world: World, store: Store, how: str) -> None:
    """As with a user's own mailbox: it is disconnected, purged, or the heir is the member from then on."""
    sales, record = await shared(world, ANN), await world.record(KIM)
    await world.user(BOB)
    await world.attach(sales, content("m", KIM, SALES))
    assert [one.id for one in await store.user_lifecycle.concerned(ANN)] == [sales.id]
    heir = BOB if how == "transfer" else None
    await store.user_lifecycle.remove(ANN, by=ADMIN, purge=how == "purge", transfer_to=heir)
    if how == "purge":
        assert await store.accounts.get_all() == []
        return
    wanted = (AccountState.ACTIVE, (BOB,)) if heir else (AccountState.DISCONNECTED, ())
    assert await state(store, sales) == wanted
    await world.user(ANN)
    assert [len(await page(store, user, record)) for user in (ANN, BOB)] == [0, 1 if heir else 0]


async def test_an_own_mailbox_becomes_shared(world: World, store: Store) -> None:
    """Its owner's threads, own copies and what they kept private are the team's; the former owner sees it as a member only."""
    mine, record = await world.account(SALES, Mode.PUBLIC, owner=ANN, aliases=(ANN,)), None
    for user in (ANN, BOB, EVE):
        await world.user(user)
    record = await world.record(KIM)
    open_, kept = content("m1", KIM, SALES), content("m2", KIM, SALES, minutes=1)
    for mail in (open_, kept):
        await world.attach(mine, mail)
    await store.withdrawing.keep_private(kept.key, by=ANN)
    await store.sharing.resume()  # nothing is left to do
    after = await store.membership.share(mine.id, [ANN, BOB], by=ANN)
    assert (after.owner, after.members, set(after.own_addresses)) == (team_of(mine.id), (ANN, BOB), {SALES})
    assert is_team(after.owner)
    assert after.aliases == ()  # its former owner's address is theirs
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [2, 2, 1]
    assert await world.database["links"].distinct("owners") == [after.owner]
    (document,) = [one async for one in world.database["accounts"].find({"relink": {"$exists": True}})]
    assert document["_id"] == mine.id  # the matcher looks at all of its mail again
    (entry,) = await store.audit.newest(action="account.share")
    assert (entry.by, entry.details) == (ANN, {"before": ANN, "after": [ANN, BOB]})
    await store.membership.change(mine.id, remove=[ANN], by=BOB)
    assert [len(await page(store, user, record)) for user in (ANN, BOB, EVE)] == [1, 2, 1]


async def test_no_mailbox_goes_to_who_is_no_active_user(world: World, store: Store) -> None:
    """The heir is disabled just before the mailbox becomes theirs."""
    mine = await world.account(ANN)
    await world.user(BOB)
    await store.user_lifecycle.disable(BOB, by=ADMIN)
    with pytest.raises(NotFoundError):
        await store._handover.hand_over(mine, BOB, action="account.transfer", by=ADMIN)
    assert (await store.accounts.get(mine.id)).owner == ANN


async def test_a_teams_address_is_no_users(world: World, store: Store) -> None:
    """Nobody can be added as the user whose address a connected shared mailbox has: it would be two people's."""
    mine = await world.account(SALES, owner=ANN)
    await world.user(ANN)
    await store.membership.share(mine.id, [ANN], by=ANN)
    with pytest.raises(AlreadyExistsError, match="shared mailbox"):
        await store.users.add(SALES)
    await store.removal.disconnect(mine.id, by=ANN)
    assert (await store.users.add(SALES)).email == SALES


async def test_what_cannot_be_shared(world: World, store: Store) -> None:
    """A user's personal mailbox, a shared one again, a disconnected one, and one without members or with a disabled one."""
    mine, second = await world.account(ANN), await world.account(SALES, owner=ANN)
    ended = await world.account("old@corp.com", owner=ANN)
    await world.user(BOB)
    await store.removal.disconnect(ended.id, by=ANN)
    for of, members, error in (
        (mine, [ANN, BOB], NotAllowedError),
        (second, [], NotAllowedError),
        (second, [ANN, EVE], NotFoundError),
        (ended, [ANN, BOB], NotFoundError),
    ):
        with pytest.raises(error):
            await store.membership.share(of.id, members, by=ANN)
        assert (await store.accounts.get(of.id)).owner == ANN
    await store.membership.share(second.id, [ANN, BOB], by=ANN)
    with pytest.raises(NotAllowedError, match="shared already"):
        await store.membership.share(second.id, [ANN, BOB], by=ANN)


async def test_no_code_takes_a_teams_address(world: World, store: Store) -> None:
    """Each member could read it. Neither does an administrator's word; whoever signs in with the address gets it."""
    mine, support = await world.account(ANN), "support@corp.com"
    sales = await shared(world, ANN, BOB, aliases=(support,))
    for address in (SALES, support):
        for how in (ProofKind.CODE, ProofKind.ADMINISTRATOR):
            with pytest.raises(AlreadyExistsError, match="shared mailbox"):
                await store.address_proofs.prove(mine.id, address, how, by=ANN)
    assert (await store.accounts.get(mine.id)).own_addresses == {ANN}
    assert await store.colleagues.own_among([SALES, ANN]) == {SALES, ANN}
    await store.address_proofs.prove(sales.id, support, ProofKind.CODE, by=ANN)
    with pytest.raises(AlreadyExistsError, match="another user"):
        await store.address_proofs.prove(sales.id, BOB, ProofKind.CODE, by=ANN)
    await store.address_proofs.prove(mine.id, support, ProofKind.SIGN_IN, by=ANN)
    assert (await store.accounts.get(sales.id)).own_addresses == {SALES}


async def test_connecting_it_again(world: World, store: Store) -> None:
    """It is the same mailbox if each member was one before; others do not get its earlier mail with it."""
    sales = await shared(world, ANN, BOB)
    await world.user(EVE)
    find = store.former_accounts.find_shared
    assert await find([ANN], SALES) is None
    await store.removal.disconnect(sales.id, by=ANN)
    for members, found in (([ANN], True), ([BOB, ANN], True), ([ANN, EVE], False), ([], False)):
        former = await find(members, SALES)
        assert (former is not None and former.id == sales.id) is found
    again = sales.model_copy(update={"members": (ANN, EVE)})
    with pytest.raises(AlreadyExistsError):
        await store.accounts.add(again, by=ANN)
    await store.accounts.add(sales.model_copy(update={"members": (ANN,)}), by=ANN)
    assert await state(store, sales) == (AccountState.ACTIVE, (ANN,))
