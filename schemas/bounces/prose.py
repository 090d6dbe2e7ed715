"""Reads the forms that bounces had before RFC 3464: text that people read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from schemas.bounces.status import ADDRESS, READ, SPEC

DAEMON = re.compile(
    r"^(?=[^@]*@)(?:mailer[-_.]?daemon|post[-_.]?master|mail[-_.]?daemon|mdaemon|mail[-_.]delivery|"
    r"bounce[sd]?|[^@]*-daemon)[-_.@]",
    re.IGNORECASE,
)
_COPY_BEGINS = re.compile(
    r"^[^\w\n]*+(?:[^\n]{0,60}(?:original message (?:follows|-)|(?<!receive a )copy of (?:the|your) (?:mail|message)|"
    r"unsent message|headers? follow|message is below|returned message|message text follows|headers of your message|"
    r"transcript of session|session transcript|your message (?:reads|follows|begins)|undelivered message you sent)|"
    r"original message[^\w\n]*$|(?:Received|Return-Path): )",
    re.IGNORECASE | re.MULTILINE,
)
_ALONE = re.compile(
    rf"^(?:[^\S\n]|[>*<\"'(-])*+({ADDRESS})[>\"')]*"
    rf"(?:[^\S\n]*[:,;.](?:[^\S\n].*)?|[^\S\n][^@\n]{{0,40}}|)$|[:)]\s*<?({ADDRESS})>?[^\S\n]*\)?$",
    re.MULTILINE,
)
"""An address that begins a line, or ends one after a label."""
_MEANT = re.compile(
    rf"\b(?:(?:mail|message|delivery|delivered|delivering|deliverable|addressed|sent) to|was addressed,|recipients?|mailbox|user)"
    rf":?\s{{1,4}}[<\"']?({ADDRESS})",
    re.IGNORECASE,
)
"""An address in a sentence that says whom the mail was for."""
_CONTACT = re.compile(
    rf"(?:\b(?:contact(?:ing)?|assistance|help|questions?|support|write to|reply to|e-?mailing(?: to)?|e-?mail us|try|if|"
    rf"(?:moved|changed) to|new (?:e-?mail )?address(?: is)?|replaced by|"
    rf"send (?:an? )?(?:e-?mail|mail|message) to|kontaktieren|wenden|contacter|contactar)"
    rf"(?:[^.\n@]{{0,60}}?[ <(\"']|:?\s{{1,4}}[<\"']?)|^from )({ADDRESS})",
    re.IGNORECASE | re.MULTILINE,
)
"""An address that a bounce advises to write to, or where it says that the mail came from."""
_WITHOUT_DOMAIN = re.compile(
    r"\bfollowing\b[^\n@]{0,80}[:-][^\S\n]*\n\s{0,8}[\w.+-]{1,64}(?:[^\S\n]{2}|[^\S\n]?\n)", re.IGNORECASE
)
"""That a bounce names its recipients as the other system's users: the addresses in the rest of it are others."""
POSTPONED = re.compile(
    r"postponed|will (?:continue|keep|be) (?:to )?(?:try|retr)|not yet been delivered|has not been delivered[^.]{0,80} (?:after|for) ",
    re.IGNORECASE,
)
"""That a mail system is still trying."""
_HEADER = re.compile(
    r"^[>\s]{0,8}(?:message-?id|in-reply-to|references|from|date|received|return-path|reply-to|sender|x-[\w-]{1,40}|list-[\w-]{1,20}|"
    r"envelope-from|reporting-mta|remote-mta)[ \t]{0,4}:",
    re.IGNORECASE,
)
_SAID = re.compile(
    r"(?<![\d.])[45]\d\d(?:[ -]|$)|unknown|no such|not exist|full|quota|rejected|denied|refused|timed out|disabled|invalid|"
    r"not recognized|doesn't have|couldn't be found",
    re.IGNORECASE,
)
_TRANSCRIPT = re.compile(r"^[^\w\n]*+transcript of session follows", re.IGNORECASE | re.MULTILINE)
_DIALOGUE = 1_000
_FAILURE = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])")
_LINE = 300
_REASON_LINES = 4


_TO = re.compile(r"^[>\s]{0,8}(?:to|cc|subject|sent)[ \t]{0,4}:", re.IGNORECASE)
"""In older bounces, whom the mail was for; it may be the only address that they name."""
FAILED = re.compile(
    r"(?:could|can|was|were|did|has|have) ?n[o']t (?:be |been )?(?:deliver|reach|receiv)|(?:wasn't|unable|not able|failed) to deliver|"
    r"undeliver|delivery (?:\w{1,20} ){0,3}fail|permanent(?:ly)? (?:error|fail)|returned to (?:the )?sender|unknown user|user unknown|"
    r"no such user|"
    r"nicht zugestellt|n'a pas (?:pu être |été )?(?:remis|délivr|distribu)|no se (?:pudo|puede|ha podido) entregar|"
    r"(?:impossibile|non è stato possibile) (?:recapitare|consegnare)|niet (?:worden )?(?:bezorgd|afgeleverd)|não foi possível entregar|"
    r"nie (?:można|udało się) dostarczyć|не (?:удалось|удается) доставить|не вдалося доставити|kunde inte leverera|kunne ikke levere|"
    r"ei voitu toimittaa|nebylo možné doručit|nebolo možné doručiť|nem (?:sikerült|lehetett) kézbesíteni|teslim edilemedi|"
    r"配信できません|配信できませんでした|送信できません|无法送达|無法傳遞",
    re.IGNORECASE,
)
"""What only a mail system says of a mail."""


_ID = re.compile(r"^[ \t>]{0,8}Message-I[Dd]:[ \t]{0,8}(?:\n[ \t]{1,8})?<([^<>\s]{1,998})>", re.MULTILINE)


def head(text: str) -> str:
    """Return the text above the copy of the mail, without header lines."""
    above = text[:READ]
    if (copy := _COPY_BEGINS.search(above)) is not None and copy.start() > 0:
        above = above[: copy.start()]
    return "\n".join(line for line in above.split("\n") if not _HEADER.match(line))


def lost_addresses(above: str, others: Iterable[str]) -> list[str]:
    """Return the addresses that an older bounce's prose names in its ``head``.

    Those that stand alone on a line are meant; where there is none, those of whom a sentence says so; where there is none either,
    any will do that is not one of ``others``, the addresses of who writes and who is written to, nor one to ask for help.
    """
    known = set(others)
    without_to = "\n".join(line for line in above.split("\n") if not _TO.match(line))
    without_help = _CONTACT.sub(" ", without_to)
    alone = [found[1] or found[2] for found in _ALONE.finditer(without_help)]
    if lost := [spec for spec in alone if spec.lower() not in known and not DAEMON.match(spec)]:
        return lost
    if _WITHOUT_DOMAIN.search(without_to) is not None:
        return []
    known.update(found[1].lower() for found in _CONTACT.finditer(without_to))
    for specs in (_MEANT.findall(without_help), SPEC.findall(without_help), SPEC.findall(above)):
        if lost := [spec for spec in specs if spec.lower() not in known and not DAEMON.match(spec)]:
            return lost
    return []


def reason_in_words(above: str, addresses: Iterable[str]) -> str:
    """Return why a mail was not delivered: what is below the first of the addresses, or a line that says so."""
    lines, below = above.split("\n"), list[str]()
    wanted = [address.lower() for address in addresses]
    for at, line in enumerate(lines):
        if any(address in line[:_LINE].lower() for address in wanted):
            beneath = lines[at : at + _REASON_LINES]
            if told := [each for each in beneath if _SAID.search(each[:_LINE])]:
                return _one_line(told)
            if any(_FAILURE.search(each[:_LINE]) for each in beneath):
                return _one_line(beneath[1:])
            below = below if any(each.strip() for each in below) else beneath[1:]
    found = [line for line in lines if _FAILURE.search(line[:_LINE]) or _SAID.search(line[:_LINE])]
    return _one_line(found[:1] or below)


def _one_line(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())


def transcript(text: str) -> str:
    """Return the dialogue with the other server, or with the program that delivers, if a bounce has it."""
    begins = _TRANSCRIPT.search(text[:READ])
    return text[begins.end() : begins.end() + _DIALOGUE] if begins else ""


def returned_id(text: str, own: str | None) -> str | None:
    """Return the Message-ID of the mail that bounced, of which there is a copy below the words; not that of the bounce itself."""
    return next((found[1] for found in _ID.finditer(text[:READ]) if found[1] != own), None)
