"""Threads as a viewer sees them: joined by ids, over what this viewer may see, and read in bounds."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from schemas.accounts import Account
from schemas.mail import Content
from schemas.records import RecordRef
from schemas.sharing import Mode
from services.store import Store
from services.store.readers import threads
from services.store.readers.threads import groups
from tests.store.fixtures import World, content

ANN, BOB, EVE, LEAD = "ann@corp.com", "bob@corp.com", "eve@corp.com", "lead@x.com"


def mail(name: str, *named: str, minutes: int, answers: str = "", **fields: object) -> Content:
    """Return a mail that names others: by References, or by In-Reply-To alone."""
    references, above = tuple(f"{one}@mail" for one in named), f"{answers}@mail" if answers else None
    return content(
        name, LEAD, ANN, minutes=minutes, references=references, in_reply_to=above, thread=f"thread of {name}", **fields
    )


@pytest.fixture
async def ann(world: World) -> Account:
    """A user who shares her mail, and a record; Eve reads."""
    await world.user(EVE)
    await world.record(LEAD)
    return await world.account(ANN)


async def seen(store: Store, viewer: str, of: Content) -> list[str]:
    """Return the subjects of a thread, oldest first."""
    return [one.line.subject.removeprefix("Subject ") for one in await store.email_search.thread(viewer, of.key)]


async def on_page(store: Store, viewer: str, record: RecordRef, *, limit: int = 50) -> list[set[str]]:
    """Return the threads of a record page, read in parts."""
    found: dict[str, set[str]] = {}
    before = None
    while True:
        page = await store.reading.visible_emails(viewer, record, limit=limit, before=before)
        for line in page.emails:
            found.setdefault(line.thread, set()).add(line.subject.removeprefix("Subject "))
        if (before := page.before) is None:
            return sorted(found.values(), key=sorted)


async def lead(store: Store) -> RecordRef:
    """Return the record."""
    (record,) = await store.records.find(LEAD)
    return record.ref


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_known_parents_join(world: World, store: Store, ann: Account, limit: int) -> None:
    """In-Reply-To alone, References that begin later, two answers to a mail that is not here: one thread each, on any part of a page."""
    mails = [
        mail("root", minutes=1),
        mail("first", minutes=2, answers="root"),
        mail("second", minutes=3, answers="first"),
        mail("trimmed", "first", "second", minutes=4),
        mail("left", minutes=5, answers="absent"),
        mail("right", "absent", minutes=6),
        mail("alone", minutes=7),
    ]
    for one in random.Random(limit).sample(mails, len(mails)):
        await world.attach(ann, one)
    for one in mails[:4]:
        assert await seen(store, EVE, one) == ["root", "first", "second", "trimmed"]
    assert await seen(store, EVE, mails[4]) == ["left", "right"]
    assert await seen(store, EVE, mails[6]) == ["alone"]
    page = await on_page(store, EVE, await lead(store), limit=limit)
    assert page == [{"alone"}, {"first", "root", "second", "trimmed"}, {"left", "right"}]


async def test_hidden_mail_joins_nothing(world: World, store: Store, ann: Account) -> None:
    """What a mail says that the viewer may not see is not known to them: neither by its place in a thread nor by a forgery."""
    bob = await world.account(BOB, Mode.PRIVATE)
    record = await lead(store)
    shared = [
        mail("question", minutes=1),
        mail("answer", minutes=3, answers="between"),
        mail("other", minutes=4),
        mail("named", "question", "between", minutes=5),
    ]
    for one in shared[:3]:
        await world.attach(ann, one)
    await world.attach(bob, between := mail("between", minutes=2, answers="question"))
    await world.attach(bob, mail("forged", "question", "other", minutes=6))
    assert await seen(store, EVE, shared[0]) == ["question"]
    assert await seen(store, EVE, shared[1]) == ["answer"]
    assert await on_page(store, EVE, record) == [{"answer"}, {"other"}, {"question"}]
    assert await seen(store, BOB, between) == ["question", "between", "answer", "other", "forged"]
    # Bob's mailbox counted as shared until now: what links say of that is not trusted.
    await world.database["links"].update_many({"owners": BOB}, {"$set": {"shared_by": [bob.id]}})
    assert await seen(store, EVE, shared[0]) == ["question"]
    assert await on_page(store, EVE, record) == [{"answer"}, {"other"}, {"question"}]
    # A mail that they see says that all three are one thread; the hidden one shows nothing else of itself.
    await world.attach(ann, shared[3])
    assert await seen(store, EVE, shared[1]) == ["question", "answer", "named"]
    assert await on_page(store, EVE, record) == [{"answer", "named", "question"}, {"other"}]


async def test_a_long_thread_is_read_in_part(
    world: World, store: Store, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says so, and has the mail that was asked for; hidden mail does not count."""
    monkeypatch.setattr(threads, "MOST", 5)
    bob = await world.account(BOB, Mode.PRIVATE)
    mails = [mail(f"m{number}", "root", minutes=number) for number in range(6)]
    for one in mails[:5]:
        await world.attach(ann, one)
    for number in range(20):
        await world.attach(bob, mail(f"h{number}", "root", minutes=number))
    await world.database["links"].update_many({"owners": BOB}, {"$set": {"shared_by": [bob.id]}})
    record = await lead(store)
    (name,) = {one.thread for one in (await store.reading.visible_emails(ANN, record)).emails}
    whole = await store.email_search.thread(ANN, mails[0].key)
    page = await store.reading.visible_emails(ANN, record, thread=name)
    assert (len(whole), whole.cut_short, len(page.emails), page.cut_short) == (5, False, 5, False)
    await world.attach(ann, mails[5])
    for one in mails:
        part = await store.email_search.thread(ANN, one.key)
        assert (len(part), part.cut_short) == (5, True)
        assert one.key in {found.line.email for found in part}
        assert len({found.line.thread for found in part}) == 1


async def test_a_page_of_one_thread_has_parts(world: World, store: Store, ann: Account) -> None:
    """Newest first, each mail once; an id that names no thread finds nothing, and neither does one of another record."""
    mails = [mail("m0", minutes=0), *(mail(f"m{one}", minutes=one, answers=f"m{one - 1}") for one in range(1, 5))]
    for one in (*mails, mail("other", minutes=9)):
        await world.attach(ann, one)
    record, empty = await lead(store), await world.record("none@x.com")
    name = next(one.thread for one in (await store.reading.visible_emails(EVE, record)).emails if "m2" in one.subject)
    found: list[str] = []
    before = None
    while True:
        page = await store.reading.visible_emails(EVE, record, thread=name, limit=2, before=before)
        found += [one.subject for one in page.emails]
        assert {one.thread for one in page.emails} == {name}
        if (before := page.before) is None:
            break
    assert found == [f"Subject m{number}" for number in (4, 3, 2, 1, 0)]
    for record_, thread in ((record, "nothing"), (empty, name)):
        assert (await store.reading.visible_emails(EVE, record_, thread=thread)).emails == []


async def test_search_results_are_joined(world: World, store: Store, ann: Account) -> None:
    """Over what was found."""
    for one in (mail("a", minutes=1), mail("b", minutes=2, answers="a"), mail("c", minutes=3, answers="b")):
        await world.attach(ann, one)
    found = await store.email_search.search(EVE, "Text")
    assert len(found) == 3
    assert len({one.line.thread for one in found}) == 1
    assert len({one.line.thread for one in await store.email_search.search(EVE, "Text a")}) == 1


async def test_links_of_earlier_versions_join_by_their_oldest_id(world: World, store: Store, ann: Account) -> None:
    """Until they are linked again, ``thread`` is all that they say; on its own page such a mail is there at least."""
    mails = [mail(name, minutes=number) for number, name in enumerate(("a", "b", "c"))]
    for one in mails:
        await world.attach(ann, one.model_copy(update={"thread": "root" if one is not mails[2] else "other"}))
    await world.database["links"].update_many({}, {"$unset": {"ids": "", "own_ids": ""}})
    assert await on_page(store, EVE, await lead(store)) == [{"a", "b"}, {"c"}]
    for one in mails:
        assert one.subject.removeprefix("Subject ") in await seen(store, EVE, one)


def test_the_order_makes_no_difference() -> None:
    """Threads are what is connected, however many steps apart."""
    rng = random.Random(5)
    for _ in range(200):
        named = [(number, rng.sample("abcdefghijkl", rng.randint(1, 3))) for number in range(rng.randint(1, 9))]
        expected = {frozenset(_connected(number, named)) for number, _ in named}
        for _ in range(3):
            found: dict[int, set[int]] = {}
            for number, thread in groups(rng.sample(named, len(named))).items():
                found.setdefault(thread, set()).add(number)
            assert {frozenset(one) for one in found.values()} == expected


def _connected(number: int, named: Iterable[tuple[int, list[str]]]) -> set[int]:
    ids, found = set(dict(named)[number]), {number}
    while more := {one for one, several in named if ids & set(several)} - found:
        found |= more
        ids.update(one for number, several in named if number in found for one in several)
    return found
