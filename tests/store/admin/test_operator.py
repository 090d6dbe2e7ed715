"""What operators do with the CLI: emails by the start of an id, explanations, quarantined copies."""

from __future__ import annotations

import pytest

from schemas.ledger import RowState
from schemas.mail import Role
from schemas.sharing import Mode, Verdict
from services.store import NotFoundError, Store
from tests.factories import row
from tests.store.fixtures import World, content


async def test_an_operator_names_an_email_by_the_start_of_its_id(world: World, store: Store) -> None:
    """The start of one email's id finds it. No match, several and an empty start are errors with hints."""
    mails = [content(f"m{number}", "kim@customer.com", "a@corp.com") for number in range(2)]
    await store.emails.save_many(mails)
    for mail in mails:
        assert await store.emails.full_key(mail.key) == mail.key
        assert await store.emails.full_key(mail.key[:14]) == mail.key
    with pytest.raises(NotFoundError, match="several emails begin with v1-"):
        await store.emails.full_key("v1-")
    for nothing in ("v1-zzz", ""):
        with pytest.raises(NotFoundError, match="there is no email"):
            await store.emails.full_key(nothing)


async def test_a_viewer_names_only_what_they_may_see(world: World, store: Store) -> None:
    """The start of an id finds an email that the viewer may see. Other emails are neither found nor make it ambiguous."""
    mine, other = await world.account("a@corp.com"), await world.account("b@corp.com", Mode.PRIVATE)
    await world.record("kim@customer.com")
    seen, hidden = (
        content("seen", "kim@customer.com", "a@corp.com"),
        content("hidden", "kim@customer.com", "b@corp.com"),
    )
    await world.attach(mine, seen)
    await world.attach(other, hidden)
    assert await store.reading.full_key("a@corp.com", "v1-") == seen.key
    assert await store.reading.full_key("a@corp.com", seen.key) == seen.key
    with pytest.raises(NotFoundError, match="several emails"):
        await store.reading.full_key("b@corp.com", "v1-")
    for start in (hidden.key, "v1-zzz", ""):
        with pytest.raises(NotFoundError, match="there is no email"):
            await store.reading.full_key("a@corp.com", start)
    with pytest.raises(NotFoundError, match="there is no user"):
        await store.reading.full_key("nobody@corp.com", seen.key)


async def test_the_operator_gets_every_line_but_bcc(world: World, store: Store) -> None:
    """The operator may ask about any user. A Bcc stays with the copy's owner."""
    mine, other = await world.account("a@corp.com", Mode.PRIVATE), await world.account("b@corp.com")
    record = await world.record("kim@customer.com")
    mail = content("m", "kim@customer.com", "a@corp.com", "b@corp.com")
    await world.attach(mine, mail, bcc=["kim@customer.com"])
    await world.attach(other, mail)
    viewer = await world.user("c@corp.com")
    told = await store.explaining.explain(viewer, record, mail.key, asked_by=None)
    assert told.visible
    assert {(line.copy_of.owner, line.decision.verdict) for line in told.lines} == {
        ("a@corp.com", Verdict.MODE_PRIVATE),
        ("b@corp.com", Verdict.SHARED),
    }
    assert all(line.match.role is not Role.BCC and not line.copy_of.bcc for line in told.lines)


async def test_the_operator_learns_that_there_is_no_link(world: World, store: Store) -> None:
    """An email that is not on the record has no line and is not visible there."""
    mine = await world.account("a@corp.com")
    await world.record("kim@customer.com")
    elsewhere = await world.record("lee@other.com")
    mail = content("m", "kim@customer.com", "a@corp.com")
    await world.attach(mine, mail)
    told = await store.explaining.explain("a@corp.com", elsewhere, mail.key, asked_by=None)
    assert (told.visible, told.lines) == (False, ())


async def _quarantined(world: World) -> tuple[str, str]:
    mine = await world.account("a@corp.com")
    copy = row(mine.id, 1)
    await world.store.poller_ledger.add_window(world.leases[mine.id], [copy])
    assert await world.store.matcher_ledger.quarantine(copy.id, "parser-died")
    return mine.id, copy.id


async def test_a_replayed_dead_letter_has_an_unfinished_copy(world: World, store: Store) -> None:
    """The copy is published again, outside its complete backfill. A second replay does nothing."""
    account, copy = await _quarantined(world)
    assert await store.operator_ledger.requeue_quarantined(copy)
    assert not await store.operator_ledger.requeue_quarantined(copy)
    document = await world.database["ledger"].find_one({"_id": copy})
    assert document is not None
    assert (document["state"], document["epoch"], "reason" in document) == ("published", None, False)
    assert await world.states(account) == {"published": 1}


async def test_a_dropped_dead_letter_ends_its_copy(world: World, store: Store) -> None:
    """The copy is skipped, and the reason names the user."""
    account, copy = await _quarantined(world)
    assert await store.operator_ledger.drop_quarantined(copy, by="anna@corp.com")
    assert not await store.operator_ledger.drop_quarantined(copy, by="anna@corp.com")
    document = await world.database["ledger"].find_one({"_id": copy})
    assert document is not None
    assert (document["state"], document["reason"]) == ("skipped", "dropped by anna@corp.com")
    assert await world.states(account) == {"skipped": 1}


@pytest.mark.parametrize("state", [RowState.ATTACHED, RowState.GONE, RowState.UNMATCHED])
async def test_a_copy_that_is_no_longer_quarantined_is_unchanged(world: World, store: Store, state: RowState) -> None:
    """Neither replay nor drop changes a copy that a resync attached or that is gone."""
    account, copy = await _quarantined(world)
    await world.database["ledger"].update_one({"_id": copy}, {"$set": {"state": state.value}})
    assert not await store.operator_ledger.requeue_quarantined(copy)
    assert not await store.operator_ledger.drop_quarantined(copy, by="operator")
    assert await world.states(account) == {state.value: 1}
