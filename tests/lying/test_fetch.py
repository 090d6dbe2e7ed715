"""Lies of FETCH: refusals that pass, one mail that breaks the line, bodies that are missing or short, values out of range."""

from __future__ import annotations

from typing import Any

from testbed.servers.scripted import ScriptedMailbox
from testbed.servers.scripted.faults import Announce, Break, Insert, Refuse, Rewrite, SendRaw
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes
from tests.lying.harness.mails import raw_mail

PASSING = {
    "Exchange's hint": "BAD Request is throttled. Suggested Backoff Time: 1961 milliseconds",
    "Exchange's other hint": "NO Server Busy. Suggested Backoff Time (ms): 1961",
    "unavailable": "NO [UNAVAILABLE] Backend is down",
    "in use": "NO [INUSE] Mailbox is locked",
    "limit": "NO [LIMIT] Too many commands",
    "server bug": "NO [SERVERBUG] Internal error occurred",
    "bandwidth": "NO [OVERQUOTA] Account exceeded command or bandwidth limits.",
    "iCloud": "NO Service temporarily unavailable",
    "try later": "NO Please try again later",
}
"""What servers say when the same command may work later."""
PASSES = codes("throttled", "unavailable", "too-many-connections")
"""The reasons that are shown then."""


def refused(text: str, what: str, **fields: Any) -> Faults:
    """Return a refusal of FETCH."""
    return lambda: [Refuse("UID FETCH", what=what, text=text, **fields)]


BREAKS: dict[str, dict[str, object]] = {
    "closes": {"text": b"", "then_cut": True},
    "says BYE": {"text": b"* BYE Connection closed. 14\r\n", "then_cut": True},
    "says BYE to every command": {"text": b"* BYE Session invalidated\r\n<tag> BAD gone\r\n", "then_cut": True},
    "announces more than it sends": {
        "text": b"* 5 FETCH (UID 5 BODY[] {9000}\r\nabc)\r\n<tag> OK done\r\n",
        "then_cut": True,
    },
    "announces less than it sends": {
        "text": b"* 5 FETCH (UID 5 BODY[] {3}\r\nabcdef\r\nghi\r\n)\r\n<tag> OK done\r\n",
        "then_cut": True,
    },
    "announces what no memory holds": {"text": b"* 5 FETCH (UID 5 BODY[] {4294967295}\r\n", "then_cut": True},
}
"""How one mail ends the connection."""


def broken(what: str, fields: dict[str, object], uid: int = 5) -> Faults:
    """Return a mail that breaks the line whenever it is asked for."""
    return lambda: [SendRaw("UID FETCH", what=what, uid=uid, **fields)]  # type: ignore[arg-type]


def bad_new_mail(box: ScriptedMailbox) -> None:
    """Deliver five mails, of which the third (uid 15) is the bad one."""
    for _ in range(5):
        box.add(raw_mail("live"))


def changed(pattern: bytes, to: bytes | None, times: int | None = None, what: str | None = None) -> Faults:
    """Return a change of FETCH answers."""
    return lambda: [Rewrite("UID FETCH", pattern=pattern, to=to, times=times, what=what)]


def cut_within(share: float) -> Faults:
    """Return a line that is lost within two answers."""
    return lambda: [Break("UID FETCH", share=share, times=2)]


def large(box: ScriptedMailbox) -> None:
    """Add a mail of five and a half MiB."""
    box.add(raw_mail("large", size=5_500_000))


BODY_OF_5 = rb"UID 5 BODY\[\].*"
WITHOUT_BODY = {
    "no body": (rb"^\* 5 FETCH \(UID 5 BODY\[\].*", b"* 5 FETCH (UID 5)"),
    "NIL": (BODY_OF_5, b"UID 5 BODY[] NIL)"),
    "an empty body": (BODY_OF_5, b'UID 5 BODY[] "")'),
    "no line": (rb"^\* 5 FETCH \(UID 5 BODY\[\].*", None),
}
CASES = [
    *(
        Case(f"{what}: {name}", faults=refused(text, parts), held=PASSES)
        for what, parts in (("body", "body|piece"), ("headers", "header"))
        for name, text in PASSING.items()
    ),
    *(Case(f"body for a moment: {name}", faults=refused(text, "body", times=3)) for name, text in PASSING.items()),
    *(
        Case(f"body of new mail: {name}", faults=refused(text, "body|piece"), live=True, held=PASSES)
        for name, text in list(PASSING.items())[:4]
    ),
    *(
        Case(
            f"one {new}{what} {name}",
            faults=broken(what, fields, uid),
            live=bool(new),
            then=bad_new_mail,
            lost={uid: "unreadable"},
        )
        for new, uid in (("", 5), ("new ", 15))
        for what in ("body", "header")
        for name, fields in BREAKS.items()
    ),
    *(
        Case(
            f"the line is cut after {share:.0%} of an answer",
            faults=cut_within(share),
        )
        for share in (0.0, 0.5, 0.95)
    ),
    *(Case(f"withheld: {name}", faults=changed(*form), lost={5: "withheld"}) for name, form in WITHOUT_BODY.items()),
    *(Case(f"withheld for a moment: {name}", faults=changed(*form, times=1)) for name, form in WITHOUT_BODY.items()),
    Case(
        "a refusal for good of one mail",
        faults=lambda: [Refuse("UID FETCH", uid=5, what="body", text="NO cannot")],
        lost={5: "withheld|unreadable|refused"},
    ),
    *(
        Case(
            f"a refusal of each batch of a {what} with one mail",
            faults=refused("NO cannot", what, uid=5, alone=False),
        )
        for what in ("body", "header")
    ),
    Case(
        "a large mail in short pieces",
        prepare=large,
        faults=lambda: [
            Rewrite(
                "UID FETCH", what="piece", pattern=rb"\{1048576\}\r\n(.{500000}).*", to=rb"{500000}\r\n\1)", times=1
            )
        ],
    ),
    Case(
        "a large mail in short pieces for good",
        prepare=large,
        mails=3,
        faults=changed(rb"\{1048576\}\r\n(.{500000}).*", rb"{500000}\r\n\1)", what="piece"),
    ),
    Case(
        "a large mail that ends early for good",
        prepare=large,
        mails=3,
        faults=changed(rb"BODY\[\]<([1-9]\d*)> .*", rb'BODY[]<\1> "")', what="piece"),
        partial=True,
    ),
    Case(
        "a large mail without a piece",
        prepare=large,
        faults=lambda: [
            Rewrite("UID FETCH", what="piece", pattern=rb"BODY\[\]<1048576>.*", to=b'BODY[]<1048576> "")', times=1)
        ],
    ),
    Case(
        "sizes beyond what is stored",
        faults=changed(rb"RFC822.SIZE \d+", b"RFC822.SIZE 99999999999999999999999"),
        held=codes("number-out-of-range"),
    ),
    Case("sizes of nothing", faults=changed(rb"RFC822.SIZE \d+", b"RFC822.SIZE 0")),
    Case("sizes missing", faults=changed(rb"RFC822.SIZE \d+ ", b"")),
    Case("sizes twice as large", faults=changed(rb"RFC822.SIZE (\d+)", rb"RFC822.SIZE \g<1>0")),
    Case("dates missing", faults=changed(rb'INTERNALDATE "[^"]*" ', b"")),
    Case("dates unreadable", faults=changed(rb'INTERNALDATE "[^"]*"', b'INTERNALDATE "99-Foo-0000 77:88:99 +9999"')),
    Case("dates NIL", faults=changed(rb'INTERNALDATE "[^"]*"', b"INTERNALDATE NIL")),
    Case(
        "modseqs beyond what is stored",
        faults=changed(rb"MODSEQ \(\d+\)", b"MODSEQ (99999999999999999999999)"),
        live=True,
        held=codes("number-out-of-range"),
    ),
    Case("modseqs of nothing", faults=changed(rb"MODSEQ \(\d+\)", b"MODSEQ (NIL)"), live=True),
    Case("flags of bytes", faults=changed(rb"FLAGS \(", b"FLAGS ($\xff\xfe nil ")),
    Case("every answer twice", faults=lambda: [Insert("UID FETCH", twice=True)]),
    Case(
        "answers for mail that was not asked for",
        faults=lambda: [
            Insert(
                "UID FETCH",
                what="header",
                lines=[b"* 99 FETCH (UID 4000000000 FLAGS ())", b"* 98 FETCH (FLAGS (\\Seen))"],
            )
        ],
    ),
    Case(
        "uids of nothing",
        faults=lambda: [Insert("UID FETCH", lines=[b"* 1 FETCH (UID 0 FLAGS () BODY[] {3}\r\nabc)"])],
        held=codes("uid-out-of-range"),
    ),
    Case(
        "uids beyond 32 bits",
        faults=lambda: [
            Insert("UID FETCH", lines=[b"* 1 FETCH (UID 99999999999999999999 FLAGS () BODY[HEADER] {3}\r\nabc)"])
        ],
        held=codes("uid-out-of-range"),
    ),
    Case(
        "unasked lines before each answer",
        faults=lambda: [Announce("UID FETCH", text=b"* 12 EXISTS\r\n* OK [ALERT] hello\r\n* 0 RECENT\r\n")],
    ),
    Case("answers in capitals that are none", faults=changed(rb"FETCH \(UID", b"Fetch (uid")),
    Case(
        "headers that end in the middle",
        faults=changed(rb"BODY\[HEADER\]<0> \{\d+\}\r\n(.{30}).*", rb"BODY[HEADER]<0> {30}\r\n\1)", times=2),
    ),
]


def test_fetch(case: Case, outcomes: dict[str, str]) -> None:
    """Nothing that may come later has ended, one bad mail harms no other, and nothing half is stored."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
