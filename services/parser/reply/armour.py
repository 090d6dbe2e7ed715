"""OpenPGP's frame around a text (RFC 9580 section 7): the text that is signed stays, keys, signatures and ciphertext do not."""

from __future__ import annotations

BEGIN, _END = "-----BEGIN PGP ", "-----END PGP "
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_MESSAGE = "-----BEGIN PGP MESSAGE-----"
_MOST_LINES = 5_000


def without_armour(lines: list[str]) -> list[str]:
    """Return the lines without OpenPGP's. Of a message that is encrypted the line that says so stays."""
    out: list[str] = []
    at, signed = 0, False
    while at < len(lines):
        line = lines[at].rstrip()
        if line == _SIGNED:
            signed = True
            at = _after_fields(lines, at + 1)
            continue
        if line.startswith(BEGIN) and (end := _end(lines, at)):
            signed = False
            out += [line] if line == _MESSAGE else []
            at = end
            continue
        out.append(lines[at].removeprefix("- ") if signed else lines[at])
        at += 1
    return out


def _after_fields(lines: list[str], at: int) -> int:
    while at < len(lines) and lines[at].startswith(("Hash: ", "Charset: ", "Comment: ", "Version: ")):
        at += 1
    return at + 1 if at < len(lines) and not lines[at].strip() else at


def _end(lines: list[str], start: int) -> int:
    """Return where the block that begins at a line is over; 0 if its end is missing and other text may be in it."""
    end = min(len(lines), start + _MOST_LINES)
    for at in range(start + 1, end):
        if lines[at].startswith(_END):
            return at + 1
        if lines[at].startswith(BEGIN):
            return 0
    return (
        0 if end < len(lines) or any(" " in line.strip() and ": " not in line for line in lines[start + 1 :]) else end
    )
