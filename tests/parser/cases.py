"""What is right for each mail of the collection of cases, next to the repository: mails that were once read wrongly."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.mail import Role
from services.parser.content.parse import parse_mail
from testbed.parsing.corpus import SHARED
from tests.parser.samples import ACCOUNT

CASES = SHARED / "cases"
FILES = sorted(str(path.relative_to(CASES)) for path in CASES.glob("*/**/*.eml"))
RECEIVED = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)


class Has:
    """Equals a text or a list with every one of some words in it."""

    def __init__(self, *words: str) -> None:
        self._words = words

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str | list) and all(word in other for word in self._words)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._words}"

    __hash__ = None  # type: ignore[assignment]


class Lacks(Has):
    """Equals a text or a list with none of some words in it."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str | list) and not any(word in other for word in self._words)

    __hash__ = None


def facts(path: Path) -> dict[str, Any]:
    """Return what is compared of a mail."""
    found = parse_mail(path.read_bytes(), account=ACCOUNT, internal_date=RECEIVED).content
    people = {
        role.value: [person.address for person in found.participants if person.role is role]
        for role in (Role.FROM, Role.SENDER, Role.REPLY_TO, Role.TO, Role.CC)
    }
    return {
        **people,
        "people": [person.address for person in found.participants],
        "subject": found.subject,
        "date": found.date,
        "text": found.text.strip(),
        "reply": found.reply_text,
        "snippet": found.snippet,
        "html": found.html,
        "attachments": [each.name for each in found.attachments],
        "marks": found.marks.model_dump_json(),
        **found.marks.model_dump(),
    }


LANGUAGES = (
    *("cs", "de", "el", "en", "es", "fi", "fr", "hu", "it", "ja"),
    *("nl", "no", "pl", "pt", "ro", "ru", "sv", "tr", "uk"),
)
EVA, TOM, KIM, LOU, ANNA, MAX = (
    *("eva@vendor.example", "tom@buyer.example", "kim@client.example", "moved@law.example"),
    *("anna@firm.example", "max@y.example"),
)
OFFER = {"from": [EVA], "to": [TOM], "subject": "Offer 17"}
NINE = datetime(2024, 3, 4, 9, tzinfo=UTC)
INVITATION = Has("Contract meeting", "2024", "09:00", "UTC", "Room 5")
KICK_OFF = Has("Kick-off with Client Ltd", "2026", "09:00", "UTC", "Room 4", "kim@client.example")

PARSING: dict[str, dict[str, Any]] = {
    "utf8-one-bad-byte": {"text": Has("Grüße aus Köln, der Preis ist 900 €.")},
    "latin1-declared-overridden": {"text": "Test: ÄÖÜßäöü", "defects": ()},
    "undeclared-short-latin1": {"subject": "Für Sie"},
    "qp-spaces-quadratic": OFFER,
    "bounce-newlines-quadratic": {"bounce": True},
    "reply-thanks-line": {"reply": "Hi Eva,\n\nThanks, we got it.\nWe want 40 units."},
    "reply-thank-you-line": {"reply": Has("We want to order 40 units. Ship to Berlin.")},
    "reply-gracias-line": {"reply": Has("Queremos 40 unidades.")},
    "reply-inline-after-quote": {"reply": Has("Yes, 40 units.")},
    "reply-forward-without-words": {"reply": Has("Please send 40 units."), "snippet": Has("Please send 40 units.")},
    "reply-japanese-body": {"reply": Has("2024年度の予算が決まりました。", "田中さん:", "場所は本社です。")},
    "reply-mobile-signature-de": {"reply": "Das Angebot passt."},
    "reply-outlook-japanese": {"reply": "提案は問題ありません。"},
    "related-image-first": {"text": "order 40", "attachments": ["a.png"]},
    "related-image-first-no-start": {"text": "body", "attachments": ["attachment-1.png"]},
    "address-two-dots-in-list": {"to": ["o@client.example", "p..q@client.example"]},
    "address-trailing-dot-in-list": {"to": ["o@client.example", "one.@docomo.example"]},
    "address-missing-bracket": OFFER,
    "address-mailto": OFFER,
    "date-colon-zone": {"date": NINE},
    "date-cet": {"date": NINE},
    "date-fraction": {"date": NINE},
    "header-two-unfolded-lines": {**OFFER, "text": "hi", "date": NINE},
    "bounce-message-id-as-address": {"bounced": ("lost@gone.example",)},
    "bounce-mailbox-full": {"bounced": ("full@gone.example",), "marks": Has("5.2.2")},
    "bounce-forwarded-by-person": {"bounce": False, "bounced": ()},
    "calendar-only": {"text": INVITATION, "snippet": Has("Contract meeting")},
    "forward-as-attachment-only": {"snippet": Has("Please send 40 units.")},
    "uuencode-in-text": {"text": "See the file.", "attachments": ["hello.txt"]},
    "pgp-clear-signed": {"reply": "The order stands."},
    "smime-opaque-signed": {"attachments": ["smime.p7m"]},  # only the shape: there is no mail inside
    "auto-reply-turkish-subject": {"auto_reply": True},
}
REPORTS: dict[str, dict[str, Any]] = {
    **{f"01-thread-in-reply-to-only/{name}": {"subject": Has("Offer")} for name in "abc"},  # threads are the pages'
    "04-google-group-rewritten-from/reply-to-author": {"from": ["sales@firm.example"], "reply-to": [KIM]},
    "04-google-group-rewritten-from/to-group": {"from": ["sales@firm.example"], "people": Has(KIM)},
    "06-winmail-dat/mail": {"text": "The drawings are attached.", "attachments": ["drawing.pdf"]},
    "06-winmail-dat/only-tnef": {"text": "The drawings are attached.", "attachments": ["drawing.pdf"]},
    "07-danish-outlook-fra/da": {"reply": Has("Vi tager tilbuddet."), "snippet": Lacks("Her er")},
    **{f"07-danish-outlook-fra/{language}": {"reply": f"NEWTEXT {language}."} for language in LANGUAGES},
    "10-separators-in-own-text/best": {"reply": Has("We compared", "Best price", "Can you confirm?")},
    "10-separators-in-own-text/code": {"reply": Has("# do not delete", "run all", "-----", "run more")},
    "10-separators-in-own-text/dashes": {"reply": Has("Option A", "Option B", "Option C", "by Monday.")},
    "10-separators-in-own-text/from-line": {"reply": Has("From: Berlin", "To: Hamburg", "Please book two seats.")},
    "10-separators-in-own-text/regards": {"reply": Has("Regards the contract", "Clause 7: payment within 60 days.")},
    "10-separators-in-own-text/thanks": {"reply": Has("Thanks,", "I have the papers now.", "when do we start?")},
    "10-separators-in-own-text/underscores": {"reply": Has("Please fill in:", "Name and date", "by Friday.")},
    "10-separators-in-own-text/wrote": {"reply": Has("as I wrote:", "today at 4 pm.")},
    **{
        f"18-addresses/{name}": {"from": [KIM]}
        for name in (
            *("address-in-quotes", "colon-name", "comma-encoded", "comma-unquoted", "comment", "double-angle", "emoji"),
            *("encoded-b-whole", "fullwidth-at", "mailto", "nbsp", "paren-open", "quoted-single", "raw8"),
            *("trailing-dot", "two-angles", "upper", "whole-in-encoded-word"),
        )
    },
    "18-addresses/apostrophe": {"from": ["o'kim@client.example"]},
    "18-addresses/at-in-name": {"from": ["noreply@relay.example"], "people": Lacks(KIM)},
    "18-addresses/colon-name2": {"from": [KIM, "lou@law.example"]},
    "18-addresses/dot-before-at": {"from": ["kim.@client.example"]},
    "18-addresses/group": {"from": [KIM, "lou@law.example"]},
    "18-addresses/long-local": {"from": ["r" * 80 + "@client.example"]},
    "18-addresses/quoted-local": {"from": ["kim.@client.example"]},
    "18-addresses/semicolon": {"from": [KIM, "lou@law.example"]},
    "19-calendar-only/alternative": {"text": Has("You are invited."), "snippet": Has("Kick-off with Client Ltd")},
    "19-calendar-only/only": {"text": KICK_OFF, "snippet": Has("Kick-off with Client Ltd")},
    "21-related-start/mail": {"text": "The text stands second.", "html": Has("<img"), "attachments": ["logo.png"]},
    **{
        f"23-copies-that-differ/{name}": {"text": Has("Dear")}  # one line for them is the pages'
        for name in ("by-list", "external-banner", "external-plain", "sent")
    },
    "24-bounce/exim": {"bounce": True, "bounced": (KIM,), "marks": Has("User unknown")},
    "24-bounce/gmail": {
        "bounce": True,
        "bounced": (KIM,),
        "marks": Has("5.1.1", "User unknown", "sent24@firm.example"),
    },
    "24-bounce/postfix": {"bounce": True, "bounced": (KIM,), "marks": Has("5.1.1", "sent24@firm.example")},
    "24-bounce/sent": {"bounce": False, "bounced": ()},
    "25-forwarded/fwd-only": {"snippet": Has("What does the large one cost?"), "reply": Has("What does")},
    "25-forwarded/fwd": {"snippet": Has("Anna, can you answer him?")},
    "26-amp-alternative/mail": {"text": "Plain text.", "html": Has("<p>HTML text."), "attachments": []},
    **{
        f"29-templates-outbox-drafts/{path.stem}": {"from": [ANNA]}  # folders are the poller's
        for path in CASES.glob("reports/29-*/*.eml")
    },
    "34-direction/third-party": {"from": ["lou9@law.example"], "cc": [ANNA]},  # the direction is the pages'
    "34-direction/web-form": {"from": ["no-reply@forms.example"], "reply-to": [KIM]},
    "35-recipient-lists/1": {"to": ["foo..bar@docomo.example", KIM, LOU]},
    "35-recipient-lists/2": {"to": [KIM, LOU, "x@y.example"]},
    "35-recipient-lists/3": {"to": [KIM, MAX, LOU]},
    "35-recipient-lists/4": {"to": [KIM, MAX, LOU]},
    "35-recipient-lists/5": {"to": [KIM, MAX, LOU]},
    "35-recipient-lists/6": {"to": [KIM, LOU]},
    "35-recipient-lists/7": {"to": [KIM, MAX, LOU]},
    "35-recipient-lists/8": {"to": [KIM, MAX, LOU]},
    "35-recipient-lists/9": {"to": [KIM, LOU]},
}
RIGHT = {f"parsing/{name}.eml": facts for name, facts in PARSING.items()}
RIGHT |= {f"reports/{name}.eml": facts for name, facts in REPORTS.items()}
