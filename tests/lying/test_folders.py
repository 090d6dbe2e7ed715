"""Lies about folders: lists that are empty or lack INBOX, refusals of folders, names, namespaces, STATUS."""

from __future__ import annotations

from dataclasses import replace

from testbed.servers.scripted.dialects import FULL
from testbed.servers.scripted.faults import Insert, Refuse, Rewrite
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes

PASSES = codes("throttled", "unavailable")
PLAIN = FULL.without("LIST-STATUS")
EXTENDED = rb"^\* (LIST|STATUS) .*"


def listed(pattern: bytes, to: bytes | None, times: int | None = None) -> Faults:
    """Return a change of LIST answers."""
    return lambda: [Rewrite("LIST", pattern=pattern, to=to, times=times)]


def refused(command: str, text: str, folder: bytes | None = None, times: int | None = None) -> Faults:
    """Return a refusal."""
    return lambda: [Refuse(command, folder=folder, text=text, times=times)]


def named(name: bytes) -> Case:
    """Return the case of a folder with an odd name and mail in it."""
    return Case(
        f"a folder named {name!r}",
        folders=frozenset({b"INBOX", b"Sent", name}),
        dialect=replace(FULL, folders=(*FULL.folders, (name.decode("latin-1"), ()))),
    )


MISSING = {
    "nothing": rb".*",
    "no INBOX": rb'"INBOX"',
    "INBOX only": rb'"(Sent|Drafts|Trash|Junk)"',
}
CASES = [
    *(
        Case(
            f"list has {name}",
            faults=listed(EXTENDED if name == "nothing" else pattern, None),
            held=codes("empty-list", "no-inbox"),
        )
        for name, pattern in list(MISSING.items())[:2]
    ),
    *(
        Case(f"list has {name}, once", faults=listed(EXTENDED if name == "nothing" else pattern, None, times=2))
        for name, pattern in list(MISSING.items())[:2]
    ),
    *(
        Case(
            f"list has {name} for a while",
            faults=listed(EXTENDED if name == "nothing" else pattern, None, times=1),
            live=True,
        )
        for name, pattern in MISSING.items()
    ),
    Case("list has INBOX only, at first", faults=listed(MISSING["INBOX only"], None, times=1)),
    *(
        Case(f"{command} is refused: {text}", faults=refused(command, text), held=PASSES)
        for command in ("LIST", "EXAMINE", "NAMESPACE")
        for text in (
            "NO [UNAVAILABLE] down",
            "NO [INUSE] locked",
            "BAD Request is throttled. Suggested Backoff Time: 1961 milliseconds",
        )
    ),
    *(
        Case(f"{command} is refused for a moment: {text}", faults=refused(command, text, times=2))
        for command in ("LIST", "EXAMINE", "NAMESPACE")
        for text in ("NO [INUSE] locked", "NO System busy")
    ),
    Case(
        "EXAMINE of INBOX is refused", faults=refused("EXAMINE", "NO refused", b"INBOX"), held=codes("command-refused")
    ),
    Case("EXAMINE of Sent is in use for a moment", faults=refused("EXAMINE", "NO [INUSE] locked", b"Sent", times=1)),
    Case("EXAMINE of Sent is in use", faults=refused("EXAMINE", "NO [INUSE] locked", b"Sent"), held=PASSES),
    Case(
        "EXAMINE of Sent is forbidden",
        faults=refused("EXAMINE", "NO [NOPERM] forbidden", b"Sent"),
        folders=frozenset({b"INBOX"}),
    ),
    Case("EXAMINE is refused for a while", faults=refused("EXAMINE", "NO [INUSE] locked", times=3), live=True),
    Case(
        "LIST with RETURN is not understood",
        faults=lambda: [Refuse("LIST", argument=b"RETURN", text="BAD parse error")],
    ),
    Case("STATUS is refused", dialect=PLAIN, faults=refused("STATUS", "NO cannot"), live=True),
    Case(
        "STATUS is refused for a moment",
        dialect=PLAIN,
        faults=refused("STATUS", "NO [UNAVAILABLE] down", times=3),
        live=True,
    ),
    Case(
        "STATUS says less",
        dialect=PLAIN,
        faults=lambda: [Rewrite("STATUS", pattern=rb" \(MESSAGES.*", to=b" ()")],
        live=True,
    ),
    Case("STATUS says nothing", dialect=PLAIN, faults=lambda: [Rewrite("STATUS", pattern=rb"^\* STATUS")], live=True),
    Case("no STATUS in the list", faults=listed(rb"^\* STATUS .*", None), live=True),
    Case("STATUS counts wrong", faults=listed(rb"MESSAGES \d+", b"MESSAGES 3", times=3), live=True),
    Case(
        "STATUS beyond 63 bits",
        faults=listed(rb"(UIDNEXT|HIGHESTMODSEQ) \d+", rb"\1 99999999999999999999999"),
        live=True,
    ),
    Case("an unquoted delimiter", dialect=replace(FULL, delimiter_form=b"/")),
    Case("no delimiter", dialect=replace(FULL, delimiter_form=b"NIL")),
    Case("Inbox", dialect=replace(FULL, inbox=b"Inbox")),
    Case("inbox and INBOX", faults=lambda: [Insert("LIST", lines=[b'* LIST () "/" inbox'])]),
    Case("every folder twice", faults=lambda: [Insert("LIST", twice=True)]),
    Case("names as literals", faults=listed(rb'^(\* LIST .*) "Sent"', rb"\1 {4}\r\nSent")),
    Case("names without quotes", faults=listed(rb'^(\* LIST .*) "Sent"', rb"\1 Sent")),
    Case(
        "a line that nobody reads",
        faults=lambda: [
            Insert("LIST", lines=[b"* LIST ((((", b"* LIST (\\Noselect", b"* LIST", b'* LIST () "/" "open'])
        ],
    ),
    Case(
        "folders that are not there",
        faults=lambda: [
            Insert("LIST", lines=[b'* LIST (\\NonExistent) "/" "Old"', b'* LIST (\\Noselect) "/" "Older"'])
        ],
    ),
    Case(
        "a folder that is listed and does not exist", faults=lambda: [Insert("LIST", lines=[b'* LIST () "/" "Ghost"'])]
    ),
    Case("attributes in small letters", faults=listed(rb"\\(Sent|Trash|Drafts|Junk)", lambda found: found[0].lower())),  # type: ignore[arg-type]
    Case(
        "no namespace",
        faults=lambda: [Rewrite("NAMESPACE", pattern=rb"^\* NAMESPACE.*", to=b"* NAMESPACE NIL NIL NIL")],
    ),
    Case(
        "a namespace that nobody reads",
        faults=lambda: [Rewrite("NAMESPACE", pattern=rb"^\* NAMESPACE.*", to=b"* NAMESPACE ((((")],
    ),
    named(b"&ZeVnLIqe-"),
    named(b"R&D"),
    named(b'quo"ted \\ back'),
    named(b"a%b*c"),
    named(b"gr\xc3\xbcn"),
]


def test_folders(case: Case, outcomes: dict[str, str]) -> None:
    """INBOX is never missed, no folder goes by one answer, and what is refused for a moment is asked again."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
