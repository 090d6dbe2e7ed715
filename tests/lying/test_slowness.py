"""Servers that are slow, silent, or take a line apart: each command ends in time, and nobody else waits."""

from __future__ import annotations

from testbed.servers.scripted.dialects import FULL
from testbed.servers.scripted.faults import Drip, Pause, SendRaw
from tests.lying.harness.batch import check, check_batch
from tests.lying.harness.cases import Case, Faults, codes

SILENT = codes("timeout", "connection-lost")


def silent(command: str, times: int | None = None, **fields: str) -> Faults:
    """Return a command that is never answered."""
    return lambda: [Pause(command, times=times, **fields)]  # type: ignore[arg-type]


CASES = [
    *(
        Case(f"silent at {command}, once", faults=silent(command, 1))
        for command in ("LIST", "EXAMINE", "UID SEARCH", "UID FETCH", "ENABLE")
    ),
    *(
        Case(f"silent at {command}", faults=silent(command), held=SILENT)
        for command in ("LIST", "EXAMINE", "UID FETCH")
    ),
    Case("silent before the greeting, once", login_faults=silent("CONNECT", 1)),
    Case("silent before the greeting", login_faults=silent("CONNECT"), held=SILENT),
    Case("silent at the login, once", login_faults=silent("LOGIN|AUTHENTICATE", 1)),
    Case("silent at the login", login_faults=silent("LOGIN|AUTHENTICATE"), held=SILENT),
    Case("silent at IDLE", faults=silent("IDLE", 2), live=True),
    Case("silent at DONE", faults=lambda: [SilentDone("IDLE", times=2)], live=True),
    Case("silent at NOOP", dialect=FULL.without("IDLE"), faults=silent("NOOP", 2), live=True),
    Case("one body for ever", faults=silent("UID FETCH", what="body"), held=SILENT),
    Case("a greeting in drips", login_faults=lambda: [Drip("CONNECT", every=0.1)]),
    Case("a greeting in drips that never ends", login_faults=lambda: [Drip("CONNECT", every=2.0)], held=SILENT),
    Case(
        "bodies in drips that never end",
        faults=lambda: [Drip("UID FETCH", what="body", size=1, every=0.2)],
        held=SILENT,
    ),
    Case("answers in small pieces", faults=lambda: [Drip(size=40, every=0.002)]),
    Case("answers after a moment", faults=lambda: [Pause(delay=0.2)]),
    Case("a line without its end", faults=lambda: [SendRaw("UID SEARCH", times=2, text=b"* SEARCH 1 2 3")]),
    Case(
        "a literal without its end",
        faults=lambda: [SendRaw("UID FETCH", times=2, text=b"* 1 FETCH (UID 1 BODY[] {500}\r\nabc")],
    ),
]


class SilentDone(Pause):
    """IDLE that starts and never ends."""

    async def before(self, call: object) -> bool:
        """Invite, then be silent."""
        await call.client.write(b"+ idling\r\n")  # type: ignore[attr-defined]
        return await super().before(call)  # type: ignore[arg-type]


def test_slowness(case: Case, outcomes: dict[str, str]) -> None:
    """A silent server's account shows its trouble and goes on when the server does."""
    check(case, outcomes)


def test_nothing_else_suffers(outcomes: dict[str, str]) -> None:
    """Neighbours are in step, bodies are whole, and the log keeps secrets."""
    check_batch(outcomes)
