"""Lies about uids: SEARCH, UIDNEXT, UIDVALIDITY, EXISTS, modification sequences, expunges."""

from __future__ import annotations

from testbed.servers.scripted import ScriptedMailbox
from testbed.servers.scripted.faults import Announce, Chatter, Insert, Refuse, Rewrite
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes
from tests.lying.harness.mails import raw_mail

OPEN = "EXAMINE"
INBOX = b"INBOX"


def said(pattern: bytes, to: bytes | None, command: str = OPEN, times: int | None = None, skip: int = 0) -> Faults:
    """Return a change of answers for INBOX."""
    return lambda: [Rewrite(command, pattern=pattern, to=to, times=times, skip=skip, folder=INBOX)]


def searched(to: bytes | None, times: int | None = None) -> Faults:
    """Return another answer to SEARCH in INBOX."""
    pattern = rb"^\* (?:E)?SEARCH.*"
    return lambda: [Rewrite("UID SEARCH", pattern=pattern, to=to, times=times, folder=INBOX)]


def one_goes(box: ScriptedMailbox) -> None:
    """Delete a mail, so that the poller looks for what is gone."""
    box.delete([3])
    box.add(raw_mail("uids"))


def renumbered(box: ScriptedMailbox) -> None:
    """Give INBOX other uids, as a restored backup does."""
    box.delete([2, 3])
    box.renumber()


SEARCHES: dict[str, bytes | None] = {
    "nothing": b"* SEARCH",
    "no line": None,
    "half": b"* SEARCH 1 2 3 4 5 6",
    "uids that there are not": b"* SEARCH 1 2 3 400000 500000",
}
"""Answers that do not fit EXISTS."""
CASES = [
    *(Case(f"search says {name}", faults=searched(to)) for name, to in SEARCHES.items()),
    *(Case(f"search says {name}, once", faults=searched(to, times=1)) for name, to in SEARCHES.items()),
    *(
        Case(f"search says {name} when one mail goes", faults=searched(to, times=2), live=True, then=one_goes)
        for name, to in SEARCHES.items()
    ),
    Case("search is out of order and doubled", faults=searched(b"* SEARCH 12 11 1 2 3 3 4 5 6 7 8 9 10 12")),
    Case(
        "search adds words",
        faults=lambda: [Rewrite("UID SEARCH", pattern=rb"^(\* SEARCH .*)", to=rb"\1 abc -4 99999999999999999999999")],
        held=codes("unreadable-answer"),
    ),
    Case("search in two lines", faults=lambda: [Insert("UID SEARCH", twice=True)]),
    Case("search is refused for a moment", faults=lambda: [Refuse("UID SEARCH", times=3, text="NO [INUSE] busy")]),
    Case(
        "search is refused",
        faults=lambda: [Refuse("UID SEARCH", text="NO [UNAVAILABLE] busy")],
        held=codes("unavailable"),
    ),
    Case("no UIDNEXT", faults=said(rb"UIDNEXT", None)),
    Case("UIDNEXT 0", faults=said(rb"UIDNEXT \d+", b"UIDNEXT 0")),
    Case("UIDNEXT 1", faults=said(rb"UIDNEXT \d+", b"UIDNEXT 1")),
    Case("UIDNEXT 1, once", faults=said(rb"UIDNEXT \d+", b"UIDNEXT 1", times=1)),
    Case("UIDNEXT too low", faults=said(rb"UIDNEXT \d+", b"UIDNEXT 6")),
    Case("UIDNEXT too high", faults=said(rb"UIDNEXT \d+", b"UIDNEXT 4000000000", times=2)),
    Case(
        "UIDNEXT beyond 32 bits",
        faults=said(rb"UIDNEXT \d+", b"UIDNEXT 99999999999999999999999"),
        held=codes("uid-out-of-range"),
    ),
    Case("UIDNEXT is no number", faults=said(rb"UIDNEXT \d+", b"UIDNEXT NIL")),
    Case(
        "UIDNEXT goes back",
        faults=said(rb"UIDNEXT \d+", b"UIDNEXT 3", command="EXAMINE|STATUS|LIST", times=4),
        live=True,
    ),
    Case(
        "UIDNEXT is too high for a while",
        faults=said(rb"UIDNEXT \d+", b"UIDNEXT 70000", command="EXAMINE|STATUS|LIST", times=4),
        live=True,
    ),
    Case("no UIDVALIDITY", faults=said(rb"UIDVALIDITY", None), held=codes("no-uidvalidity")),
    Case("UIDVALIDITY 0", faults=said(rb"UIDVALIDITY \d+", b"UIDVALIDITY 0"), held=codes("no-uidvalidity")),
    Case(
        "UIDVALIDITY beyond 32 bits",
        faults=said(rb"UIDVALIDITY \d+", b"UIDVALIDITY 99999999999999999999999"),
        held=codes("number-out-of-range"),
    ),
    Case("no UIDVALIDITY for a moment", faults=said(rb"UIDVALIDITY", None, times=2), live=True),
    Case("UIDVALIDITY 0 for a moment", faults=said(rb"UIDVALIDITY \d+", b"UIDVALIDITY 0", times=2), live=True),
    Case("other uids", live=True, then=renumbered),
    Case("no HIGHESTMODSEQ", faults=said(rb"HIGHESTMODSEQ", None)),
    Case("HIGHESTMODSEQ 0", faults=said(rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 0")),
    Case("HIGHESTMODSEQ NIL", faults=said(rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ NIL")),
    Case(
        "HIGHESTMODSEQ beyond 63 bits",
        faults=said(rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 99999999999999999999999"),
        held=codes("number-out-of-range"),
    ),
    Case("HIGHESTMODSEQ goes back", faults=said(rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ 2"), live=True),
    Case("no EXISTS", faults=said(rb"EXISTS", None), held=codes("count-contradicted")),
    Case(
        "EXISTS 0",
        faults=said(rb"\d+ EXISTS", b"0 EXISTS"),
        held=codes("count-contradicted", "empty-folder-contradicted"),
    ),
    Case("EXISTS 0, once", faults=said(rb"\d+ EXISTS", b"0 EXISTS", times=1)),
    Case("EXISTS too high", faults=said(rb"\d+ EXISTS", b"400 EXISTS"), held=codes("count-contradicted")),
    Case("EXISTS too high, once", faults=said(rb"\d+ EXISTS", b"400 EXISTS", times=1)),
    Case(
        "EXISTS beyond 32 bits",
        faults=said(rb"\d+ EXISTS", b"99999999999999999999999 EXISTS"),
        held=codes("unreadable-answer", "number-out-of-range"),
    ),
    Case(
        "expunges that are none",
        faults=lambda: [Announce("UID FETCH", text=b"* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n", times=3)],
        live=True,
    ),
    Case(
        "all vanished, which is not so",
        faults=lambda: [Announce("UID FETCH", text=b"* VANISHED 1:4294967295\r\n", times=3)],
        live=True,
    ),
    Case(
        "all vanished earlier, which is not so",
        faults=lambda: [Insert("UID FETCH", what="flags", lines=[b"* VANISHED (EARLIER) 1:4294967295"], times=3)],
        live=True,
    ),
    Case(
        "vanished uids beyond 32 bits",
        faults=lambda: [Announce("UID FETCH", text=b"* VANISHED 99999999999999999999:1\r\n")],
        live=True,
        held=codes("uid-out-of-range"),
    ),
    Case(
        "expunges in IDLE that are none",
        faults=lambda: [Chatter(line=b"* 1 EXPUNGE\r\n", every=1.0, times=2)],
        live=True,
    ),
]


def test_uids(case: Case, outcomes: dict[str, str]) -> None:
    """Nothing is confirmed that contradicts itself, no copy goes by one answer, and new mail is found."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
