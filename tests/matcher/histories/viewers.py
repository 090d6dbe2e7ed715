"""What each viewer sees through every read path of the store, compared with the reference model."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Mapping

from bson import ObjectId

from schemas.records import RecordRef
from services.store import NotFoundError
from tests.matcher.histories.company import Held, Line
from tests.matcher.histories.history import History, file_of
from tests.matcher.histories.steps import USERS

SOME = 0.3
Granted = Mapping[Line, list[Held]]
"""What a viewer should see, and the copies that grant it."""


async def look(life: History, rng: random.Random) -> None:
    """Check all users' pages and, at random (thousands of times over a run), every other read path."""
    granted = {viewer: life.paper.granting(viewer) for viewer in USERS}
    working = [user for user in USERS if user in life.paper.users and user not in life.paper.disabled]
    for viewer in {*USERS}.difference(working):
        for ref in life.refs.values():
            await _refused(_opened(life, viewer, ref))
    for viewer in working:
        for label in life.refs:
            await _page(life, viewer, label, granted[viewer], rng)
    await _summaries(life, life.paper.granting(USERS[3], any_record=True))
    viewer = rng.choice(working)
    await _search(life, viewer, granted[viewer])
    for name in rng.sample(sorted(life.written), min(len(life.written), 2)):
        await _one(life, viewer, name, granted[viewer], rng)
    await _suggested(life, viewer, granted[viewer])


async def _page(life: History, viewer: str, label: str, granted: Granted, rng: random.Random) -> None:
    expected = {letter: copies for (record, letter), copies in granted.items() if record == label}
    limit, before, lines = rng.choice([2, 50, 50]), None, []
    while True:
        page = await life.store.reading.visible_emails(viewer, life.refs[label], limit=limit, before=before)
        lines += page.emails
        if (before := page.before) is None:
            break
    seen = [life.name_of(line.email) for line in lines]
    assert sorted(seen) == sorted(expected), f"{viewer} sees {sorted(seen)} on {label}, not {sorted(expected)}"
    threads: dict[str, set[str]] = {}
    for line in lines:
        threads.setdefault(line.thread, set()).add(life.name_of(line.email))
    for same in threads.values():
        assert same == life.paper.thread(min(same), {*expected}), f"{viewer}, threads on {label}: {threads}"
    if rng.random() < SOME:
        assert await life.store.reading.count(viewer, life.refs[label]) == len(expected)
    for line in lines:
        copies = expected[life.name_of(line.email)]
        where = f"{viewer}, {label}, {life.name_of(line.email)}"
        told_of = [copy for copy in copies if life.paper.tells_of(viewer, copy)]
        assert set(line.holders) == {life.paper.mailboxes[copy.mailbox].name() for copy in told_of}, where
        assert {copy.address for copy in line.copies} == {copy.mailbox for copy in told_of}, where
        own = [copy for copy in copies if life.paper.mailboxes[copy.mailbox].of(viewer)]
        assert set(line.bcc) == {address for copy in own for address in copy.bcc}, where
        failed = life.paper.failures(life.name_of(line.email), expected)
        assert {life.name_of(one.email) for one in line.failures} == failed, f"{where}, not delivered"
        life.happened["mail marked as not delivered"] += bool(failed)
        told = {(reason.address, str(reason.role) == "bcc") for reason in line.reasons}
        theirs = {address for copy in own for address in copy.bcc}
        assert all(address in theirs for address, blind in told if blind), where


async def _search(life: History, viewer: str, granted: Granted) -> None:
    """Every mail contains the word, so the search finds everything that the viewer sees."""
    found = await life.store.email_search.search(viewer, "TEXT subject", limit=1000)
    hits = {life.name_of(one.line.email): {str(ref) for ref in one.records} for one in found}
    expected: dict[str, set[str]] = {}
    for record, letter in granted:
        expected.setdefault(letter, set()).add(str(life.refs[record]))
    assert hits == expected, f"{viewer} finds {hits}, not {expected}"


async def _one(life: History, viewer: str, name: str, granted: Granted, rng: random.Random) -> None:
    """Check one mail through two of its read paths, and the explanation."""
    records = {record for record, letter in granted if letter == name}
    for way in rng.sample(WAYS, 2):
        if records:
            await way(life, viewer, name, granted)
        else:
            await _refused(way(life, viewer, name, granted))
    key = life.written[name].key
    for label, ref in rng.sample(sorted(life.refs.items(), key=str), min(len(life.refs), 1)):
        for asker in (viewer, None):
            told = await life.store.explaining.explain(viewer, ref, key, asked_by=asker)
            assert told.visible is (label in records), f"{viewer}, {label}, {name}, explained to {asker}"
            if asker and not told.visible:
                assert (told.lines, told.obstacle) == ((), None), f"{viewer} is told of {name} on {label}"


async def _shown(life: History, viewer: str, name: str, granted: Granted) -> None:
    shown = await life.store.reading.show(viewer, life.written[name].key)
    expected = {str(life.refs[record]) for record, letter in granted if letter == name}
    assert {str(ref) for ref in shown.records} == expected, f"{viewer}, {name}: on {shown.records}"
    there = {letter for record, letter in granted if (record, name) in granted}
    failed = {life.name_of(one.email) for one in shown.line.failures}
    assert failed == life.paper.failures(name, there), f"{viewer}, {name}: not delivered as {failed}"


async def _html(life: History, viewer: str, name: str, _: Granted) -> None:
    assert await life.store.reading.html(viewer, life.written[name].key) is None


async def _raw(life: History, viewer: str, name: str, granted: Granted) -> None:
    raw = await life.store.reading.raw(viewer, life.written[name].key)
    copies = [copy for (_, letter), several in granted.items() if letter == name for copy in several]
    assert raw in life.raw_forms(viewer, name, copies), f"{viewer}, raw form of {name}"


async def _file(life: History, viewer: str, name: str, _: Granted) -> None:
    parts = (await life.store.reading.attachment(viewer, life.written[name].key, 1))[1]
    assert b"".join([part async for part in parts]) == file_of(name)


async def _id(life: History, viewer: str, name: str, _: Granted) -> None:
    assert await life.store.reading.full_key(viewer, life.written[name].key) == life.written[name].key


async def _thread(life: History, viewer: str, name: str, granted: Granted) -> None:
    found = await life.store.email_search.thread(viewer, life.written[name].key)
    thread = {life.name_of(one.line.email) for one in found}
    same = life.paper.thread(name, {letter for _, letter in granted})
    assert thread == same, f"{viewer}, thread of {name}: {thread}"


WAYS = (_shown, _html, _raw, _file, _id, _thread)


async def _opened(life: History, viewer: str, ref: RecordRef) -> None:
    await life.store.reading.visible_emails(viewer, ref, limit=1)


async def _refused(way: Awaitable[None]) -> None:
    try:
        await way
    except NotFoundError:
        return
    raise AssertionError("what the viewer may not see is there")


async def _summaries(life: History, granted: Granted) -> None:
    """The CRM's documents say exactly what all users see."""
    for label, ref in life.refs.items():
        document = await life.crm[f"{ref.kind}s"].find_one({"_id": ObjectId(ref.id)})
        if document is None:
            continue
        expected = {letter for record, letter in granted if record == label}
        summary = document.get("leadmail") or {"count": 0, "newest": []}
        assert summary["count"] == len(expected), f"the summary of {label} counts {summary['count']}"
        newest = {life.name_of(line["email"]) for line in summary["newest"]}
        assert newest <= expected
        assert len(newest) == min(5, len(expected))


async def _suggested(life: History, viewer: str, granted: Granted) -> None:
    """Unknown addresses offered for a record wrote mail that the viewer sees on it, other than bounces.

    An address is known to a viewer by records that they may read: otherwise its absence would tell them of another record.
    """
    readable = [theirs for label, theirs in life.paper.records.items() if life.paper.may_read(viewer, label)]
    known = life.paper.colleagues().union(*readable)
    links = life.paper.linked()
    for label, ref in list(life.refs.items())[-2:]:
        expected = {
            life.paper.letters[letter].people[0]
            for record, letter in granted
            if record == label
            and any(how == "thread" for _, how, _ in links[record, letter])
            and not life.paper.letters[letter].about
        }
        found = {one.address for one in await life.store.suggesting.suggested_addresses(viewer, ref)}
        assert found == expected - known, f"{viewer} is offered {found} for {label}"
