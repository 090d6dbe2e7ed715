"""Makes winmail.dat and S/MIME by their specifications."""

from __future__ import annotations

import base64
import struct

from tests.parser.samples import file_part, mail

RENDERING, TITLE, DATA, BODY, PROPERTIES = 0x9002, 0x8010, 0x800F, 0x800C, 0x9003


def attribute(level: int, name: int, data: bytes, kind: int = 6) -> bytes:
    """Return an attribute of TNEF (MS-OXTNEF section 2.1.3)."""
    head = bytes([level]) + struct.pack("<HHI", name, kind, len(data))
    return head + data + struct.pack("<H", sum(data) & 0xFFFF)


def winmail(*files: tuple[bytes, bytes], body: bytes = b"", properties: bytes = b"") -> bytes:
    """Return a winmail.dat with a text and files."""
    out = b"\x78\x9f\x3e\x22\x01\x00" + attribute(1, 0x9006, struct.pack("<I", 0x10000), 8)
    out += attribute(1, BODY, body + b"\0", 2) if body else b""
    out += attribute(1, PROPERTIES, properties) if properties else b""
    for name, data in files:
        out += attribute(2, RENDERING, bytes(14)) + attribute(2, TITLE, name + b"\0", 1) + attribute(2, DATA, data)
    return out


def tnef_part(data: bytes, *, name: bytes = b"winmail.dat", kind: bytes = b"application/ms-tnef") -> bytes:
    """Return a part with a winmail.dat."""
    return file_part(data, kind + b'; name="' + name + b'"', name)


def der(tag: int, *contents: bytes) -> bytes:
    """Return an element of BER with a definite length."""
    content = b"".join(contents)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def indefinite(tag: int, *contents: bytes) -> bytes:
    """Return an element of BER with an indefinite length."""
    return bytes([tag, 0x80]) + b"".join(contents) + b"\0\0"


SIGNED, CONTENT_DATA = (bytes.fromhex(f"06092a864886f70d01070{number}") for number in (2, 1))


def signed(content: bytes, *, streamed: bool = False) -> bytes:
    """Return signed data (RFC 5652) without certificates; ``streamed``: as programs write it that do not know its size."""
    make = indefinite if streamed else der
    pieces = [content[at : at + 40] for at in range(0, len(content), 40)]
    octets = make(0x24, *(der(0x04, piece) for piece in pieces)) if streamed else der(0x04, content)
    held = make(0x30, CONTENT_DATA, make(0xA0, octets))
    return make(0x30, SIGNED, make(0xA0, make(0x30, der(0x02, b"\x01"), der(0x31), held, der(0x31))))


def smime(data: bytes, kind: bytes = b"application/pkcs7-mime; smime-type=signed-data; name=smime.p7m") -> bytes:
    """Return a mail that is all S/MIME."""
    return mail(base64.encodebytes(data), b"Content-Type: " + kind, b"Content-Transfer-Encoding: base64")
