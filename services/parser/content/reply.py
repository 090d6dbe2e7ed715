"""Finds the text that a mail adds itself, without quoted mail and signature.

mail-parser-reply knows how mail programs introduce a quote in a dozen languages. Its expressions cost milliseconds a
language, and some never finish on hostile text. So it runs only for languages that occur in the text, on the text without its
trailing quote, and under a CPU time limit.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from mailparser_reply.parser import EmailMessage

from services.parser.content.cpu_limit import CpuLimitError, cpu_limit
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics

_SIGNS = {
    "en": (
        *(
            "wrote:",
            "From:",
            "Original Message",
            "\nSent from",
            "\nGet Outlook",
            "\nBest",
            "\nKind ",
            "\nRegards",
            "\nregards",
        ),
        *("\nThanks,", "\nThank you,", "\nAll the best", "\nDisclaimer", "\nConfidential", "\nCONFIDENTIAL"),
    ),
    "de": (
        "schrieb",
        "Gesendet",
        "Betreff:",
        "\nGrüße",
        "\nGruß",
        "\nViele Grü",
        "\nBeste Grü",
        "\nLiebe Grü",
        "\nMit freundlichen",
    ),
    "fr": ("a écrit", "Envoyé", "Objet :", "\nCordialement", "\ncordialement", "\nSalutations", "\nBonne journ"),
    "es": (
        "escribió:",
        "\nEnviado",
        "Asunto:",
        "\nSaludos",
        "\nUn saludo",
        "\nAtentamente",
        "\nCordialmente",
        "\nGracias,",
    ),
    "it": ("ha scritto:", "\nInviato", "Oggetto:", "\nCordiali saluti"),
    "nl": ("schreef", "\nVerzonden", "Onderwerp:", "\nMet vriendelijke", "\nHartelijke groeten", "\nBedankt,"),
    "pl": ("napisał", "nadesłał", "\nWysłano", "\nZ poważaniem", "\nZ powazaniem", "\nPozdrawiam"),
    "cs": ("napsal(a):", "\nOdesláno", "Předmět:", "\nS pozdravem", "\nS úctou", "\nS přáním"),
    "da": (" skrev ", "Oprindelig meddelelse", "Emne:", "enlig hilsen", "\nSendt fra", "edste hilsner"),
    "sv": (" skrev ", "\nSkickat", "Ämne:", "älsningar"),
    "ja": ("年",),
    "ko": ("작성하였습니다", "보낸", "에서 보냄"),
    "zh": ("写道", "发件人", "发送"),
}
"""Words that a text must contain for mail-parser-reply to find anything in that language."""
_ASCII_SIGNS = {language: tuple(filter(str.isascii, signs)) for language, signs in _SIGNS.items()}
_START = min(len(sign) - 1 for signs in _SIGNS.values() for sign in signs if sign[0] == "\n")
"""Characters by which the start of a line is known."""
CPU_SECONDS = 0.5
_LINE = 2000
_CONTEXT = 8
"""Lines; the library need not look at text that is further above the first sign."""
_LONGEST_SIGNATURE = 1500
"""Characters; what is longer and looks like a signature is text that happens to begin like one."""
_BLANK_LINES = re.compile(r"\n\s*\n")
"""Linear: wherever white space with a second line end follows, it matches."""
_DATE_OR_ADDRESS = re.compile(r"[\d@]")
_COLONS = (":", "\uff1a")
_WROTE = re.compile(r"(?:wrote|writes|schrieb|escribió|écrit|scritto|schreef|написал[аи]?)\s?:?\Z")
_SEPARATOR = re.compile(
    r"^(?:-{3,}+ ?(?:Original Message|Ursprüngliche Nachricht|Original-Nachricht|Message d'origine|Mensaje original|"
    r"Messaggio originale|Oorspronkelijk bericht|Исходное сообщение|Forwarded message) ?-{3,}|_{20,})$",
    re.IGNORECASE | re.MULTILINE,
)
_ATTRIBUTION_LINES = 3
"""Mail programs wrap the line that says who wrote at most twice."""
_BEGINS = re.compile(r"\s*(?:On|Am|Le|El|Il|Op|Em|Den|Dne|Dnia|W dniu|På|Pe|\d{1,2}\.|\d{4})\b")
_SIGNATURE_MARK = "-- "


def reply_text(text: str, diagnostics: Diagnostics) -> str:
    """Return ``text`` without quoted mail and signature; the text itself when nothing would be left."""
    head, rest = text[: limits.REPLY_INPUT], text[limits.REPLY_INPUT :]
    signature, own = _without_signature(head)
    lines, quoted = _without_quotes(own)
    head = _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()
    reply = _by_library(head, diagnostics) if head else ""
    if reply == head and not quoted and not signature and rest:
        reply += rest
    return reply or text.strip()


def _without_signature(text: str) -> tuple[bool, str]:
    """Cut at the signature mark (RFC 3676 section 4.3: ``-- ``, often without its space), if what follows is no quote."""
    position = 0
    for line in text.split("\n"):
        if line in (_SIGNATURE_MARK, "--") and position > 0:
            return True, text[:position]
        position += len(line) + 1
    return False, text


def _without_quotes(text: str) -> tuple[list[str], bool]:
    """Return the lines that are not quoted, and whether any was; a line that announces the quote goes with it."""
    out: list[str] = []
    quoted = inside = False
    for line in text.split("\n"):
        if line.startswith(">") and not line.startswith(">From "):
            if not inside:
                _drop_attribution(out)
            inside = quoted = True
        else:
            inside = inside and not line.strip()
            out.append(line[:_LINE])
    return out, quoted


def _drop_attribution(lines: list[str]) -> None:
    """Remove the lines at the end that say who wrote what is quoted next: up to three, the last one with a colon."""
    last = len(lines)
    while last and not lines[last - 1].strip():
        last -= 1
    for first in range(last - 1, max(last - _ATTRIBUTION_LINES, 0) - 1, -1):
        if not lines[first].strip():
            return
        if _says_who_wrote(" ".join(lines[first:last])[-_LINE:].rstrip()):
            wrapped = [line for line in range(max(first - 2, 0), first) if _BEGINS.match(lines[line])]
            if wrapped and all(line.strip() for line in lines[wrapped[0] : first]):
                first = wrapped[0]  # noqa: PLW2901 - the introduction begins earlier
            del lines[first:]
            return


def _says_who_wrote(line: str) -> bool:
    return bool(_WROTE.search(line) or (line.endswith(_COLONS) and _DATE_OR_ADDRESS.search(line)))


def _by_library(text: str, diagnostics: Diagnostics) -> str:
    if (separator := _SEPARATOR.search(text)) is not None and text[: separator.start()].strip():
        text = text[: separator.start()].rstrip()
    if diagnostics.careful:
        return text
    signs_of = _ASCII_SIGNS if text.isascii() else _SIGNS
    starts = {line[:_START] for line in text.split("\n")[1:]}
    at = {language: min(found) for language, signs in signs_of.items() if (found := _places(text, signs, starts))}
    if not at:
        return text
    start = _lines_before(text, min(at.values()))
    before, rest = text[:start], text[start:]
    try:
        with cpu_limit(CPU_SECONDS):
            message = EmailMessage(text=rest, languages=[*at], include_english=False, keep_hyphen_lists=True).read()
    except (CpuLimitError, RecursionError, MemoryError):
        diagnostics.defect("reply-time")
        return text
    reply = message.replies[0]
    if reply.headers:
        # Here begins the quote; with nothing before it, it is a mail that was forwarded without a word.
        return before.strip() or text
    body, whole = str(reply.body), str(reply.full_body)
    if len(reply.signatures or "") > _LONGEST_SIGNATURE:
        body = whole
    return (before + body).strip() or whole


def _places(text: str, signs: tuple[str, ...], starts: Collection[str]) -> list[int]:
    """Return where signs are. Those at the start of a line, most of them, are sought only where a line begins like one."""
    return [
        place
        for sign in signs
        if (sign[0] != "\n" or sign[1 : 1 + _START] in starts) and (place := text.find(sign)) >= 0
    ]


def _lines_before(text: str, place: int) -> int:
    """Return where the lines begin that may belong to the first sign: an introduction or a header block starts above it."""
    for _ in range(_CONTEXT):
        place = text.rfind("\n", 0, place)
        if place < 0:
            return 0
    return place + 1


def snippet(text: str) -> str:
    """Return the start of a text on one line, at most 200 characters."""
    return " ".join(text[: limits.SNIPPET * 10].split())[: limits.SNIPPET].rstrip()
