"""Lies about the protocol's state: byes, wrong tags, lower case, capabilities that are refused, IDLE that is none."""

from __future__ import annotations

from testbed.servers.scripted.dialects import FULL
from testbed.servers.scripted.faults import Announce, Break, Chatter, Insert, Pause, Refuse, Rewrite, SendRaw
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes

BYE = b"* BYE [UNAVAILABLE] Server shutting down\r\n"
COMMANDS = ("LIST", "EXAMINE", "UID SEARCH", "UID FETCH", "ENABLE", "ID", "NAMESPACE")


def ends(command: str, times: int | None, text: bytes = BYE) -> Faults:
    """Return the end of the connection at a command."""
    return lambda: [SendRaw(command, times=times, text=text, then_cut=True)]


def breaks(command: str) -> Faults:
    """Return the end of the connection within an answer."""
    return lambda: [Break(command, times=2)]


def lower(found: object) -> bytes:
    """Return the match in small letters."""
    return bytes(found[0]).lower()  # type: ignore[index]


CASES = [
    *(Case(f"BYE at {command}, twice", faults=ends(command, 2)) for command in COMMANDS),
    *(
        Case(f"BYE at {command}", faults=ends(command, None), held=codes("connection-lost", "unavailable"))
        for command in COMMANDS[:4]
    ),
    *(Case(f"the line is lost at {command}, twice", faults=ends(command, 2, b"")) for command in COMMANDS),
    *(Case(f"the line is lost within the answer to {command}", faults=breaks(command)) for command in COMMANDS[:4]),
    *(
        Case(f"BYE at {command}, live", faults=ends(command, 3), live=True)
        for command in ("IDLE", "LIST", "EXAMINE", "UID FETCH")
    ),
    Case("another tag", faults=lambda: [SendRaw("UID FETCH", times=2, text=b"ZZZ1 OK done\r\n", then_cut=True)]),
    Case("an answer without tag", faults=lambda: [SendRaw("UID SEARCH", times=2, text=b"OK done\r\n", then_cut=True)]),
    Case(
        "words that are no IMAP",
        faults=lambda: [SendRaw("EXAMINE", times=2, text=b"HTTP/1.1 400 Bad Request\r\n\r\n", then_cut=True)],
    ),
    Case("OK without data", faults=lambda: [SendRaw("UID FETCH", what="header", times=2, text=b"<tag> OK done\r\n")]),
    Case("PREAUTH in the middle", faults=lambda: [Announce("EXAMINE", text=b"* PREAUTH welcome\r\n")]),
    Case(
        "alerts and words of its own",
        faults=lambda: [Announce(text=b"* OK [ALERT] maintenance on Sunday\r\n* NO [X-OWN] hm\r\n* X-OWN words\r\n")],
    ),
    Case(
        "NUL and bytes in untagged answers",
        faults=lambda: [Announce("UID FETCH|EXAMINE", text=b"* OK \x00\xff\xfe\r\n")],
    ),
    Case(
        "small letters",
        faults=lambda: [
            Rewrite(
                "EXAMINE|UID SEARCH|LIST|STATUS|NAMESPACE|ENABLE",
                pattern=rb"(EXISTS|SEARCH|LIST|STATUS|UIDNEXT|UIDVALIDITY|HIGHESTMODSEQ|MESSAGES|NAMESPACE|ENABLED|OK \[)",
                to=lower,
            )
        ],
    ),
    Case(
        "small letters in FETCH",
        faults=lambda: [
            Rewrite(
                "UID FETCH", pattern=rb"FETCH \(UID|FLAGS|INTERNALDATE|RFC822.SIZE|BODY\[HEADER\]|BODY\[\]", to=lower
            )
        ],
    ),
    Case(
        "capabilities in small letters",
        dialect=FULL,
        faults=lambda: [Rewrite("CAPABILITY", pattern=rb"CAPABILITY .*", to=lower)],
    ),
    Case("ENABLE is refused", faults=lambda: [Refuse("ENABLE", text="BAD no")]),
    Case("ENABLE enables nothing", faults=lambda: [Rewrite("ENABLE", pattern=rb"ENABLED.*", to=b"ENABLED")]),
    Case("ID is refused", faults=lambda: [Refuse("ID", text="BAD no")]),
    Case("IDLE is refused", faults=lambda: [Refuse("IDLE", text="NO not today")], live=True),
    Case("IDLE is unknown", faults=lambda: [Refuse("IDLE", text="BAD unknown command")], live=True),
    Case("IDLE ends at once", faults=lambda: [SendRaw("IDLE", text=b"+ idling\r\n<tag> OK done\r\n")], live=True),
    Case("IDLE is answered without +", faults=lambda: [SendRaw("IDLE", text=b"<tag> OK done\r\n")], live=True),
    Case("IDLE is never answered", faults=lambda: [Pause("IDLE")], live=True),
    Case("IDLE tells nothing", faults=lambda: [Chatter(line=b"* OK still here\r\n", every=2.0)], live=True),
    Case("IDLE says EXISTS each time", faults=lambda: [Announce("IDLE", text=b"* 12 EXISTS\r\n")], live=True),
    Case("IDLE says EXPUNGE each time", faults=lambda: [Announce("IDLE", text=b"* 12 EXPUNGE\r\n")], live=True),
    Case("a modification sequence that moves at each EXAMINE", faults=lambda: [Moving("EXAMINE")], live=True),
    Case(
        "LOGOUT is not needed", faults=lambda: [Refuse("NOOP", text="BAD no")], dialect=FULL.without("IDLE"), live=True
    ),
    Case(
        "an empty line before each answer",
        faults=lambda: [Announce("UID FETCH", text=b"* \r\n")],
        held=codes("unreadable-answer"),
    ),
    Case("a continuation that was not asked for", faults=lambda: [Announce("UID FETCH", text=b"+ go on\r\n", times=2)]),
    Case("the tagged answer twice", faults=lambda: [Insert("EXAMINE", lines=[b"* OK done"])]),
]


class Moving(Rewrite):
    """A HIGHESTMODSEQ that is another each time."""

    def after(self, call: object, lines: list[bytes]) -> list[bytes]:
        """Return the answer with it."""
        self.pattern, self.to = rb"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ %d" % (1000 + self.count)
        return super().after(call, lines)  # type: ignore[arg-type]


def test_state(case: Case, outcomes: dict[str, str]) -> None:
    """A broken conversation is started again with pauses, and ends neither mail nor account."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
