"""Keep what a server reports unasked: each kind once, however often it comes."""

from __future__ import annotations

from typing import Any

from services.mailbox.imap.protocol.response_lines import parse_line

EVENTS = ("EXISTS", "EXPUNGE", "VANISHED", "FETCH", "STATUS", "LIST")
"""Responses that a server also sends unasked, and sends only once."""
MOST = 200
"""Responses of one kind that are kept. Beyond it, everything is looked at instead."""
EVERYTHING = b"* LIST"
"""Says that everything may have changed."""


class Notices:
    """The lines of an IDLE that report something, without repetitions."""

    def __init__(self) -> None:
        self._first: dict[str, bytes] = {}
        self._exists: bytes | None = None
        self._statuses: dict[bytes, None] = {}

    def add(self, line: bytes) -> None:
        """Note a line, if it is an event."""
        parsed = parse_line(line)
        if parsed is None or parsed.tag or parsed.kind not in EVENTS:
            return
        if parsed.kind == "EXISTS":
            self._exists = line
        elif parsed.kind == "STATUS" and len(self._statuses) < MOST and len(line) < MOST * 10:
            self._statuses[line] = None
        elif parsed.kind == "STATUS":
            self._first["LIST"] = EVERYTHING
        else:
            self._first.setdefault(parsed.kind, line)

    def lines(self) -> list[bytes]:
        """Return one line of each kind, the newest EXISTS, and each STATUS."""
        exists = [] if self._exists is None else [self._exists]
        return [*self._first.values(), *exists, *self._statuses]


def condense(kept: dict[str, list[Any]]) -> None:
    """Shorten what is kept of unasked responses: on a connection that looks at none of it, it would grow for ever."""
    if "EXISTS" in kept:
        kept["EXISTS"] = kept["EXISTS"][-1:]
    if kept.get("FETCH"):
        kept["FETCH"] = [b"0 (FLAGS ())"]
    for kind in ("EXPUNGE", "VANISHED", "STATUS", "LIST"):
        if len(kept.get(kind, ())) > MOST:
            del kept[kind]
            kept["LIST"] = [b""]
