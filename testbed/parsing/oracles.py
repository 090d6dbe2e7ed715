"""Other parsers that are run on the corpus: the standard library, mail-parser, fast-mail-parser, and postal-mime where it is."""

from __future__ import annotations

import email.policy
import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from email.message import EmailMessage, Message
from pathlib import Path
from typing import Any

import fast_mail_parser
import mailparser

from testbed.parsing.corpus import Expected, ListedFile

_POSTAL_MIME = """
const PostalMime = require('postal-mime').default || require('postal-mime');
const fs = require('fs');
(async () => {
  for (const path of fs.readFileSync(0, 'utf8').split('\\n').filter(Boolean)) {
    let mail = {};
    try { mail = await PostalMime.parse(fs.readFileSync(path)); } catch (error) { mail = {error: String(error)}; }
    const addresses = list => (list || []).flatMap(each => each.group ? each.group : [each]).map(each => each.address);
    console.log(JSON.stringify({
      error: mail.error, subject: mail.subject || '', text: mail.text ?? null, html: !!mail.html,
      senders: addresses(mail.from ? [mail.from] : []), recipients: addresses(mail.to),
      files: (mail.attachments || []).map(each => [each.filename || '', each.mimeType, each.content.byteLength]),
    }));
  }
})();
"""
Oracle = Callable[[Iterable[Path]], Iterator[Expected | Exception]]


def _each(read: Callable[[Path], Expected]) -> Oracle:
    def run(paths: Iterable[Path]) -> Iterator[Expected | Exception]:
        for path in paths:
            try:
                yield read(path)
            except Exception as error:  # noqa: BLE001 - that it raises is what is reported
                yield error

    return run


def _standard_library(path: Path) -> Expected:
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    body = mail.get_body(("plain",))
    people = {name: getattr(mail[name], "addresses", ()) if mail[name] else () for name in ("from", "to")}
    return Expected(
        path,
        subject=str(mail["subject"] or ""),
        senders=[each.addr_spec for each in people["from"]],
        recipients=[each.addr_spec for each in people["to"]],
        text=str(body.get_content()) if body is not None else None,
        files=[_file(part) for part in _leaves(mail) if part.get_filename()],
        named_only=True,
    )


def _leaves(mail: Message) -> Iterator[Message]:
    if mail.get_content_maintype() == "multipart" and mail.is_multipart():
        for part in mail.get_payload():
            assert isinstance(part, Message)
            yield from _leaves(part)
    else:
        yield mail


def _file(part: Message) -> ListedFile:
    octets = part.get_payload(decode=True)
    return ListedFile(
        part.get_filename() or "", part.get_content_type(), len(octets) if isinstance(octets, bytes) else None
    )


def _mail_parser(path: Path) -> Expected:
    mail = mailparser.parse_from_bytes(path.read_bytes())
    subject = mail.subject
    return Expected(
        path,
        subject=str(subject[0] if isinstance(subject, list) and subject else subject or ""),
        senders=[address for _, address in mail.from_],
        recipients=[address for _, address in mail.to],
        text="\n".join(mail.text_plain) or None,
        files=[ListedFile(each["filename"], each["mail_content_type"]) for each in mail.attachments],
        nested=True,
    )


def _fast_mail_parser(path: Path) -> Expected:
    mail = fast_mail_parser.parse_email(path.read_bytes())
    return Expected(
        path,
        subject=mail.subject,
        senders=[mail.from_.address] if mail.from_ else [],
        recipients=[each.address for each in mail.to],
        text="\n".join(mail.text_plain) or None,
        files=[ListedFile(each.filename, each.mimetype, len(each.content)) for each in mail.attachments],
        first_only=("senders",),
        nested=True,
    )


def _postal_mime(paths: Iterable[Path]) -> Iterator[Expected | Exception]:
    asked = list(paths)
    lines = _node(_POSTAL_MIME, "\n".join(map(str, asked))).strip().split("\n")
    for path, line in zip(asked, lines, strict=True):
        mail: dict[str, Any] = json.loads(line)
        if mail.get("error"):
            yield ValueError(mail["error"])
            continue
        yield Expected(
            path,
            subject=mail["subject"],
            senders=[each for each in mail["senders"] if each],
            recipients=[each for each in mail["recipients"] if each],
            text=None if mail["html"] and not mail["text"] else mail["text"],
            files=[ListedFile(*each) for each in mail["files"]],
            first_only=("senders",),
            nested=True,
        )


def _node(script: str, text: str) -> str:
    node = shutil.which("node") or "node"
    return subprocess.run([node, "-e", script], input=text, capture_output=True, check=True, text=True).stdout


def _has_postal_mime() -> bool:
    try:
        return _node("require('postal-mime')", "") == ""
    except (OSError, subprocess.CalledProcessError):
        return False


def oracles() -> tuple[dict[str, Oracle], list[str]]:
    """Return the parsers that can be run, and what is left out, with the reason."""
    found = {
        "standard library": _each(_standard_library),
        "mail-parser": _each(_mail_parser),
        "fast-mail-parser": _each(_fast_mail_parser),
    }
    if _has_postal_mime():
        return {**found, "postal-mime": _postal_mime}, []
    return found, ["postal-mime: node does not find it; NODE_PATH says where it is installed"]
