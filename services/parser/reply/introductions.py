"""Lines that say who wrote what is quoted below them, and when."""

from __future__ import annotations

from services.parser.reply.quote_words import BEGINS, DATED, ENDS, PARTICLES, PRONOUNS, VERB, YEAR, has_verb

_LINES = 3
_LINE = 300
"""Characters of a line that are looked at."""
_NAME_WORDS = 5
_DATE_AND_NAME = 20
"""Words of an introduction that names only date and writer."""
_DIRECTIONS = "\u200e\u200f\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
"""Invisible characters around text that is written from right to left."""
AROUND = " \t*_-" + _DIRECTIONS
"""What may follow the end of an introduction."""


def is_quoted(line: str) -> bool:
    """Whether a line is behind ``>``; ``>From `` is a line that an mbox file escaped."""
    return line.startswith((">", " >")) and not line.startswith(">From ")


def may_introduce(line: str) -> bool:
    """Whether a line ends as introductions do."""
    return line.rstrip(AROUND).endswith(ENDS)


def introduction(lines: list[str], last: int) -> tuple[int, bool] | None:
    """Return the first line of the introduction that ends at a line, and whether it names time and writer beyond doubt.

    For a line that ``may_introduce``.
    """
    found: tuple[int, bool] | None = None
    for first in range(last, max(last - _LINES, -1), -1):
        if not lines[first].strip() or is_quoted(lines[first]):
            break
        joined = " ".join(line[:_LINE] for line in lines[first : last + 1])
        if first < last and lines[first].rstrip().endswith((".", "!", "?")) and "@" not in joined:
            break
        sure = _says_who_wrote(joined)
        if sure is None:
            continue
        if _begins(lines[first]) and DATED.search(joined) is not None:
            return first, sure
        if found is None or sure > found[1]:
            found = first, sure
    return found


def _begins(line: str) -> bool:
    """Whether a line begins as introductions do, maybe behind dashes."""
    return BEGINS.match(line.lstrip("- ") if line.startswith("--") else line.lstrip(_DIRECTIONS)) is not None


def _says_who_wrote(line: str) -> bool | None:
    """Return whether a line says for certain that somebody wrote what follows; None if it does not say it."""
    verb = has_verb(line)
    dated = verb and DATED.search(line) is not None
    bracketed = "@" in line and ("<" in line or "(" in line or "[" in line)
    if dated and (bracketed or _begins(line)):
        return True
    if bracketed and YEAR.search(line) is not None and len(line.split()) <= _DATE_AND_NAME:
        return _begins(line)
    if verb and not _speaks(line):
        return False if dated or "@" in line or _names(line) else None
    return None


def _speaks(line: str) -> bool:
    """Whether a line is rather its author's own sentence: ``As you wrote:``."""
    return any(word.casefold() in PRONOUNS for word in line.replace(",", " ").split())


def _names(line: str) -> bool:
    """Whether a line is a name and the verb: ``Anna von Berg wrote:``."""
    words = VERB.sub(" ", line).replace(":", " ").replace("\uff1a", " ").split()
    known = [word for word in words if word.casefold() not in PARTICLES]
    return 0 < len(known) <= _NAME_WORDS and all(not word[:1].islower() for word in known)
