"""Tells addresses that will never work (hard) from those that do not work at the moment, or for this mail (soft)."""

from __future__ import annotations

import re
from typing import Literal

BounceKind = Literal["hard", "soft"]

_SOFT = re.compile(
    r"recipient preferences|group you tried to contact|群組可能不存在|"
    r"(?<!to )(?<!to the )sender|client host|from address|domain of|\bfull\b|quota|storage|insufficient|disk space|too (?:large|big|many|"
    r"busy|fast)|size limit|exceed|over (?:the )?limit|spam|junk|blocked|block ?list|blacklist|black list|blackholed|"
    r"(?<!not )listed (?:in|at|on|by)|reputation|policy|policies|dmarc|spf|dkim|unauthenticated|authenticat|"
    r"reverse dns|\bptr\b|rdns|relay|suspend|inactive|disabled|deactivated|locked|time[d]?[ -]?out|temporar|"
    r"try (?:again|later)|deferred|grey-?list|virus|malware|rate limit|connection|network|unreachable|loop|hop count|"
    r"too long|expired|delay|not yet|access denied|permission|forbidden|prohibited|restricted|content|attachment|"
    r"容量|満杯|オーバー|full\.|lleno|voll\b|pleine|piena|переполнен"
)
_HARD = re.compile(
    r"user (?:is |was |name |account )?(?:unknown|not (?:found|known|exist|listed)|doesn'?t|does not|invalid)|"
    r"unknown or illegal|unknown (?:user|recipient|address|account|local|mailbox|virtual|host|domain)|"
    r"no such (?:user|recipient|mailbox|address|account|person|host|domain|local|name|email|a user)|not a (?:valid|"
    r"known|local|current)|no (?:mailbox|account|user|mail box|valid (?:recipient|host)|known|local mailbox)|"
    r"(?:does ?n[o']t|do not|did not|doesn't|not) exist|(?:recipient|address|account|mailbox|host|domain|"
    r"name)s?[^.\n]{0,40} (?:not found|unknown|not known|is invalid|isn'?t valid|nonexistent|no longer)|"
    r"invalid (?:recipient|address|user|mailbox|final|account|domain|host)|mailbox unavailable|bad (?:destination|"
    r"recipient|address)|unrout[e]?able (?!sender)|undeliverable address|not our customer|not listed in|"
    r"host or domain name not found|name service error|host not found|no route|has (?:moved|left)|moved to|"
    r"no longer (?:here|with|at|valid|available|in|on|works|accept)|does not accept (?:mail|e-?mail)|null ?mx|"
    r"no mx record|no smtp service|not accepting (?:network )?(?:mail|e-?mail|messages)|"
    r"recipient address rejected: access denied|ディレクトリのリストにありません|(?:couldn't|not) (?:be )?(?:found|"
    r"resolve)|recipnotfound|user not|unbekannt|existiert nicht|inconnu|desconocid|no existe|non esiste|sconosciut|"
    r"не найден|не существует|adres (?:bestaat niet|nie istnieje)|adressen (?:finns inte|findes ikke)|endereço não encontrado|"
    r"存在しません|宛先不明|不存在|this user doesn't have|inactive (?:e-?mail )?address|domain is not reachable|"
    r"(?:address|recipient|name)s? is (?:in)?correct|not recognized|見つかりません"
)
_HARD_CODES = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.1.0", "5.4.4", "5.1.351", "5.3.2", "5.4.1"})
_SOFT_CODES = re.compile(r"5\.(?:1\.[78]|2\.[23]|3\.[145]|4\.[67]|6\.\d|7\.(?!(?:1|27)$)\d{1,3})$")
_DATA = re.compile(r"in reply to (?:end of )?data\b|after end of data|^>>> data\r?\n<<< 5|^data$", re.MULTILINE)
"""That the mail was refused, not its recipient: who is unknown is said in reply to RCPT (RFC 5321 section 3.3); some filters
of recipients, not least those of Japanese mobile providers, call them unknown when they have read the mail."""
_NO_RECIPIENT = re.compile(r"^<<< 5\d\d [^\n]{0,20}\bno valid recipient", re.MULTILINE)
"""All were refused at RCPT, although the answer was read after DATA had been sent (RFC 2920 section 3.1)."""
_ONLY_REJECTED = re.compile(
    r"\W*5\d\d(?: 5\.[01]\.\d)?[\s.:]*(?:recipient |address |recipient address |mailbox )?rejected\W*"
)
"""A refusal of nothing but the address."""
_SENDER = re.compile(r"(?:after|in reply to) mail from\b|my name was rejected")
_OF_ADDRESS = re.compile(r"\b5\.1\.(?:[1-6]|10|351)\b")
_SAID = re.compile(r"\bsaid: |unknown address error (?=\d)")
"""Before what the other server said itself."""
_ADDRESS = re.compile(r"<[^<>\s]{1,200}>|[^\s<>]{1,64}@[^\s<>]{1,200}")
_LONG_ENOUGH = 1_500
_DIALOGUE = 4_000


def kind_of(status: str, *said: str, final: bool, text: str = "") -> BounceKind:
    """Return whether a failure is for good, from its status code and the first of some texts that tells.

    ``text`` is the whole text of the bounce, in which the dialogue with the other server may be.
    """
    if not final or _SOFT_CODES.match(status):
        return "soft"
    dialogue = text[:_DIALOGUE].lower()  # patterns of lower case search several times as fast
    if _SENDER.search(dialogue) is not None:
        return "soft"
    refused = _DATA.search(dialogue) is not None and _NO_RECIPIENT.search(dialogue) is None
    if refused and _OF_ADDRESS.search(f"{status} {said[0]}") is None:
        return "soft"
    for each in said:
        whole = each[:_LONG_ENOUGH].lower()
        remote = _SAID.search(whole)
        for words in (whole[remote.end() :], whole) if remote else (whole,):
            plain, addresses = _ADDRESS.subn(" ", words)
            if addresses and _ONLY_REJECTED.fullmatch(plain) is not None:
                return "hard"
            if (kind := _told(plain, status)) is not None:
                return kind
    return "hard" if status in _HARD_CODES else "soft"


def _told(words: str, status: str) -> BounceKind | None:
    """Return what a text says of a failure, or None."""
    hard, soft = _HARD.search(words), _SOFT.search(words)
    if hard is not None and (soft is None or hard.start() <= soft.start()):
        return "hard"
    if soft is not None and (hard is None or status not in _HARD_CODES):
        return "soft"
    return "hard" if status in _HARD_CODES else None
