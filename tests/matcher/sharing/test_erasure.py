"""Erasing an address with the real matcher: what is removed, what stays, and that nothing brings it back."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest

from schemas.accounts import Account
from schemas.emails import Link
from schemas.identity import address_hash
from schemas.ledger import RowState
from services.matcher.sweepers import sweep_pending_work
from services.store import NotAllowedError
from services.store.core.documents import now
from tests.matcher.fixtures import World, mail, raw_of

ADMIN, ANN, LUC = "admin@firm.example", "ann@firm.example", "luc@firm.example"
KIM, OLD, BOB, NEW = "kim@client.example", "kim@old.example", "bob@other.example", "new@third.example"
AT_ONCE = timedelta(0)


@pytest.fixture
async def ann(world: World) -> Account:
    """Ann's account, and an administrator."""
    await world.store.users.add(ADMIN, admin=True)
    await world.store.users.add(ANN)
    return await world.account(ANN)


async def links_of(world: World, name: str) -> list[Link]:
    """Return the links of a mail."""
    found = await world.store.links.of_emails([mail(name, KIM).key])
    return found.get(mail(name, KIM).key, [])


async def counts(world: World, account: Account) -> dict[RowState, int]:
    """Return the states of an account's rows."""
    return {state: count for state, count in (await world.store.ledger_counts.counts(account.id)).items() if count}


async def settle(world: World) -> None:
    """Finish all pending work."""
    await sweep_pending_work(store=world.store, summaries=world.summaries, overdue=AT_ONCE)
    await world.rest()


async def test_mail_that_only_the_address_keeps_is_deleted_permanently(world: World, ann: Account) -> None:
    """Body, blobs, links, summary and marks are removed; neither the CRM's next change nor a resync brings them back."""
    ref = await world.record(KIM, name="Kim")
    copy = await world.copy(ann, mail("offer", ANN, KIM))
    reply = await world.copy(ann, mail("reply", NEW, ANN, answers="offer"))
    await world.match(copy, reply)
    await world.rest()
    assert len(await links_of(world, "reply")) == 1, "it is linked by its thread"
    announced = await world.store.erasing.counts(KIM, by=ADMIN)
    erased = await world.store.erasing.erase(KIM, by=ADMIN)
    assert erased == announced
    assert (erased.records, erased.links, erased.emails, erased.kept) == (1, 2, 2, 0)
    await settle(world)
    assert await links_of(world, "offer") == await links_of(world, "reply") == []
    assert await world.store.emails.existing([copy.content.key, reply.content.key]) == frozenset()
    assert await counts(world, ann) == {RowState.SKIPPED: 2}
    assert await world.database["ledger"].count_documents({"marks": {"$exists": True}}) == 0
    document = await world.crm["contacts"].find_one({})
    assert document is not None
    assert document["leadmail"]["count"] == 0
    assert document["leadmail"]["newest"] == []
    await world.store.blob_sweep.run(grace=AT_ONCE)
    assert await world.database["blobs.files"].count_documents({}) == 0
    assert await world.database["blobs.chunks"].count_documents({}) == 0
    # when: the record changes, and the mailbox is resynchronised
    await world.changed(ref)
    again = [
        await world.copy(ann, mail("offer", ANN, KIM)),
        await world.copy(ann, mail("reply", NEW, ANN, answers="offer")),
    ]
    await world.match(*again)
    await settle(world)
    assert await world.store.emails.existing([copy.content.key]) == frozenset()
    assert await links_of(world, "offer") == []


async def test_mail_on_other_records_stays(world: World, ann: Account) -> None:
    """If another record or address keeps a mail, only the link or the match by the erased address is removed."""
    await world.record(KIM, OLD)
    await world.record(BOB)
    await world.match(
        await world.copy(ann, mail("both", KIM, ANN, cc=[BOB])),
        await world.copy(ann, mail("both-mine", KIM, ANN, OLD)),
        await world.copy(ann, mail("alone", ANN, KIM)),
    )
    erased = await world.store.erasing.erase(KIM, by=ADMIN)
    assert (erased.emails, erased.kept) == (1, 2)
    await settle(world)
    (left,) = await links_of(world, "both")
    assert [match.address for match in left.matches] == [BOB]
    (left,) = await links_of(world, "both-mine")
    assert [match.address for match in left.matches] == [OLD]
    assert await links_of(world, "alone") == []
    assert await counts(world, ann) == {RowState.ATTACHED: 2, RowState.SKIPPED: 1}
    # and later mail of the address concerns no record, although the CRM still has the address
    later = await world.copy(ann, mail("later", KIM, ANN))
    await world.match(later)
    await settle(world)
    assert await links_of(world, "later") == []


async def test_an_address_that_is_added_again_counts_again(world: World, ann: Account) -> None:
    """Once removed from its record and added again, there or on a new record, it is known; erased mail stays erased."""
    ref = await world.record(KIM, OLD)
    await world.match(await world.copy(ann, mail("offer", KIM, ANN)))
    await world.store.erasing.erase(KIM, by=ADMIN)
    await world.changed(ref)
    assert await world.store.record_addresses.known([KIM]) == {}
    await world.set_addresses(ref, OLD)
    await world.changed(ref)
    await world.set_addresses(ref, OLD, KIM)
    await world.changed(ref)
    assert await world.store.record_addresses.known([KIM]) == {KIM: [ref]}
    await world.match(await world.copy(ann, mail("offer", KIM, ANN)), await world.copy(ann, mail("second", KIM, ANN)))
    await settle(world)
    assert await links_of(world, "offer") == []
    assert len(await links_of(world, "second")) == 1


async def test_a_late_contact_finds_nothing_by_an_erased_mark(world: World, ann: Account) -> None:
    """Copies that were never stored lose the address's mark and keep the others."""
    await world.copy(ann, mail("private", KIM, ANN, BOB), state="unmatched")
    erased = await world.store.erasing.erase(KIM, by=ADMIN)
    assert (erased.records, erased.copies) == (0, 1)
    await world.record(KIM)
    assert await counts(world, ann) == {RowState.UNMATCHED: 1}
    await world.record(BOB)
    assert await counts(world, ann) == {RowState.PLANNED: 1}


async def test_what_is_on_its_way_is_not_linked(world: World, ann: Account) -> None:
    """Mail that was fetched before the erasure and reaches the matcher after it is stored nowhere."""
    await world.record(KIM)
    copy = await world.copy(ann, mail("under-way", KIM, ANN))
    await world.store.erasing.erase(KIM, by=ADMIN)
    await world.match(copy)
    await settle(world)
    assert await counts(world, ann) == {RowState.UNMATCHED: 1}
    assert await world.store.emails.existing([copy.content.key]) == frozenset()


async def test_only_an_administrator_may(world: World, ann: Account) -> None:
    """Anyone else is refused, and nothing changes."""
    await world.record(KIM)
    for act in (world.store.erasing.erase, world.store.exporting.export, world.store.erasing.counts):
        with pytest.raises(NotAllowedError):
            await act(KIM, by=ANN)
    assert KIM in await world.store.record_addresses.known([KIM])
    assert await world.store.audit.newest(action="privacy") == []


async def test_the_log_names_the_act_and_not_the_person(world: World, ann: Account) -> None:
    """The audit log has the actor and the counts; the address is a mark, which finds the entry if one knows the address."""
    await world.record(KIM)
    await world.match(await world.copy(ann, mail("offer", KIM, ANN)))
    before = now()
    await world.store.exporting.export(KIM, by=ADMIN)
    await world.store.erasing.erase(KIM, by=ADMIN)
    entries = await world.store.audit.newest(action="privacy", since=before)
    assert [(entry.action, entry.by) for entry in entries] == [("privacy.erase", ADMIN), ("privacy.export", ADMIN)]
    assert entries[0].details["emails"] == 1
    mark = address_hash(b"k" * 32, KIM).hex()
    assert {entry.subject for entry in entries} == {f"address:{mark}"}
    assert KIM not in str(entries)


async def test_the_export_has_everything(world: World, ann: Account) -> None:
    """It has records, emails with raw form, the address's roles, copies that were not stored, and audit entries.

    It has the copies of mailboxes that the email names. That Helen got it by Bcc stays unknown.
    """
    ref = await world.record(KIM, OLD, name="Kim Sund")
    await world.record(BOB)
    luc, helen = await world.account(LUC), await world.account("helen@firm.example")
    await world.match(
        *[await world.copy(one, mail("offer", KIM, ANN, LUC)) for one in (ann, luc, helen)],
        await world.copy(ann, mail("blind", ANN, BOB), bcc=[KIM]),
        await world.copy(ann, mail("other", BOB, ANN)),
        await world.copy(ann, mail("old", OLD, ANN)),
    )
    await world.copy(ann, mail("gone-by", KIM, ANN), state="unmatched")
    dossier = await world.store.exporting.export(KIM, by=ADMIN)
    assert [(one.record, one.name, one.addresses) for one in dossier.records] == [(ref, "Kim Sund", (KIM, OLD))]
    roles = {email.subject: email.roles for email in dossier.emails}
    assert roles == {"Subject offer": ("from",), "Subject blind": ("bcc",)}
    (offer,) = [email for email in dossier.emails if email.subject == "Subject offer"]
    assert {copy.account for copy in offer.copies} == {ANN, LUC}
    assert len(dossier.unread) == 1
    contents = [content async for content in world.store.exporting.contents(dossier.emails)]
    assert {content.subject for content in contents} == roles.keys()
    raw = {content.subject: await world.store.exporting.raw(content) for content in contents}
    assert hashlib.sha256(raw["Subject offer"]).hexdigest() == hashlib.sha256(raw_of("offer")).hexdigest()
    assert [one.in_crm for one in dossier.records] == [True]
    again = await world.store.exporting.export(KIM, by=ADMIN)
    assert [entry.action for entry in again.audit] == ["privacy.export"]
