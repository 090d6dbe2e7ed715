"""The corpus of real mail next to the repository, if it exists, and what other parsers are recorded to say about it."""

from __future__ import annotations

import base64
import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("LEADMAIL_SHARED") or Path(__file__).resolve().parents[3] / "shared")
"""Collections of mail that others wrote, which are no part of the project: ``LEADMAIL_SHARED`` says where, if not beside it."""
CORPUS = SHARED / "corpus"
MANIFEST = CORPUS / "MANIFEST.tsv"


@dataclass(frozen=True)
class ListedFile:
    """An attachment as another parser lists it; None is what it does not say."""

    name: str
    media_type: str | None = None
    size: int | None = None


@dataclass
class Expected:
    """The result of another parser; None where it has none."""

    path: Path
    subject: str | None = None
    senders: list[str] | None = None
    recipients: list[str] | None = None
    text: str | None = None
    files: list[ListedFile] | None = None
    number_of_files: int | None = None
    """How many attachments, of a parser that tells only that."""
    first_only: tuple[str, ...] = ()
    """Fields of which it names only the first address."""
    nested: bool = False
    """It counts the text and the files of attached mail."""
    named_only: bool = False
    """It tells only files that have names."""

    @property
    def unread(self) -> bool:
        """Whether the parser gave up on the header: it has neither a subject nor an address."""
        return not (self.subject or self.senders or self.recipients)


@cache
def _rows() -> list[dict[str, str]]:
    if not MANIFEST.is_file():
        return []
    with MANIFEST.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def mails() -> list[Path]:
    """Return the paths of all mails of the corpus; none if it does not exist."""
    return [CORPUS / row["path"] for row in _rows()]


def expectations(source: str, suffix: str) -> Iterator[tuple[Path, Any]]:
    """Yield the mails for which a source has a file of expectations, and what the file says."""
    for row in _rows():
        for name in row["expected"].split("|"):
            if name.startswith(source) and name.endswith(suffix):
                yield CORPUS / row["path"], json.loads((CORPUS / name).read_text("utf-8"))


def _stalwart_addresses(value: Any) -> list[dict[str, str]]:
    kinds = (value or {}).get("Address") or {}
    found = list(kinds.get("List") or ([kinds["Address"]] if "Address" in kinds else []))
    for group in kinds.get("Group") or []:
        found += group.get("addresses") or []
    return found


def stalwart() -> Iterator[Expected]:
    """Yield what stalwart's parser says."""
    for path, tree in expectations("stalwartlabs__mail-parser/expected/resources", ".json"):
        parts = tree["parts"]
        headers: dict[str, Any] = {}
        for header in parts[0]["headers"]:
            if isinstance(header["name"], str):
                headers[header["name"]] = header["value"]
        people = {name: _stalwart_addresses(headers.get(name)) for name in ("from", "to")}
        bodies = [parts[number]["body"] for number in tree["text_body"]]
        readable = all("Text" in body for body in bodies)
        subject = headers.get("subject")
        yield Expected(
            path,
            subject=(subject.get("Text") or "") if isinstance(subject, dict) else "",
            senders=[person["address"] for person in people["from"] if person.get("address")],
            recipients=[person["address"] for person in people["to"] if person.get("address")],
            text="\n".join(body["Text"] for body in bodies) if readable else None,
            files=[_stalwart_file(parts[number]) for number in tree["attachments"]],
        )


def _stalwart_file(part: dict[str, Any]) -> ListedFile:
    names, media_type = {}, None
    for header in part["headers"]:
        content = (header["value"].get("ContentType") if isinstance(header["value"], dict) else None) or {}
        for attribute in content.get("attributes") or []:
            names[header["name"], attribute["name"]] = attribute["value"]
        if header["name"] == "content_type" and content.get("c_subtype"):
            media_type = f"{content['c_type']}/{content['c_subtype']}".lower()
    name = names.get(("content_disposition", "filename")) or names.get(("content_type", "name")) or ""
    octets = part["body"].get("Binary") or part["body"].get("InlineBinary")
    return ListedFile(name, media_type, None if octets is None else len(octets))


def imap_tools() -> Iterator[Expected]:
    """Yield what imap_tools says; it has no plain text of a mail that is only in HTML."""
    for path, mail in expectations("ikvk__imap_tools", ".imap_tools.json"):
        yield Expected(
            path,
            subject=mail["subject"],
            senders=[mail["from_"]] if mail["from_"] else [],
            recipients=list(mail["to"]),
            text=None if mail["html"] and not mail["text"] else mail["text"],
            files=[
                ListedFile(each["filename"], each["content_type"] or None, len(base64.b64decode(_octets(each))))
                for each in mail["attachments"]
            ],
            first_only=("senders",),
            nested=True,
        )


def _octets(attachment: dict[str, Any]) -> str:
    encoded: str = attachment["payload"]["__bytes_b64__"]
    return encoded


def zbateson() -> Iterator[Expected]:
    """Yield what zbateson's parser says."""
    bodies = CORPUS / "zbateson__mail-mime-parser" / "expected" / "_reference_bodies"
    seen = set()
    for path, mail in expectations("", ".zbateson.json"):
        if path in seen:
            continue
        seen.add(path)
        sender, recipient = mail.get("From"), mail.get("To")
        text = mail.get("text")
        body = bodies / text if isinstance(text, str) else None
        yield Expected(
            path,
            subject=mail.get("Subject"),
            senders=[sender["email"]] if isinstance(sender, dict) else None,
            recipients=[recipient["email"]] if isinstance(recipient, dict) else None,
            text=body.read_text("latin-1") if body is not None and body.is_file() else None,
            number_of_files=mail["attachments"] if isinstance(mail.get("attachments"), int) else None,
            first_only=("senders", "recipients"),
        )
