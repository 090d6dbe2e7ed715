"""Parses raw mail into its content, as a pure function."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from schemas.header import answered_id, own_id
from schemas.identity import RECIPE, email_key, thread_id
from schemas.mail import Attachment, Classification, Content, Participant, Role
from schemas.raw_mail import split_raw
from services.parser.bounces.recognition import Bounce, read_bounce
from services.parser.content import addresses, classification, dates, message_ids
from services.parser.content.attached_mail import attached_text
from services.parser.content.attachments import collect_attachments
from services.parser.content.body_selection import Selection, select
from services.parser.content.body_text import html_of, text_of
from services.parser.content.embedded_files import take_embedded_files
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import Fields, decoded, first, one_line
from services.parser.mime.structure import read_structure
from services.parser.reply.text import read_reply, start_of
from services.parser.wrappers.notes import notes_of
from services.parser.wrappers.opening import UNVERIFIED, open_wrappers


class ParsedMail(NamedTuple):
    """What came out of one mail."""

    content: Content
    bcc: tuple[str, ...]
    """Normal addresses of this copy's Bcc field."""
    former_key: str
    """The email's key by the recipe before."""
    head: str
    """SHA-256 of the header block in hex."""
    blobs: dict[str, bytes]
    """Header block, attachments and long HTML by SHA-256 in hex; the body is not among them (``content.raw`` is its hash)."""


def _leaf_digests(selection: Selection, contents: dict[int, bytes]) -> list[bytes]:
    """Return the digests that make the email key: of what the leaves say, however they were encoded on the way.

    Text is hashed with LF line ends and without white space at its end, which servers and encodings change.
    """
    digests = []
    for leaf in selection.leaves:
        content = contents[id(leaf)]
        if leaf.media_type.startswith(("text/", "message/")):
            content = content.replace(b"\r\n", b"\n").rstrip()
        digests.append(hashlib.sha256(content).digest())
    return digests


def _shown(
    people: Iterable[Participant],
    answered: tuple[str | None, tuple[str, ...]],
    selection: Selection,
    attachments: Iterable[Attachment],
    marks: Classification,
) -> bytes:
    """Return what else a reader is shown of a mail, for its key: whatever does not follow from the rest of the key.

    Not ``truncated`` and ``defects``: how a copy was encoded on its way makes no other mail of it.
    """
    uses = [{id(leaf) for leaf in leaves} for leaves in (selection.text, selection.html, selection.attachments)]
    facts = (
        [(one.role, one.address, one.name) for one in people],
        answered,
        [
            (
                leaf.media_type,
                *(leaf.parameters.get(name, "") for name in ("format", "delsp")),
                *(id(leaf) in use for use in uses),
            )
            for leaf in selection.leaves
        ],
        [(one.name, one.media_type, one.content_id, one.inline) for one in attachments],
        (marks.auto_reply, marks.auto_generated, marks.mailing_list, marks.ambiguous_from, marks.bounce, marks.bounced),
    )
    return json.dumps(facts).encode()


def _text_field(fields: Fields, name: str, diagnostics: Diagnostics, hint: str | None) -> str:
    value = first(fields, name)
    return decoded(value, diagnostics, hint) if value else ""


def _charset_hint(selection: Selection) -> str | None:
    """Return the charset of the first text: what header bytes that are no UTF-8 were probably written in."""
    return next(
        (leaf.parameters["charset"] for leaf in selection.text + selection.html if "charset" in leaf.parameters), None
    )


def parse_mail(raw: bytes, *, account: str, internal_date: datetime, careful: bool = False) -> ParsedMail:
    """Return what a mail says. Never raises for what is in the mail; ``Content.marks`` says what was cut or repaired.

    The account's id makes the key of a mail without Message-ID. ``careful`` skips steps that took too long before.
    """
    diagnostics = Diagnostics(careful=careful)
    root = read_structure(raw, diagnostics)
    sent = select(root)
    contents = {id(leaf): leaf.content(diagnostics) for leaf in sent.leaves}
    opened = open_wrappers(root, diagnostics)
    selection = sent if opened is root else select(opened)
    contents |= {id(leaf): leaf.content(diagnostics) for leaf in selection.leaves if id(leaf) not in contents}
    fields, hint = root.fields, _charset_hint(selection)

    people = addresses.participants(fields, diagnostics, hint)
    senders = addresses.in_role(people, Role.FROM)
    whole_subject = one_line(
        unicodedata.normalize("NFC", _text_field(fields, "subject", diagnostics, hint)), limits.HEADER_VALUE
    )
    subject = whole_subject[: limits.SUBJECT]
    date = dates.parse_date(_text_field(fields, "date", diagnostics, hint), diagnostics)
    message_id = own_id(_text_field(fields, "message-id", diagnostics, hint))
    in_reply_to = answered_id(_text_field(fields, "in-reply-to", diagnostics, hint))
    references, thinned = message_ids.references(_text_field(fields, "references", diagnostics, hint))
    shown = contents | take_embedded_files(selection, contents)
    text, html = text_of(selection, shown, diagnostics), html_of(selection, shown, diagnostics)
    reply = read_reply(text)
    notes = "\n\n".join(notes_of(selection.leaves, contents, text, careful=careful))
    header_block, body = split_raw(raw)
    blobs = {(head := hashlib.sha256(header_block).hexdigest()): header_block}
    html_blob = None
    if html is not None and len(html) * 4 > limits.HTML_BYTES and len(data := html.encode()) > limits.HTML_BYTES:
        html, html_blob = None, hashlib.sha256(data).hexdigest()
        blobs[html_blob] = data
    attachments = collect_attachments(selection, contents, html or "", blobs, diagnostics)
    bounce = read_bounce(
        root, selection.leaves, people=people, subject=subject, text=text, own_id=message_id, diagnostics=diagnostics
    )
    says = bounce or Bounce()
    attached = "" if notes or bounce else attached_text(selection, contents, careful=careful)
    auto_reply = classification.is_auto_reply(fields, subject)
    marks = Classification(
        auto_reply=auto_reply,
        auto_generated=not auto_reply and classification.is_auto_generated(fields),
        bounce=bounce is not None,
        bounced=says.addresses,
        bounce_kind=says.kind,
        bounce_status=says.status,
        bounce_reason=says.reason,
        bounced_id=says.message_id,
        mailing_list=classification.is_mailing_list(fields),
        ambiguous_from=classification.is_ambiguous(fields, len(senders)),
        signed=root.media_type == "multipart/signed" or UNVERIFIED in diagnostics.defects,
        truncated=diagnostics.truncated or thinned or len(whole_subject) > limits.SUBJECT,
        defects=diagnostics.defects,
    )
    keyed = partial(
        email_key,
        message_id=message_id,
        date=date,
        senders=senders,
        to=addresses.in_role(people, Role.TO),
        cc=addresses.in_role(people, Role.CC),
        subject=subject,
        leaves=_leaf_digests(sent, contents),
        account=account,
        shown=_shown(people, (in_reply_to, references), sent, attachments, marks),
    )
    key, former_key = keyed(), keyed(recipe=RECIPE - 1)
    answered, above = says.answered(in_reply_to, references)
    content = Content(
        key=key,
        message_id=message_id,
        in_reply_to=answered,
        references=above,
        thread=thread_id(message_id=message_id, in_reply_to=answered, references=above, key=key),
        subject=subject,
        date=date,
        sent_at=_sent_at(date, internal_date),
        participants=addresses.with_failed(people, says.named),
        text=_joined(text, notes),
        reply_text=_joined(reply.text, notes),
        snippet=reply.snippet if not (notes or attached) else start_of(reply.text, notes, attached),
        html=html,
        html_blob=html_blob,
        attachments=attachments,
        raw=hashlib.sha256(body).hexdigest(),
        marks=marks,
    )
    bcc = dict.fromkeys((*addresses.bcc(fields, diagnostics, hint), *sorted(says.hidden)))
    return ParsedMail(content, tuple(bcc), former_key, head, blobs)


def _joined(text: str, notes: str) -> str:
    return "\n\n".join(filter(None, (text, notes)))


def _sent_at(date: datetime | None, internal_date: datetime) -> datetime:
    believed = date if date is not None and dates.believable(date, internal_date) else internal_date
    return believed.astimezone(UTC)
