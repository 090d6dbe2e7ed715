"""Raw mail for readers, without headers that belong to one copy."""

from __future__ import annotations

_TRACES = frozenset(
    b"bcc resent-bcc received x-received return-path delivered-to x-delivered-to delivered-from envelope-to x-envelope-to "
    b"x-original-to apparently-to x-apparently-to x-rcpt-to x-real-to x-forwarded-to x-forwarded-for x-gm-original-to".split()
)


def without_traces(raw: bytes) -> bytes:
    """Return a mail without Bcc and trace headers. Everything else stays unchanged, byte for byte.

    The stored raw mail is that of the first copy. Its Bcc is its owner's alone, and traces such as
    Delivered-To reveal who received a Bcc. The identity of an email omits the same headers.
    """
    kept: list[bytes] = []
    position, cutting = 0, False
    # Bare CR and bare LF end a line, too: what a lenient reader takes for a header must not pass.
    for line in raw.splitlines(keepends=True):
        if not line.strip(b"\r\n"):
            break
        position += len(line)
        if not line.startswith((b" ", b"\t")):  # otherwise a folded line (RFC 5322 section 2.2.3)
            cutting = line.partition(b":")[0].strip().lower() in _TRACES
        if not cutting:
            kept.append(line)
    return b"".join(kept) + raw[position:]
