"""Where the mail that is quoted begins, and which lines only introduce it.

A quote behind ``>`` ends where its marks end; what stands below it is an answer. A quote without marks begins below a header
block, a separator or a line that says who wrote it when, and lasts to the end.
"""

from __future__ import annotations

from typing import NamedTuple

from services.parser.reply.header_blocks import COLONS, block_end, label_kind
from services.parser.reply.quote_words import BEGINS, DATED, ENDS, INITIALS, PARTICLES, PRONOUNS, SEPARATORS, VERB, YEAR

_INTRODUCTION_LINES = 3
_LINE = 300
"""Characters of a line of an introduction that are looked at."""
_NEAR = 6
"""Lines within which quoted text follows its introduction."""
_NAME_WORDS = 5
_DATE_AND_NAME = 14
"""Words of an introduction that names only date and writer."""
_RULE = 20
"""Underscores; Outlook draws such a line above its header block."""


_MARKS = frozenset("-=_*#>|")
"""How a line of a separator begins that ends without a colon."""


class Cut(NamedTuple):
    """Where a quote without marks begins."""

    line: int
    content: int
    """The first line of the mail that is quoted, below its header."""
    header: int
    """The first line of its header: below a separator."""
    forwarded: bool = False


def is_quoted(line: str) -> bool:
    """Whether a line is behind ``>``; ``>From `` is a line that an mbox file escaped."""
    return line.startswith((">", " >")) and not line.startswith(">From ")


def separator(line: str) -> bool | None:
    """Return whether a separator says that the mail below was forwarded; None for a line that is none."""
    if line[0] not in _MARKS and not line.endswith(COLONS):
        return None
    inner = line[:_LINE].strip().strip("-=_*#|> \t")
    bare = not line.lstrip().startswith("--")
    if bare and not inner.endswith(COLONS):
        return None
    return SEPARATORS.get(inner.rstrip(":\uff1a ").casefold())


def _next(lines: list[str], at: int) -> int:
    """Return the next line that is not empty."""
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at


def _follows_quote(lines: list[str], at: int) -> bool:
    found = 0
    while at < len(lines) and found < _NEAR:
        if is_quoted(lines[at]) or INITIALS.match(lines[at]):
            return True
        found += bool(lines[at].strip())
        at += 1
    return False


def _may_introduce(line: str) -> bool:
    return line.rstrip(" \t*_-").endswith(ENDS)


def _may_begin(line: str) -> bool:
    """Whether a line can be a separator, a label or an introduction. Of most lines this is all that is looked at."""
    return line[:1] in _MARKS or ":" in line or "\uff1a" in line or _may_introduce(line)


def introduction(lines: list[str], last: int) -> tuple[int, bool] | None:
    """Return the first line of the introduction that ends at a line, and whether it names time and writer beyond doubt."""
    if not _may_introduce(lines[last]):
        return None
    found: tuple[int, bool] | None = None
    for first in range(last, max(last - _INTRODUCTION_LINES, -1), -1):
        if not lines[first].strip() or is_quoted(lines[first]):
            break
        joined = " ".join(line[:_LINE] for line in lines[first : last + 1])
        if first < last and lines[first].rstrip().endswith((".", "!", "?")) and "@" not in joined:
            break
        sure = _says_who_wrote(joined)
        begins = BEGINS.match(lines[first]) is not None and DATED.search(joined) is not None
        if sure is not None and begins:
            return first, sure
        if sure is not None and (found is None or sure > found[1]):
            found = first, sure
    return found


def _says_who_wrote(line: str) -> bool | None:
    """Return whether a line says for certain that somebody wrote what follows; None if it does not say it."""
    verb, dated = VERB.search(line) is not None, DATED.search(line) is not None
    bracketed = "@" in line and ("<" in line or "(" in line or "[" in line)
    begins = BEGINS.match(line) is not None
    if verb and dated and (begins or bracketed):
        return True
    if bracketed and YEAR.search(line) is not None and len(line.split()) <= _DATE_AND_NAME:
        return begins
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


def first_cut(lines: list[str]) -> Cut | None:
    """Return where a quote without marks begins, or None."""
    skip = 0
    for at, line in enumerate(lines):
        if at < skip or not _may_begin(line) or not line.strip() or is_quoted(line):
            continue
        if (forwarded := separator(line)) is not None:
            below = _next(lines, at + 1)
            end, _ = block_end(lines, below, least=1)
            if end or line.lstrip().startswith("--"):
                return Cut(at, _next(lines, end or below), below, forwarded)
        if line.startswith("_" * _RULE) and not line.strip(" _"):
            below = _next(lines, at + 1)
            end, _ = block_end(lines, below, least=2)
            if end:
                return Cut(at, _next(lines, end), below)
        if label_kind(line):
            end, skip = block_end(lines, at)
            if end:
                return Cut(at, _next(lines, end), at)
        if (found := introduction(lines, at)) is not None and found[1] and not _follows_quote(lines, at + 1):
            return Cut(found[0], _next(lines, at + 1), _next(lines, at + 1))
    return None


def own_parts(lines: list[str]) -> list[list[str]]:
    """Return the lines between quotes behind ``>``, without those that introduce the quotes; at least one list, maybe empty."""
    parts: list[list[str]] = [[]]
    quoted = False
    for line in lines:
        if is_quoted(line):
            if not quoted:
                _drop_introduction(parts[-1])
            quoted = True
        elif quoted and line.strip():
            parts.append([line])
            quoted = False
        elif not quoted:
            parts[-1].append(line)
    return parts


def _drop_introduction(lines: list[str]) -> None:
    """Remove the introduction at the end, or a few lines further up, where a mark for what was left out may stand below it."""
    last = len(lines)
    for _ in range(3):
        while last and not lines[last - 1].strip():
            last -= 1
        if not last:
            return
        if (found := introduction(lines, last - 1)) is not None:
            del lines[found[0] : last]
            return
        if lines[last - 1].strip() not in ("[...]", "[…]", "...", "…", "(...)"):
            return
        last -= 1
