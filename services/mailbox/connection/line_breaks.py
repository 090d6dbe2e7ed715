"""Refuse arguments that could break out of a command line (RFC 3501 section 9, RFC 5321 section 4.1.2)."""

from __future__ import annotations

import re

from schemas.errors import LeadmailError

_FORBIDDEN = re.compile(r"[\0\r\n]")
_FORBIDDEN_BYTES = re.compile(rb"[\0\r\n]")


class InjectionError(LeadmailError, ValueError):
    """An argument contains NUL, CR or LF, which would end the command and start another (RFC 9051 section 4)."""


def refuse_line_breaks(*arguments: str | bytes | None) -> None:
    """Raise InjectionError if an argument does not fit into one command line."""
    for argument in arguments:
        if isinstance(argument, str) and _FORBIDDEN.search(argument):
            raise InjectionError("a command argument contains a line break or NUL character")
        if isinstance(argument, bytes) and _FORBIDDEN_BYTES.search(argument):
            raise InjectionError("a command argument contains a line break or NUL character")
