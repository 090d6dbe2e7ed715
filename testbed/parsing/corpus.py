"""The corpus of real mail next to the repository, if it exists, and what other parsers say about it."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHARED = Path(os.environ.get("LEADMAIL_SHARED") or Path(__file__).resolve().parents[3] / "shared")
"""Collections of mail that others wrote, which are no part of the project: ``LEADMAIL_SHARED`` says where, if not beside it."""
CORPUS = SHARED / "corpus"
MANIFEST = CORPUS / "MANIFEST.tsv"


@dataclass
class Expected:
    """The result of another parser; None where it has none."""

    path: Path
    subject: str | None = None
    senders: list[str] | None = None
    recipients: list[str] | None = None
    text: str | None = None
    attachments: list[str] | None = None


def mails() -> list[Path]:
    """Return the paths of all mails of the corpus; none if it does not exist."""
    if not MANIFEST.is_file():
        return []
    with MANIFEST.open(encoding="utf-8", newline="") as lines:
        return [CORPUS / row["path"] for row in csv.DictReader(lines, delimiter="\t")]


def _expectations(source: str, suffix: str) -> Iterator[tuple[Path, Any]]:
    with MANIFEST.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
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
    for path, tree in _expectations("stalwartlabs__mail-parser/expected/resources", ".json"):
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
            attachments=[_stalwart_name(parts[number]) for number in tree["attachments"]],
        )


def _stalwart_name(part: dict[str, Any]) -> str:
    names = {}
    for header in part["headers"]:
        content = header["value"].get("ContentType") if isinstance(header["value"], dict) else None
        for attribute in (content or {}).get("attributes") or []:
            names[header["name"], attribute["name"]] = attribute["value"]
    return names.get(("content_disposition", "filename")) or names.get(("content_type", "name")) or ""


def imap_tools() -> Iterator[Expected]:
    """Yield what imap_tools says."""
    for path, mail in _expectations("ikvk__imap_tools", ".imap_tools.json"):
        yield Expected(
            path,
            subject=mail["subject"],
            senders=[mail["from_"]],
            recipients=list(mail["to"]),
            text=mail["text"],
            attachments=[attachment["filename"] for attachment in mail["attachments"]],
        )


def zbateson() -> Iterator[Expected]:
    """Yield what zbateson's parser says."""
    bodies = CORPUS / "zbateson__mail-mime-parser" / "expected" / "_reference_bodies"
    seen = set()
    for path, mail in _expectations("", ".zbateson.json"):
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
        )


def bounces() -> Iterator[tuple[Path, list[str]]]:
    """Yield what flufl.bounce says: the addresses that could not be reached for good."""
    for path, detected in _expectations("flufl.bounce", ".json"):
        lost = [address.lower() for each in detected for address in each["addresses"] if not each["temporary"]]
        yield path, lost


def sisimai() -> Iterator[Path]:
    """Yield mails that sisimai takes for bounces: neither feedback reports nor vacation notices."""
    for path, detected in _expectations("sisimai", ".json"):
        if detected and not {each["reason"] for each in detected} & {"feedback", "vacation"}:
            yield path
