"""Where the mail that is quoted begins, and which lines only introduce it.

A quote behind ``>`` ends where its marks end; what stands below it is an answer. A quote without marks begins below a header
block, a separator or a line that says who wrote it when, and lasts to the end.
"""

from __future__ import annotations

from typing import NamedTuple

from services.parser.reply.header_blocks import COLONS, block_end, label_kind
from services.parser.reply.introductions import AROUND, introduction, is_quoted, may_introduce
from services.parser.reply.quote_words import BARE, ENDS, INITIALS, SEPARATORS, SHARED, WRAPPED_LINK

_LINE = 300
"""Characters of a line of a separator that are looked at."""
_NEAR = 6
"""Lines within which quoted text follows its introduction."""
_RULE = 20
"""Underscores; Outlook draws such a line above its header block."""
_LAST = frozenset((*(end[-1] for end in ENDS), *AROUND))
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


def _below_separator(lines: list[str], at: int) -> Cut | None:
    """Return the cut at a line that is a separator."""
    line = lines[at]
    forwarded = separator(line)
    if forwarded is None and (not line.startswith("_" * _RULE) or line.strip(" _")):
        return None
    below = _next(lines, at + 1)
    end, _ = block_end(lines, below, least=2 if forwarded is None else 1)
    if end or (forwarded is not None and line.lstrip().startswith("--")):
        return Cut(at, _next(lines, end or below), below, bool(forwarded))
    return None


def first_cut(lines: list[str]) -> Cut | None:
    """Return where a quote without marks begins, or None."""
    skip = 0
    for at, line in enumerate(lines):
        # Most lines get these looks only: no mark, no colon, no verb at the end.
        if not line or at < skip:
            continue
        marked = line[0] in _MARKS
        colon = ":" in line or "\uff1a" in line
        ends = line[-1] in _LAST and may_introduce(line)
        if not (marked or colon or ends) or line.isspace() or is_quoted(line):
            continue
        if (marked or ends) and (cut := _below_separator(lines, at)) is not None:
            return cut
        if colon and label_kind(line):
            end, skip = block_end(lines, at)
            if end:
                return Cut(at, _next(lines, end), at)
        if ends and (found := introduction(lines, at)) is not None and found[1] and not _follows_quote(lines, at + 1):
            return Cut(found[0], _next(lines, at + 1), _next(lines, at + 1))
    return None


def own_parts(lines: list[str]) -> list[list[str]]:
    """Return the lines between quotes behind ``>``, without those that introduce the quotes; at least one list, maybe empty."""
    if ">" not in "".join(lines):
        return [lines]
    parts: list[list[str]] = [[]]
    quoted, above = False, ""
    for line in lines:
        if is_quoted(line):
            if not quoted:
                _drop_introduction(parts[-1])
            quoted, above = True, line[-_LINE:]
        elif quoted and line.strip() and _is_rest_of_link(above, line):
            above = ""
        elif quoted and line.strip():
            parts.append([line])
            quoted = False
        elif not quoted:
            parts[-1].append(line)
    return parts


def _is_rest_of_link(above: str, line: str) -> bool:
    """Whether a line below a quoted one is a link in brackets, or the end of one that is open there: a program broke the line."""
    if "(http" in above and ")" not in above[above.rfind("(http") :]:
        return line.endswith(")") and len(line.split()) == 1
    return WRAPPED_LINK.fullmatch(line.strip()) is not None


def _drop_introduction(lines: list[str]) -> None:
    """Remove the introduction at the end, or a few lines further up, where a mark for what was left out may stand below it."""
    last = len(lines)
    for _ in range(3):
        while last and not lines[last - 1].strip():
            last -= 1
        if not last:
            return
        line = lines[last - 1]
        if (shared := SHARED.search(line[:_LINE])) is not None:
            lines[last - 1 : last] = [line[: shared.start()]]
            return
        if may_introduce(line) and (found := introduction(lines, last - 1)) is not None:
            del lines[found[0] : last]
            return
        if BARE.match(line) is not None:
            del lines[last - 1 : last]
            return
        if lines[last - 1].strip() not in ("[...]", "[…]", "...", "…", "(...)"):
            return
        last -= 1
