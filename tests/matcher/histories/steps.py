"""Random histories of a company from a seed. Steps are data, so that a failing history can be shortened."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

USERS = ("ann@firm.example", "bob@firm.example", "eve@firm.example", "zoe@firm.example")
"""Zoe has no mailbox: she sees only what is shared with everyone."""
BOXES = {
    **{user: user for user in USERS[:3]},
    "ann@second.example": USERS[0],
}
"""Owners by mailbox."""
SHARED = "sales@firm.example"
"""A shared mailbox, which some companies have."""
PROOFS = {"ann@firm.example": "code", "bob@firm.example": "administrator", "ann@second.example": "sign-in"}
"""How each mailbox proves another address. Eve only claims what is not hers."""
CLIENTS = (
    *("carla@client.example", "c.private@home.example", "paul@eu.partner.example", "office@partner.example"),
    "kim@xn--bcher-kva.example",
)
STRANGERS = ("who@else.example", "mum@home2.example", "carla@notclient.example")
DOMAINS = ("client.example", "partner.example", "firm.example", "home.example", "else.example", "bücher.example")
RECORDS = ("R1", "R2", "R3", "R4")
MODES = ("private", "public", "custom")
PURGE = "purge"
"""What happens to the mailboxes of a user who leaves, instead of the user who gets them."""

Step = tuple[Any, ...]
"""A kind and its arguments. A step that is impossible at its moment is skipped, so that any step can be left out."""


def life(seed: int, *, changes: int) -> list[Step]:
    """Return steps: a company is set up, its mail arrives, then things change."""
    rng = random.Random(seed)
    steps = [*_founded(rng), ("settle",), *(step for _ in range(changes) for step in _change(rng))]
    rng = random.Random(f"bounces of {seed}")
    for number in range(rng.choice([0, 1, 1, 2, 3])):
        place = rng.randint(len(steps) // 3, len(steps))
        steps[place:place] = _bounced(rng, f"bounce {number}")
    rng = random.Random(f"continued threads of {seed}")
    if rng.random() < 0.25:
        place = rng.randint(len(steps) // 2, len(steps))
        steps[place:place] = _continued(rng)
    rng = random.Random(f"shared mailboxes of {seed}")
    if rng.random() < 0.5:
        steps = _with_team(rng, steps)
    return steps


def _domains(rng: random.Random) -> tuple[str, ...]:
    if rng.random() < 0.2:
        return ("firm.example", "else.example")  # what makes mail internal
    return _spelled(rng, rng.sample(DOMAINS, rng.choice([0, 0, 1, 2])))


def _spelled(rng: random.Random, names: Sequence[str]) -> tuple[str, ...]:
    """Return domains or addresses as people type them: in any case, with a trailing dot, with U-labels."""
    ways = (str, str, str, str.upper, str.title, "{}.".format, lambda name: name.replace("xn--bcher-kva", "Bücher"))
    return tuple(rng.choice(ways)(name) for name in names)


def _policy(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    mode = rng.choice(MODES)
    return mode, _spelled(rng, rng.sample(DOMAINS, rng.randint(1, 2))) if mode == "custom" else _domains(rng)


def _founded(rng: random.Random) -> list[Step]:
    boxes = rng.sample(sorted(BOXES), rng.randint(2, 4))
    steps: list[Step] = [("connect", box, *_policy(rng)) for box in boxes]
    steps += [_record(rng, record) for record in rng.sample(RECORDS, rng.randint(1, 3))]
    for number in range(rng.randint(4, 8)):
        steps.append(_letter(rng, number))
        copies = _copies(rng, boxes, steps[-1], rng.choice([1, 1, 2, 3]))
        steps.append(("arrive", tuple(copies)))
        if rng.random() < 0.15:
            steps += _forged(rng)
    if rng.random() < 0.3:
        steps.append(_readers(rng, rng.choice(RECORDS)))
    if rng.random() < 0.3:
        steps += _withdrawn(rng)
    if rng.random() < 0.3:
        head, tail = steps[: len(boxes)], steps[len(boxes) :]
        records = [step for step in tail if step[0] == "record"]
        steps = head + [step for step in tail if step[0] != "record"] + records  # every contact is late
    return steps


def _record(rng: random.Random, label: str) -> Step:
    pool = (*CLIENTS, USERS[1]) if rng.random() < 0.3 else CLIENTS
    return ("record", label, rng.choice(["lead", "contact"]), _spelled(rng, rng.sample(pool, rng.randint(1, 2))))


def _letter(rng: random.Random, number: int) -> Step:
    pool = USERS[:3] + CLIENTS + STRANGERS
    inside = rng.random() < 0.35
    people = rng.sample(USERS[:3] + STRANGERS[:1] if inside else pool, rng.randint(2, 3))
    older = [str(n) for n in range(number)]
    answers = tuple(rng.sample(older, min(len(older), rng.choice([0, 1, 1, 2]))))
    return ("letter", str(number), tuple(people), answers, rng.random() < 0.9)


def _forged(rng: random.Random) -> list[Step]:
    """Return how a mail that names a client gets into a mailbox under another mail's Message-ID.

    Anyone can send such a mail, from a client or with one in Cc. Owners can append it themselves, even to Sent and
    with themselves as the sender.
    """
    box, name = rng.choice(sorted(BOXES)), f"stub {rng.randint(0, 2)}"
    client, filed = rng.choice(CLIENTS), rng.random() < 0.3
    people = rng.choice([(client, BOXES[box]), (STRANGERS[0], BOXES[box], client), (box, client)])
    return [("letter", name, people, (), True, str(rng.randint(0, 7))), ("arrive", ((box, name, (), filed),))]


def _bounced(rng: random.Random, name: str) -> list[Step]:
    """Return how a bounce gets into mailboxes: of any mail, so that many are forged, and not always as an answer to it."""
    about, boxes = str(rng.randint(0, 7)), rng.sample(sorted(BOXES), rng.choice([1, 1, 2]))
    people = (rng.choice((*STRANGERS, *CLIENTS[:1])), BOXES[boxes[0]], rng.choice(CLIENTS))
    answers = rng.choice([(), (about,), (str(rng.randint(0, 7)),)])
    copies = tuple((box, name, (), rng.random() < 0.1) for box in boxes)
    return [("letter", name, tuple(dict.fromkeys(people)), answers, True, "", about), ("arrive", copies)]


def _continued(rng: random.Random) -> list[Step]:
    """Return how a user keeps a thread private that goes on: each new mail but the first names only the one before it."""
    letters, above = list[Step](), tuple(rng.sample([str(number) for number in range(8)], 5))
    for number in range(3):
        name, people = f"late {number}", (rng.choice(CLIENTS), *rng.sample(USERS[:3], rng.choice([1, 2])))
        letters.append(("letter", name, people, above, True))
        above = (name,)
    places = [
        (box, f"late {number}") for number in range(3) for box in rng.sample(sorted(BOXES), rng.choice([1, 2, 3]))
    ]
    if rng.random() < 0.5:
        rng.shuffle(places)
    arrivals: list[Step] = [("arrive", ((box, name, (), False),)) for box, name in places]
    shared = [("withdraw", rng.randint(0, 40), True, False)] if rng.random() < 0.4 else []
    return [("withdraw", rng.randint(0, 40), True, True), *letters, *arrivals, *shared]


def _with_team(rng: random.Random, steps: list[Step]) -> list[Step]:
    """Return a history with a shared mailbox, which gets some of the mail too, and whose members change."""
    found: list[Step] = [("team", tuple(rng.sample(USERS[:3], rng.choice([1, 2, 2, 3]))), *_policy(rng))]
    for step in steps:
        found.append(step)
        if step[0] == "letter" and rng.random() < 0.5:
            filed = rng.random() < 0.3
            name, people, *rest = step[1:]
            sender = (SHARED, *people[1:]) if filed and rng.random() < 0.7 else (*people[:2], SHARED)
            if rng.random() < 0.8:
                found[-1] = ("letter", name, tuple(dict.fromkeys(sender)), *rest)
            found.append(("arrive", ((*_copy(rng, [SHARED], name)[:3], filed),)))
    changes: list[Step] = [("members", SHARED, *rng.sample(USERS[:3], 2)) for _ in range(rng.choice([1, 2, 3]))]
    changes += [("policy", SHARED, *_policy(rng)), *_withdrawn(rng)]
    if rng.random() < 0.5:
        changes.append(("share", "ann@second.example", tuple(rng.sample(USERS[:3], 2))))
        changes.append(("members", "ann@second.example", *rng.sample(USERS[:3], 2)))
    if rng.random() < 0.3:
        changes += [("unshare", SHARED, rng.choice(USERS[:3])), ("share", SHARED, tuple(rng.sample(USERS[:3], 2)))]
    if rng.random() < 0.15:
        changes.append(("disconnect", SHARED))
    for change in changes:
        place = rng.randint(len(found) // 3, len(found))
        found[place:place] = [change]
    return found


def _copies(rng: random.Random, boxes: Sequence[str], letter: Step, count: int) -> list[tuple[Any, ...]]:
    """Return how a mail gets into mailboxes: usually the sender's copy into Sent, sometimes others."""
    copies = [_copy(rng, boxes, letter[1]) for _ in range(count)]
    if (box := letter[2][0]) in boxes and rng.random() < 0.8:
        copies[0] = (box, letter[1], copies[0][2], rng.random() < 0.9)
    return copies


def _copy(rng: random.Random, boxes: Sequence[str], name: str) -> tuple[str, str, tuple[str, ...], bool]:
    bcc = tuple(rng.sample(CLIENTS + STRANGERS[:1], 1)) if rng.random() < 0.2 else ()
    return rng.choice(boxes), name, bcc, rng.random() < 0.3


def _change(rng: random.Random) -> list[Step]:  # noqa: C901, PLR0911, PLR0912 - one return a kind
    box, record, other, letter = rng.choice(sorted(BOXES)), *rng.sample(RECORDS, 2), str(rng.randint(0, 7))
    match rng.choice(KINDS):
        case "policy":
            return [("policy", box, *_policy(rng))]
        case "company":
            allowed = tuple(rng.sample(MODES, rng.choice([1, 2, 3, 3, 3])))
            return [("company", _domains(rng), allowed)]
        case "own":
            own = _spelled(rng, rng.sample(("firm.example", "partner.example", "else.example"), rng.randint(0, 2)))
            opened = _spelled(rng, rng.sample(("firm.example", "partner.example"), rng.choice([0, 0, 1])))
            return [("own", own, opened)]
        case "disable":
            user = rng.choice(USERS[1:3])
            return [("disable", user), *([("enable", user)] if rng.random() < 0.5 else [])]
        case "leave":
            return [("leave", rng.choice(USERS[1:3]), rng.choice([USERS[0], None, PURGE]))]
        case "alias":
            claim = ("alias", box, rng.choice([STRANGERS[0], STRANGERS[1], CLIENTS[1]]))
            proof = [("prove", box, claim[2], PROOFS[box])] if box in PROOFS else []
            return [claim, ("settle",), *proof, ("settle",)]
        case "record":
            return [_record(rng, record)]
        case "readdress":
            return [("readdress", record, _spelled(rng, rng.sample(CLIENTS, rng.randint(1, 2))))]
        case "delete":
            return [("delete", record), ("settle",)] if rng.random() < 0.5 else [("delete", record)]
        case "restore":
            return [("delete", record), ("restore", record)]
        case "merge":
            return [("merge", record, other, rng.choice(["into first", "away first", "at once"]))]
        case "convert":
            return [("convert", record, other, rng.choice(["made first", "away first", "at once"]))]
        case "arrive":
            return [("arrive", (_copy(rng, sorted(BOXES), letter),))]
        case "forged":
            return _forged(rng)
        case "gone":
            return [("gone", rng.randint(0, 12))]
        case "flagged":
            flag: Step = ("flagged", rng.randint(0, 12), True)
            return [flag] if rng.random() < 0.7 else [flag, ("settle",), ("flagged", 0, False)]
        case "moved":
            return [("moved", rng.randint(0, 12), rng.random() < 0.4)]
        case "disconnect":
            return [("disconnect", box)]
        case "reconnect":
            return [("disconnect", box), ("connect", box, *_policy(rng))]
        case "purge":
            again = [("connect", box, *_policy(rng))] if rng.random() < 0.4 else []
            return [("purge", box), *again]
        case "readers":
            return [_readers(rng, record)]
        case "withdraw":
            return _withdrawn(rng)
        case _:
            late = [("late", box, rng.randint(0, 12))] if rng.random() < 0.4 else []
            return [
                ("bury", rng.randint(0, 12)),
                *late,
                *([("unbury", rng.randint(0, 12))] if rng.random() < 0.7 else []),
            ]


def _readers(rng: random.Random, label: str) -> Step:
    return ("readers", label, tuple(rng.sample(USERS, rng.choice([0, 1, 1, 2, 3]))))


def _withdrawn(rng: random.Random) -> list[Step]:
    """Return how a user keeps a mail or its thread private, and perhaps shares it again."""
    number, thread = rng.randint(0, 40), rng.random() < 0.5
    keep: Step = ("withdraw", number, thread, True)
    return [keep] if rng.random() < 0.5 else [keep, ("settle",), ("withdraw", number, thread, False)]


_OFTEN = {
    3: ("policy", "flagged", "withdraw"),
    2: ("company", "own", "record", "arrive", "gone", "forged", "leave", "bury", "readers"),
    1: ("disable", "alias", "readdress", "delete", "restore", "merge", "convert", "moved", "disconnect", "reconnect"),
}
KINDS = (*(kind for often, kinds in _OFTEN.items() for kind in kinds * often), "purge")
"""What may happen next, each as often as it is listed."""
