"""Raw mail for readers: without what tells of one copy only."""

from __future__ import annotations

import re

_TRACES = (
    b"bcc|resent-bcc|received|delivered-to|x-delivered-to|envelope-to|x-envelope-to|x-original-to|return-path|apparently-to"
    b"|x-rcpt-to|x-forwarded-to|x-forwarded-for|x-received|delivered-from|x-apparently-to|x-real-to|x-gm-original-to"
)
# A header field with its folded lines (RFC 5322 section 2.2.3); blanks before the colon are obsolete syntax (section 4.5).
_FIELD = re.compile(rb"^(?:" + _TRACES + rb")[ \t]*:[^\n]*\n?(?:[ \t][^\n]*\n?)*", re.IGNORECASE | re.MULTILINE)
_END = re.compile(rb"\r?\n\r?\n")


def without_traces(raw: bytes) -> bytes:
    """Return a mail without Bcc and trace headers.

    What is stored is the raw form of the copy that came first. Its Bcc is its owner's alone, and traces such as
    Delivered-To name whom a Bcc went to; the identity of an email leaves the same headers out.
    """
    end = _END.search(raw)
    position = end.start() if end else len(raw)
    head = raw[: position + 1] if end else raw
    return _FIELD.sub(b"", head) + raw[len(head) :]
