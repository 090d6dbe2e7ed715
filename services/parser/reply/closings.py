"""Which line is a sign-off, and which one the name below it."""

from __future__ import annotations

from services.parser.reply.signature_words import AROUND, CLOSINGS, THANKS, plain

_NAME_WORDS = 5
_FIRST_WORDS = frozenset(words.split(" ", 1)[0].rstrip(AROUND) for words in CLOSINGS | THANKS)


def _may_close(words: str) -> bool:
    """Whether a line may begin with a sign-off: of most lines the first word says that it does not."""
    return words.split(" ", 1)[0].partition(",")[0].rstrip(AROUND) in _FIRST_WORDS


def closing_kind(line: str) -> str:
    """Return which kind of sign-off a line is, with or without the name after it; empty if none."""
    words = plain(line)
    if not _may_close(words):
        return ""
    if words in CLOSINGS or words in THANKS:
        return "closing" if words in CLOSINGS else "thanks"
    head, comma, name = line.strip().partition(",")
    if not comma:
        parts = line.split()
        for size in (4, 3, 2):
            if len(parts) > size and plain(" ".join(parts[:size])) in CLOSINGS:
                return "closing" if is_name(" ".join(parts[size:])) and not name else ""
        return ""
    head = plain(head)
    if head in CLOSINGS and " " in head and name.strip()[:1].isupper() and is_name(name):
        return "closing"
    return "thanks" if (head in THANKS and plain(name) in CLOSINGS) else ""


def is_name(line: str) -> bool:
    """Whether a line is a name rather than a word of the text."""
    words = line.split()
    if not words or len(words) > _NAME_WORDS or any(map(str.isdigit, line)) or line.rstrip().endswith(("?", "!", ":")):
        return False
    if len(words) == 1:
        return True
    return all(
        not word[:1].islower() or word.endswith(".") or len(word) <= len("von") for word in words
    ) and not line.rstrip().endswith(".")
