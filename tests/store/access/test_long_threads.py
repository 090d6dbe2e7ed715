"""Long threads: the work of finding out who attests their mail grows with their length, and not faster."""

from __future__ import annotations

import cProfile
import pstats
from collections import Counter
from collections.abc import Awaitable, Callable

from schemas.emails import Attestation, Match
from schemas.ledger import RowState
from schemas.mail import Role
from services.store import RowOutcome, Store
from services.store.readers.threads import MOST
from tests.factories import SENT, row, sent_folder
from tests.store.fixtures import World, content
from tests.store.readers.test_side_channels import work

ANN, EVE, LEAD = "ann@corp.com", "eve@corp.com", "lead@x.com"
REFERENCES = 100
"""So many the parser keeps."""
SHORT, LONG = 100, 300
FASTER = 2.2
"""How much more than ``LONG / SHORT`` the work may grow: in the short thread a mail names half as many others."""


async def fill(world: World, length: int) -> list[str]:
    """Import a thread that Ann opened with a mail to a lead, and went on with an unknown address. Returns the mails' keys."""
    ann = await world.account(f"ann{length}@corp.com")
    await world.record(f"lead{length}@x.com")
    await world.store.folders.save(world.leases[ann.id], [sent_folder(ann.id)])
    lead, ids = f"lead{length}@x.com", [f"n{length}-{number}@mail" for number in range(length)]
    mails = [
        content(
            one.removesuffix("@mail"),
            ann.address,
            "jo@new.example" if number else lead,
            minutes=number,
            thread=f"{length:024}",
            in_reply_to=ids[number - 1] if number else None,
            references=tuple(dict.fromkeys((ids[0], *ids[max(0, number - REFERENCES + 1) : number]))) if number else (),
        )
        for number, one in enumerate(ids)
    ]
    rows = [row(ann.id, number + 1, folder=SENT) for number in range(length)]
    await world.store.poller_ledger.add_window(world.leases[ann.id], rows)
    await world.store.emails.save_many(mails, by_thread={mail.key for mail in mails[1:]})
    (first,) = await world.additions(ann, mails[0])
    match, attested = Match(address=lead, role=Role.THREAD), Attestation(owner=ann.owner, address=lead)
    additions = [first._replace(sent=True, shared=ann.id)] + [
        first._replace(
            email=mail.key,
            sent_at=mail.sent_at,
            matches=(match,),
            shared=ann.id,
            attestations=(attested,),
            sent=True,
            ids=mail.thread_ids,
        )
        for mail in mails[1:]
    ]
    await world.store.links.save_many(additions)
    outcomes = zip(rows, mails, strict=True)
    await world.store.matcher_ledger.finish(
        [RowOutcome(one.id, RowState.ATTACHED, email=mail.key) for one, mail in outcomes]
    )
    return [mail.key for mail in mails]


async def costs(world: World, call: Callable[[], Awaitable[object]]) -> tuple[int, int]:
    """Return what a call costs: documents that MongoDB examines, and functions that Python calls."""
    profile = cProfile.Profile()
    with profile:
        await call()
    examined = Counter[str]()
    for (_, what), count in (await work(world, call)).items():
        examined[what] += count
    calls: int = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
    return examined["docsExamined"], calls


async def test_the_work_grows_no_faster_than_the_thread(world: World, store: Store) -> None:
    """One mail of the thread, the thread as a page, and a search in it. All of it is visible."""
    short, long = await fill(world, SHORT), await fill(world, LONG)
    await world.user(EVE)

    async def show(keys: list[str]) -> None:
        assert (await store.reading.show(EVE, keys[-1])).line.email == keys[-1]

    async def thread(keys: list[str]) -> None:
        found = await store.email_search.thread(EVE, keys[-1])
        assert (len(found), found.cut_short) == (min(len(keys), MOST), len(keys) > MOST)

    async def search(keys: list[str]) -> None:
        (record,) = (await store.reading.show(EVE, keys[0])).records
        assert len(await store.email_search.search(EVE, "Text", record=record, limit=10_000)) == len(keys)

    for ask in (show, thread, search):
        few, many = await costs(world, lambda ask=ask: ask(short)), await costs(world, lambda ask=ask: ask(long))  # type: ignore[misc]
        assert many[0] <= FASTER * LONG / SHORT * few[0], (ask.__name__, few, many)
        assert many[1] <= FASTER * LONG / SHORT * few[1], (ask.__name__, few, many)
