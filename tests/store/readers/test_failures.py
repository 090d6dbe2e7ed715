"""Mail that was not delivered: marked wherever it is shown, for those who see on the same record the bounce that says so."""

from __future__ import annotations

import pytest

from schemas.accounts import Account
from schemas.identity import failure_id
from schemas.mail import Classification, Content, Participant, Role
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import Store, VisibleEmail
from services.store.readers import failures
from tests.store.fixtures import World, content

ANN, BOB, EVE, LEAD, GONE = "a@corp.com", "b@corp.com", "e@corp.com", "lead@x.com", "gone@y.com"


def bounce(name: str, of: str, *, minutes: int = 1, whom: str = LEAD, **fields: object) -> Content:
    """Return a bounce that is in no thread by its header: it names a mail of a list."""
    marks = Classification(
        bounce=True,
        bounced=(whom,),
        bounce_kind="hard",
        bounce_status="5.1.1",
        bounce_reason="User unknown",
        bounced_id=f"{of}@mail",
    )
    people = (Participant(address="daemon@corp.com", role=Role.FROM), Participant(address=whom, role=Role.SENDER))
    values = {"marks": marks, "thread": "list", "references": ("list@mail",), **fields}
    return content(name, LEAD, minutes=minutes, **values).model_copy(update={"participants": people})


def sent(name: str, *to: str, minutes: int = 0) -> Content:
    """Return a mail that Ann sent."""
    return content(name, ANN, *(to or (LEAD,)), minutes=minutes, thread=f"thread of {name}")


@pytest.fixture
async def ann(world: World) -> Account:
    """A user who shares her mail; Eve reads."""
    await world.user(EVE)
    return await world.account(ANN)


async def page(store: Store, viewer: str, record: RecordRef, **options: object) -> dict[str, list[str]]:
    """Return the bounces by which each line of a record page is marked, read in parts."""
    found: dict[str, list[str]] = {}
    before = None
    while True:
        part = await store.reading.visible_emails(viewer, record, before=before, **options)  # type: ignore[arg-type]
        found |= {line.subject.removeprefix("Subject "): marks(line) for line in part.emails}
        if (before := part.before) is None:
            return found


def marks(line: VisibleEmail) -> list[str]:
    """Return the bounces by which a line is marked."""
    return [one.email for one in line.failures]


async def test_the_failure_is_what_the_bounce_says(world: World, store: Store) -> None:
    """The bounce is incoming, and marks the mail that it is about; it marks nothing for users who do not see it."""
    mine, his = await world.account(ANN), await world.account(BOB, Mode.PRIVATE)
    record = await world.record(LEAD)
    await world.attach(mine, mail := sent("m"))
    await world.attach(his, failed := bounce("bounce", "m"))
    assert await page(store, ANN, record) == {"m": []}
    assert await page(store, BOB, record) == {"bounce": [], "m": [failed.key]}
    assert marks((await store.reading.show(ANN, mail.key)).line) == []
    (told,) = (await store.reading.show(BOB, mail.key)).line.failures
    said = (told.email, told.addresses, told.kind, told.status, told.reason)
    assert said == (failed.key, (LEAD,), "hard", "5.1.1", "User unknown")
    newest = (await store.reading.visible_emails(BOB, record)).emails[0]
    assert (newest.direction, newest.marks.bounce) == ("in", True)
    # Bob's mailbox counted as shared until now: what links say of that is not trusted.
    await world.database["links"].update_many({"owners": BOB}, {"$set": {"shared_by": [his.id]}})
    await world.user(EVE)
    assert await page(store, EVE, record) == {"m": []}


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_on_any_part_of_a_page(world: World, store: Store, ann: Account, limit: int) -> None:
    """However far apart they are, whatever answers the mail, in the page of its thread, and in the mail's own."""
    record = await world.record(LEAD)
    mails = [sent("m"), bounce("first", "m", minutes=1), sent("other", minutes=2)]
    mails += [
        content(f"answer {n}", LEAD, ANN, minutes=3 + n, in_reply_to="m@mail", thread="a", references=("m@mail",))
        for n in range(4)
    ]
    mails.append(bounce("second", "m", minutes=9))
    for one in mails:
        await world.attach(ann, one)
    both = sorted((mails[1].key, mails[-1].key))
    for viewer in (ANN, EVE):
        found = await page(store, viewer, record, limit=limit)
        assert sorted(found.pop("m")) == both
        assert set(map(tuple, found.values())) == {()}
        assert sorted(marks((await store.reading.show(viewer, mails[0].key)).line)) == both
        assert marks((await store.reading.show(viewer, mails[2].key)).line) == []
        whole = (await store.reading.visible_emails(viewer, record)).emails
        (thread,) = {line.thread for line in whole if line.email in {mails[0].key, *both}}
        assert sorted((await page(store, viewer, record, limit=limit, thread=thread))["m"]) == both


async def test_a_bounce_is_in_the_thread_of_its_mail(world: World, store: Store, ann: Account) -> None:
    """Whatever else its header names: in lists, and where the mail's thread is kept private."""
    await world.record(LEAD)
    mail, failed = sent("m"), bounce("bounce", "m")
    for one in (mail, failed):
        await world.attach(ann, one)
    assert [one.line.email for one in await store.email_search.thread(EVE, mail.key)] == [mail.key, failed.key]
    briefs = await store.emails.briefs([failed.key])
    assert briefs[failed.key].thread_ids == failed.thread_ids
    assert await store.withdrawing.keep_private(mail.key, by=ANN, thread=True) == 2
    assert not await store.email_search.search(EVE, "Text")


async def test_only_on_the_record_where_the_bounce_is_seen(world: World, store: Store, ann: Account) -> None:
    """A mail to two of which one was not reached: the other's page says nothing, as its readers may not see the bounce."""
    lead, gone = await world.record(LEAD), await world.record(GONE)
    await world.attach(ann, mail := sent("m", LEAD, GONE))
    await world.attach(ann, failed := bounce("bounce", "m", whom=GONE))
    assert await page(store, EVE, gone) == {"bounce": [], "m": [failed.key]}
    assert await page(store, EVE, lead) == {"m": []}
    assert marks((await store.reading.show(EVE, mail.key)).line) == [failed.key]


async def test_a_forged_bounce_marks_nothing_where_it_is_not(world: World, store: Store, ann: Account) -> None:
    """A stranger's bounce comes to another mailbox, about another record or kept private: the mail is as it was."""
    record = await world.record(LEAD)
    await world.record(GONE)
    bob, mail = await world.account(BOB, Mode.PRIVATE), sent("m")
    await world.attach(ann, mail)
    await world.attach(ann, bounce("elsewhere", "m", whom=GONE))
    await world.attach(bob, bounce("hidden", "m"))
    assert await page(store, EVE, record) == {"m": []}
    assert marks((await store.reading.show(EVE, mail.key)).line) == []
    await world.record("kim@z.com")
    await world.attach(ann, both := sent("both", LEAD, "kim@z.com"))
    await world.attach(ann, bounce("of both", "both", whom=GONE))
    assert marks((await store.reading.show(EVE, both.key)).line) == []
    # Nor does a mail that has only the id by which bounces are found.
    await world.attach(ann, content("no bounce", LEAD, ANN, minutes=3))
    await world.attach(ann, sent("nameless").model_copy(update={"message_id": None}))
    await world.database["links"].update_many({"ids": {"$size": 2}}, {"$addToSet": {"ids": failure_id("m@mail")}})
    assert set(map(tuple, (await page(store, EVE, record)).values())) == {()}


@pytest.mark.parametrize("bounds", [(3, 1), (1, 3)])
async def test_many_bounces_are_read_in_bounds(
    world: World, store: Store, ann: Account, monkeypatch: pytest.MonkeyPatch, bounds: tuple[int, int]
) -> None:
    """The newest count."""
    monkeypatch.setattr(failures, "MOST", bounds[0])
    monkeypatch.setattr(failures, "MOST_EACH", bounds[1])
    await world.record(LEAD)
    await world.attach(ann, mail := sent("m"))
    bounces = [bounce(f"b{number}", "m", minutes=1 + number) for number in range(6)]
    for one in bounces:
        await world.attach(ann, one)
    for viewer in (ANN, EVE):
        found = marks((await store.reading.show(viewer, mail.key)).line)
        assert found == [one.key for one in reversed(bounces[3:])]


async def test_each_line_has_its_share_of_the_bounds(
    world: World, store: Store, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two mails with four bounces each, the newest three of each count. A mail without a Message-ID has no share."""
    monkeypatch.setattr(failures, "MOST", 1)
    monkeypatch.setattr(failures, "MOST_EACH", 3)
    record = await world.record(LEAD)
    bounces = {name: [bounce(f"{name}{number}", name, minutes=1 + number) for number in range(4)] for name in "mn"}
    nameless = sent("nameless", minutes=9).model_copy(update={"message_id": None})
    for one in (*bounces["m"], *bounces["n"], *(sent(name, minutes=9) for name in bounces), nameless):
        await world.attach(ann, one)
    lines = (await store.reading.visible_emails(EVE, record, limit=3)).emails
    expected = {name: sorted(one.key for one in found[1:]) for name, found in bounces.items()}
    found = {line.subject.removeprefix("Subject "): sorted(marks(line)) for line in lines}
    assert found == expected | {"nameless": []}


async def test_bounces_of_other_records_take_none_of_the_bounds(
    world: World, store: Store, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page reads as many as it may for its own record."""
    monkeypatch.setattr(failures, "MOST", 1)
    monkeypatch.setattr(failures, "MOST_EACH", 1)
    record = await world.record(LEAD)
    await world.record(GONE)
    mails = [sent("m"), bounce("bounce", "m")]
    for one in (*mails, *(bounce(f"b{number}", "m", minutes=5 + number, whom=GONE) for number in range(3))):
        await world.attach(ann, one)
    assert await page(store, EVE, record) == {"m": [mails[1].key], "bounce": []}
