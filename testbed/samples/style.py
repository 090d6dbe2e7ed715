"""How mail programs write: reply prefixes, attributions in three languages, quoting, signatures, HTML and headers."""

import html
import re
import textwrap
from dataclasses import dataclass
from datetime import datetime
from random import Random

from testbed.samples.person import Person, normal
from testbed.samples.wire import Headers

WEEKDAYS = {
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    "fr": ("lun.", "mar.", "mer.", "jeu.", "ven.", "sam.", "dim."),
}
MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "de": ("Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
           "Dezember"),
    "fr": ("janv.", "févr.", "mars", "avr.", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc."),
}  # fmt: skip
CLOSINGS = {
    "en": ("Best regards,", "Kind regards,", "Many thanks,", "Regards,"),
    "de": ("Mit freundlichen Grüßen", "Viele Grüße", "Freundliche Grüsse"),
    "fr": ("Cordialement,", "Bien à vous,", "Bonne journée,"),
}
OUTLOOK_LABELS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De", "Envoyé", "À", "Objet"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A mail as its writer left it, for the next one to quote: text and HTML in full, and who wrote it when to whom."""

    plain: str
    html: str
    author: Person
    address: str
    to: str
    when: datetime
    subject: str


def reply_subject(client: str, language: str, subject: str) -> str:
    """Return the subject with the prefix this program would add, once."""
    if re.match(r"(?i)(re|aw|sv|tr)\s?:", subject):
        return subject
    prefix = "Re" if client != "outlook" else {"de": "AW", "fr": "RE"}.get(language, "RE")
    return f"{prefix}: {subject}"


def attribution(client: str, language: str, before: Written) -> str:
    """Return the line that introduces a quotation; Outlook's block of four lines where that is the program."""
    when, name = before.when, before.author.name
    day, month = WEEKDAYS[language][when.weekday()], MONTHS[language][when.month - 1]
    if client == "outlook":
        sent = (
            f"{day}, {when.day}. {month} {when:%Y %H:%M}"
            if language == "de"
            else (f"{day} {when.day} {month} {when:%Y %H:%M}")
        )
        values = (f"{name} <{normal(before.address)}>", sent, before.to, before.subject)
        return "\n".join(f"{label}: {value}" for label, value in zip(OUTLOOK_LABELS[language], values, strict=True))
    if language == "de":
        return f"Am {when:%d.%m.%y} um {when:%H:%M} schrieb {name}:"
    if language == "fr":
        return f"Le {day} {when.day} {month} {when:%Y} à {when:%H:%M}, {name} <{normal(before.address)}> a écrit :"
    if client == "apple":
        return f"> On {when.day} {month} {when:%Y}, at {when:%H:%M}, {name} <{normal(before.address)}> wrote:"
    return f"On {day}, {month} {when.day}, {when:%Y} at {when:%H:%M} {name} <{normal(before.address)}> wrote:"


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a script's text: its line breaks are joined, except in lists and tables."""
    found = [block.strip("\n") for block in re.split(r"\n\s*\n", text.strip())]
    keep = re.compile(r"^(- |\* |\d+\. |\| |  )", re.MULTILINE)
    return [block if keep.search(block) else " ".join(block.split()) for block in found]


def wrap(blocks: list[str], width: int, *, flowed: bool = False) -> str:
    """Return paragraphs wrapped at ``width`` columns, with soft breaks and space-stuffing (RFC 3676) when flowed."""
    out: list[str] = []
    for block in blocks:
        for line in block.split("\n"):
            if line == "-- ":  # the space is part of the signature separator and must survive the wrapping
                out.append(line)
                continue
            rows = textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
            stuffed = [" " + row if flowed and row.startswith((">", " ", "From ")) else row for row in rows]
            out += [row + " " for row in stuffed[:-1]] + stuffed[-1:] if flowed else rows
        out.append("")
    return "\n".join(out)


def quote_lines(text: str) -> str:
    """Return the text with "> " before each line, ">" alone where the line is quoted already or empty."""
    return "".join((">" if not line or line.startswith(">") else "> ") + line + "\n" for line in text.split("\n")[:-1])


def signature(person: Person, client: str, numbers: Random) -> list[str]:
    """Return closing and signature as paragraphs; "-- " comes from the programs that write it (RFC 3676, 4.3)."""
    if client == "mobile":
        return [person.name.partition(" ")[0] if person.name.isascii() else person.name, "Sent from my phone"]
    closing = numbers.choice(CLOSINGS[person.language])
    lines = "\n".join(person.signature)
    if not lines:
        return [f"{closing}\n{person.name}"]
    if client in {"thunderbird", "webmail"}:
        return [f"{closing}\n{person.name}", f"-- \n{person.name}\n{lines}"]
    return [f"{closing}\n{person.name}\n{lines}"]


def html_body(client: str, blocks: list[str], tail: str = "") -> str:
    """Return the inner HTML as the program writes it, ``tail`` (a quotation or an image) after the text."""
    cells = ["<br>\n".join(html.escape(line, quote=False) for line in block.split("\n")) for block in blocks]
    if client == "outlook":
        inner = "".join(f"<p class=MsoNormal><span lang=EN-GB>{cell}<o:p></o:p></span></p>\n" for cell in cells)
        return f"<div class=WordSection1>\n{inner}{tail}</div>\n"
    if client == "gmail":
        return (
            '<div dir="ltr">' + "<div><br></div>\n".join(f"<div>{cell}</div>\n" for cell in cells) + f"</div>{tail}\n"
        )
    return "".join(f"<div>{cell}</div><div><br></div>\n" for cell in cells) + tail


def html_quote(client: str, language: str, before: Written) -> str:
    """Return the quoted mail as HTML."""
    line = html.escape(attribution(client, language, before).removeprefix("> "), quote=False).replace("\n", "<br>\n")
    if client == "outlook":
        return (
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">\n'
            f"<p class=MsoNormal>{line}</p></div>\n{before.html}"
        )
    if client == "gmail":
        return (
            f'<br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">{line}<br></div>\n<blockquote '
            'class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204)">\n'
            f"{before.html}</blockquote></div>\n"
        )
    return f'<div><br><blockquote type="cite"><div>{line}</div><br>\n{before.html}</blockquote></div>\n'


def html_page(client: str, inner: str) -> str:
    """Return a whole HTML document as the program writes it."""
    if client == "outlook":
        return (
            '<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns="http://www.w3.org/TR/REC-html40">\n<head>\n'
            '<meta name=Generator content="Word 15 (filtered medium)">\n<style><!--\n'
            'p.MsoNormal, li.MsoNormal {margin:0cm; font-size:11.0pt; font-family:"Calibri",sans-serif;}\n'
            "a:link {color:#0563C1; text-decoration:underline;}\n--></style>\n</head>\n"
            f'<body lang=EN-GB link="#0563C1" style="word-wrap:break-word">\n{inner}</body>\n</html>\n'
        )
    if client == "gmail":
        return inner
    return f'<html><head></head><body style="overflow-wrap: break-word; line-break: after-white-space;">{inner}</body></html>\n'


def program_headers(client: str, numbers: Random) -> Headers:
    """Return the headers that identify the mail program."""
    if client == "outlook":
        topic = numbers.randbytes(16).hex()
        return [
            ("X-Mailer", "Microsoft Outlook 16.0"),
            ("Thread-Index", f"Ad{topic[:26]}=="),
            ("X-MS-Has-Attach", ""),
            ("Content-Language", "en-GB"),
        ]
    if client == "thunderbird":
        return [("User-Agent", "Mozilla Thunderbird"), ("Content-Language", "en-US")]
    if client == "apple":
        return [("X-Mailer", "Apple Mail (2.3774.600.62)")]
    if client == "webmail":
        return [
            ("X-Mailer", "Horde Application Framework 5"),
            ("X-Originating-IP", f"[192.0.2.{numbers.randrange(1, 250)}]"),
        ]
    return []


def message_id(client: str, address: str, numbers: Random) -> str:
    """Return a Message-ID in the program's usual form."""
    domain = normal(address).partition("@")[2]
    token = numbers.randbytes(16).hex()
    if client == "gmail":
        return f"<CA+{token[:24]}={token[24:30]}@mail.{domain}>"
    if client == "outlook":
        return f"<DB7PR04MB{token[:22].upper()}@DB7PR04MB{token[:4].upper()}.prod.{domain}>"
    if client == "webmail":
        return f"<{int(token[:8], 16)}.{int(token[8:12], 16)}@webmail.{domain}>"
    uuid = "-".join((token[:8], token[8:12], token[12:16], token[16:20], token[20:]))
    return f"<{uuid.upper() if client == 'apple' else uuid}@{domain}>"
