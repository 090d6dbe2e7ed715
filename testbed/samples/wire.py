"""Putting a mail on the wire by hand: headers, parts, encodings, so that every byte is ours and reproducible."""

import base64
import binascii
import re
from collections.abc import Iterable
from email.header import Header
from email.utils import quote
from urllib.parse import quote as percent

from testbed.samples.files import File
from testbed.samples.person import normal

CRLF = "\r\n"
Headers = list[tuple[str, str]]


def words(text: str, header: str, charset: str = "utf-8") -> str:
    """Return a header value folded at 76 columns, in encoded-words (RFC 2047) where it is not ASCII."""
    declared = "us-ascii" if text.isascii() else charset
    return Header(text, declared, maxlinelen=76, header_name=header).encode(linesep=CRLF)


def mailbox(name: str, address: str, charset: str = "utf-8") -> str:
    """Return one address of a header, the domain in A-labels, the name quoted or in encoded-words as needed."""
    local, _, domain = address.rpartition("@")
    spec = f"{local}@{normal('x@' + domain).partition('@')[2]}"
    if not name:
        return spec
    if not name.isascii():
        return f"{words(name, 'From', charset)} <{spec}>"
    if re.search(r"[^\w\s!#$%&'*+/=?^`{|}~-]", name):
        return f'"{quote(name)}" <{spec}>'
    return f"{name} <{spec}>"


def mailboxes(people: Iterable[tuple[str, str]], charset: str = "utf-8") -> str:
    """Return an address header's value, one (name, address) per line."""
    return ("," + CRLF + " ").join(mailbox(name, address, charset) for name, address in people)


def head(headers: Headers) -> bytes:
    """Return a header block without the empty line after it. Values that are raw UTF-8 (RFC 6532) stay so."""
    return "".join(f"{name}: {value}{CRLF}" for name, value in headers).encode("utf-8", "surrogateescape")


def encode(data: bytes, encoding: str) -> bytes:
    """Return a body in a Content-Transfer-Encoding (7bit, 8bit, quoted-printable, base64) with CRLF line ends."""
    if encoding == "base64":
        raw = base64.b64encode(data)
        return b"\r\n".join(raw[at : at + 76] for at in range(0, len(raw), 76)) + b"\r\n"
    unix = data.replace(b"\r\n", b"\n")
    if encoding == "quoted-printable":
        unix = binascii.b2a_qp(unix, istext=True)
    return unix.replace(b"\n", b"\r\n")


def text_part(
    text: str, subtype: str, codec: str, encoding: str, *, declared: str | None = "", more: str = ""
) -> bytes:
    """Return a text part.

    Args:
        text: lines end in a newline each.
        subtype: plain, html or calendar.
        codec: Python codec that makes the bytes.
        encoding: Content-Transfer-Encoding.
        declared: charset as declared; the codec's own name if empty, no charset at all if None.
        more: further parameters, such as ``; format=flowed``.
    """
    charset = "" if declared is None else f"; charset={declared or codec}"
    headers = [("Content-Type", f"text/{subtype}{charset}{more}"), ("Content-Transfer-Encoding", encoding)]
    newlines = text if encoding != "base64" else text.replace("\n", CRLF)
    return head(headers) + b"\r\n" + encode(newlines.encode(codec), encoding)


def disposition(kind: str, file: File) -> tuple[str, str]:
    """Return Content-Disposition with the file's name, encoded the way the file's ``naming`` says."""
    if file.naming == "rfc2231" or (file.naming == "plain" and not file.name.isascii()):
        coded = re.findall(r"(?:%..|[^%]){1,18}", percent(file.name, safe=""))
        pieces = ["utf-8''" + coded[0], *coded[1:]]
        named = f";{CRLF} ".join(f"filename*{number}*={piece}" for number, piece in enumerate(pieces))
    elif file.naming == "encoded-word":
        named = f'filename="{Header(file.name, "utf-8", maxlinelen=900).encode()}"'
    else:
        named = f'filename="{quote(file.name)}"'
    return "Content-Disposition", f"{kind};{CRLF} {named}"


def file_part(file: File, *, content_id: str | None = None) -> bytes:
    """Return a base64 part: an attachment, or an inline image when it has a Content-ID."""
    headers: Headers = [("Content-Type", file.content_type), ("Content-Transfer-Encoding", "base64")]
    if content_id:
        headers.append(("Content-ID", f"<{content_id}>"))
    headers.append(disposition("inline" if content_id else "attachment", file))
    return head(headers) + b"\r\n" + encode(file.data, "base64")


def message_part(raw: bytes, name: str | None) -> bytes:
    """Return an attached message (message/rfc822), which may only be 7bit or 8bit (RFC 2046, section 5.2.1)."""
    headers: Headers = [
        ("Content-Type", "message/rfc822"),
        ("Content-Transfer-Encoding", "7bit" if raw.isascii() else "8bit"),
    ]
    headers.append(
        disposition("attachment", File(name, "message/rfc822", b"")) if name else ("Content-Disposition", "attachment")
    )
    return head(headers) + b"\r\n" + raw


def multipart(subtype: str, parts: Iterable[bytes], boundary: str, *, more: str = "") -> bytes:
    """Return a multipart with its own headers; each part already carries its headers."""
    headers = [("Content-Type", f'multipart/{subtype}{more};{CRLF} boundary="{boundary}"')]
    mark = boundary.encode()
    body = b"".join(b"--" + mark + b"\r\n" + part + b"\r\n" for part in parts)
    return head(headers) + b"\r\n" + body + b"--" + mark + b"--\r\n"
