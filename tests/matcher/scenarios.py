"""Random scenarios from a seed: accounts, records, threads, copies, and batches of them in random order.

They check the stored end state against ``reference.py`` under any batching and concurrency. Histories (``steps.py``)
change a company one step at a time and check what each viewer sees against ``company.py``.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

from schemas.accounts import Account
from schemas.mail import Content
from schemas.messages import MailParsed
from schemas.records import RecordRef
from schemas.sharing import Mode, SharingPolicy
from tests.matcher.fixtures import World, mail

USERS = ("ann@firm.example", "bob@firm.example", "eve@firm.example")
CLIENTS = ("carla@client.example", "c.private@home.example", "paul@partner.example", "office@partner.example")
STRANGERS = ("who@else.example", "mum@home2.example")


class Scenario(NamedTuple):
    """What exists before the matcher runs."""

    accounts: list[Account]
    early: list[RecordRef]
    late: list[RecordRef]
    """Records in the CRM of which the matcher has no event yet."""
    copies: list[MailParsed]


async def build(world: World, rng: random.Random, *, mails: int = 14) -> Scenario:
    """Make accounts, records and copies (published, not yet matched)."""
    custom = SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("partner.example",))
    accounts = [
        await world.account(USERS[0]),
        await world.account(USERS[1], sharing=custom),
        await world.account(USERS[2], Mode.PRIVATE),
    ]
    plans = [CLIENTS[:2], CLIENTS[2:3], CLIENTS[2:], (USERS[1],), CLIENTS[3:]]
    records = [
        await world.record(*addresses, kind=rng.choice(["lead", "contact"]), known=False)
        for addresses in rng.sample(plans, rng.randint(2, 5))
    ]
    early = [record for record in records if rng.random() < 0.6]
    copies: list[MailParsed] = []
    for number in range(mails):
        content = _mail(rng, number)
        world.mails.append(content)
        # Without a Message-ID, each mailbox has a separate email.
        places = accounts if content.message_id else [rng.choice(accounts)]
        for _ in range(rng.choice([1, 1, 2, 3])):
            bcc = rng.sample(CLIENTS + STRANGERS, 1) if rng.random() < 0.2 else ()
            copies.append(await world.copy(rng.choice(places), content, bcc=bcc))
    for number in range(rng.choice([0, 1, 2, 3])):
        stub = _stub(rng, number, of=rng.randrange(mails))
        world.mails.insert(0, stub)
        copies.append(await world.copy(rng.choice(accounts), stub))
    return Scenario(accounts, early, [record for record in records if record not in early], copies)


def _mail(rng: random.Random, number: int) -> Content:
    pool = USERS + CLIENTS + STRANGERS
    sender = rng.choice(pool)
    internal = rng.random() < 0.5
    to = rng.sample(USERS + STRANGERS if internal else pool, rng.randint(1, 2))
    cc = rng.sample(pool, 1) if rng.random() < 0.15 else []
    older = [str(n) for n in range(number)]
    answers = rng.choice(older) if older and rng.random() < 0.7 else None
    references = tuple(f"{name}@mail" for name in sorted(rng.sample(older, min(len(older), rng.randint(0, 2)))))
    fields = {"message_id": None} if rng.random() < 0.1 else {}
    return mail(str(number), sender, *to, cc=cc, answers=answers, references=references, **fields)


def _stub(rng: random.Random, number: int, *, of: int) -> Content:
    """Return a forged mail that users append to their own mailbox: "from" a client, under another mail's Message-ID."""
    return mail(f"stub {number}", rng.choice(CLIENTS), rng.choice(USERS), message_id=f"{of}@mail")


def batches(rng: random.Random, copies: Sequence[MailParsed]) -> list[list[MailParsed]]:
    """Return the copies in random order, cut into random batches."""
    rest = rng.sample(copies, len(copies))
    cut = []
    while rest:
        size = rng.randint(1, 6)
        cut.append(rest[:size])
        rest = rest[size:]
    return cut


def steps(world: World, rng: random.Random, scenario: Scenario) -> list[Callable[[], Awaitable[object]]]:
    """Return everything that happens, in random order: batches, some of them twice, and late records."""
    found: list[Callable[[], Awaitable[object]]] = [
        partial(world.match, *batch) for batch in batches(rng, scenario.copies)
    ]
    again = batches(rng, rng.sample(scenario.copies, len(scenario.copies) // 3))
    found += [partial(world.match, *batch) for batch in again]
    found += [partial(world.changed, record) for record in scenario.late]
    rng.shuffle(found)
    return found
