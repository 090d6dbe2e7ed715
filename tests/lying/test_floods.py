"""Servers that send without end: memory stays bounded, and the other accounts of the process do not notice."""

from __future__ import annotations

from testbed.servers.scripted.faults import Chatter, Flood, SendRaw
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes

MIB = 1024 * 1024
TOO_MUCH = codes("too-much-data", "connection-lost")
"""A slow machine's deadline comes before its bound."""
NO_LOGIN = codes("unavailable", "wrong-server", "timeout")
LINES = {
    "flags": b"* 1 FETCH (FLAGS (\\Seen))\r\n",
    "bodies": b"* 1 FETCH (UID 1 BODY[] {40}\r\n" + b"x" * 40 + b")\r\n",
    "EXISTS": b"* 12 EXISTS\r\n",
    "expunges": b"* 1 EXPUNGE\r\n",
    "words": b"* OK still here\r\n",
    "folders": b'* LIST () "/" "Ever more"\r\n',
    "uids": b"* SEARCH 1 2 3 4 5 6 7 8 9\r\n",
    "empty lines": b"\r\n",
    "a line without end": b"x" * 4096,
}


def flood(command: str, line: bytes, size: int, times: int | None = None) -> Faults:
    """Return a flood before the answer."""
    return lambda: [Flood(command, line=line, size=size, times=times)]


def chatter(line: bytes) -> Faults:
    """Return a server that never stops while the client idles."""
    return lambda: [Chatter(line=line)]


CASES = [
    *(
        Case(f"{name} before each FETCH", faults=flood("UID FETCH", line, 300 * MIB), held=TOO_MUCH)
        for name, line in LINES.items()
    ),
    *(
        Case(f"{name} before EXAMINE, once", faults=flood("EXAMINE", line, 200 * MIB, 1))
        for name, line in LINES.items()
    ),
    *(
        Case(f"{name} before the login", login_faults=flood("LOGIN|AUTHENTICATE", line, 300 * MIB), held=NO_LOGIN)
        for name, line in list(LINES.items())[-5:]
    ),
    *(
        Case(f"{name} while idling", faults=chatter(line), live=True)
        for name, line in LINES.items()
        if name != "a line without end"
    ),
    Case("a greeting without end", login_faults=flood("CONNECT", b"* OK " + b"x" * 4000, 300 * MIB), held=NO_LOGIN),
    Case(
        "a few hundred EXISTS a second while idling",
        faults=lambda: [Chatter(line=b"* 12 EXISTS\r\n", every=0.003)],
        live=True,
    ),
    Case(
        "a literal of 120 MiB that nobody asked for",
        faults=lambda: [SendRaw("UID SEARCH", times=1, text=b"* OK {125829120}\r\n" + b"x" * MIB, then_cut=True)],
    ),
]


def test_floods(case: Case, outcomes: dict[str, str]) -> None:
    """What one server sends is bounded; its mail comes when it stops, or in spite of it."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, memory is bounded, and the log keeps secrets."""
    check_batch(outcomes)
