"""Real small files to attach: PDF, PNG, CSV and iCalendar, each a pure function of its arguments."""

import struct
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from testbed.samples.model import rng


@dataclass(frozen=True, slots=True)
class File:
    """A file to attach. ``naming`` says how the name travels: plain, rfc2231, or encoded-word (wrong but common)."""

    name: str
    content_type: str
    data: bytes
    naming: str = "plain"


def pdf(title: str, lines: tuple[str, ...]) -> bytes:
    """Return a one-page PDF 1.4 with a correct cross-reference table; text outside Latin-1 becomes "?"."""

    def text(line: str) -> bytes:
        escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        return escaped.encode("latin-1", "replace")

    rows = b"".join(b"0 -18 Td (" + text(line) + b") Tj\n" for line in lines)
    content = b"BT /F1 16 Tf 60 770 Td (" + text(title) + b") Tj /F1 11 Tf\n" + rows + b"ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length " + str(len(content)).encode() + b" >>\nstream\n" + content + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def png(width: int, height: int, red: int, green: int, blue: int) -> bytes:
    """Return an RGB PNG: a horizontal gradient from the colour to white, sizes in pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\0" + b"".join(
        bytes(colour + (255 - colour) * x // width for colour in (red, green, blue)) for x in range(width)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row * height))
        + chunk(b"IEND", b"")
    )


LOGO = File("image001.png", "image/png", png(160, 40, 12, 74, 110))


def log_csv(seed: str, rows: int, start: datetime) -> bytes:
    """Return a data logger's export: a reading every ten minutes from ``start``."""
    numbers = rng("log", seed)
    lines = ["time;pressure_bar;temperature_c"]
    for row in range(rows):
        moment = start + timedelta(minutes=10 * row)
        pressure, temperature = 3.8 + numbers.gauss(0, 0.05), 11.5 + numbers.gauss(0, 0.4)
        lines.append(f"{moment:%Y-%m-%d %H:%M};{pressure:.3f};{temperature:.2f}")
    return "\r\n".join([*lines, ""]).encode()


def invitation(uid: str, title: str, start: datetime, *, organiser: str, guests: tuple[str, ...], place: str) -> bytes:
    """Return an iCalendar REQUEST (RFC 5546) for one hour from ``start``."""

    def stamp(moment: datetime) -> str:
        return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Northwind//Calendar 3.2//EN", "METHOD:REQUEST", "BEGIN:VEVENT",
        f"UID:{uid}", f"DTSTAMP:{stamp(start - timedelta(days=5))}", f"DTSTART:{stamp(start)}",
        f"DTEND:{stamp(start + timedelta(hours=1))}", f"SUMMARY:{title}", f"LOCATION:{place}",
        f"ORGANIZER:mailto:{organiser}", *(f"ATTENDEE;RSVP=TRUE:mailto:{guest}" for guest in guests),
        "SEQUENCE:0", "STATUS:CONFIRMED", "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()


def document(name: str, seed: str, when: datetime, *, naming: str = "plain") -> File:
    """Return a file for a name: its ending (.pdf, .png, .csv) decides the kind, ``seed`` the numbers in it."""
    numbers = rng("document", seed, name)
    stem, _, ending = name.rpartition(".")
    if ending == "png":
        colour = (numbers.randrange(40, 200), numbers.randrange(40, 200), numbers.randrange(40, 200))
        return File(name, "image/png", png(220, 120, *colour), naming)
    if ending == "csv":
        return File(name, "text/csv", log_csv(seed, 60, when), naming)
    if ending == "pdf":
        rows = tuple(
            f"{position:02d}   NI-{numbers.randrange(1000, 9999)}   {numbers.randrange(1, 60):3d} pcs"
            f"   EUR {numbers.randrange(40, 900)}.00"
            for position in range(1, numbers.randrange(4, 9))
        )
        head = ("Northwind Instruments", f"Reference {numbers.randrange(26000, 27999)}", f"{when:%d.%m.%Y}", "")
        return File(name, "application/pdf", pdf(stem, head + rows), naming)
    raise ValueError(f"no made-up file for {name!r}: use .pdf, .png or .csv")
