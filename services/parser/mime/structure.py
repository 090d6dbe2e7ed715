"""Raw bytes to a tree of parts (RFC 2046), bounded in parts, depth and headers; bodies are slices until they are asked for.

The standard library's parser reads line by line and cannot be stopped: 9 MB of tiny parts cost it 17 s and 447 MB. This
one searches for boundaries and stops at its limits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from services.parser.mime import limits, transfer_encoding
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import Fields, first, parse_headers, raw_text
from services.parser.mime.parameters import media_type, parse

_NO_ENCODING = re.compile(rb"[;(]")
"""What ends the name of a transfer encoding: a parameter, or a comment."""
_LONGEST_TAIL = 200
_BOUNDARY_SNIFF = 4096


@dataclass(slots=True)
class Part:
    """A leaf or a multipart. ``raw[start:end]`` is its body as sent."""

    fields: Fields
    media_type: str
    parameters: dict[str, str]
    disposition: str
    """``inline``, ``attachment``, another word, or empty."""
    file_name: str
    """Decoded, as the mail says, or empty."""
    raw: bytes
    start: int
    end: int
    children: list[Part] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        """Whether it was split."""
        return bool(self.children)

    def content(self, diagnostics: Diagnostics) -> bytes:
        """Return the body of a leaf with its transfer encoding undone."""
        value = first(self.fields, "content-transfer-encoding")
        word = _NO_ENCODING.split(value, maxsplit=1)[0] if value else b""
        encoding = word.strip().strip(b"\"'").lower().decode("latin-1")
        return transfer_encoding.decode(self.raw[self.start : self.end], encoding, diagnostics)


def with_newlines(raw: bytes) -> bytes:
    """Return the mail with line ends that contain LF: a few old archives have bare CR only."""
    return raw if b"\n" in raw else raw.replace(b"\r", b"\n")


class _Builder:
    def __init__(self, raw: bytes, diagnostics: Diagnostics) -> None:
        self.raw = raw
        self.diagnostics = diagnostics
        self.parts = 0

    def build(self, start: int, end: int, depth: int, default: str) -> Part:
        self.parts += 1
        fields, body = parse_headers(self.raw, start, end, self.diagnostics)
        value = first(fields, "content-type")
        word, parameters = parse(raw_text(value, self.diagnostics)) if value else ("", {})
        value = first(fields, "content-disposition")
        disposition, more = parse(raw_text(value, self.diagnostics)) if value else ("", {})
        name = more.get("filename") or parameters.get("name") or more.get("name") or ""
        kind = media_type(word, default, is_file=bool(name))
        part = Part(fields, kind, parameters, disposition, name, self.raw, body, end)
        if kind.startswith("multipart/"):
            self._split(part, depth)
        return part

    def _split(self, part: Part, depth: int) -> None:
        if depth >= limits.DEPTH:
            self.diagnostics.cut()
            part.media_type = "application/octet-stream"
            return
        boundary = part.parameters.get("boundary", "").encode("utf-8", "surrogateescape").rstrip()
        spans = self._spans(part, boundary) if boundary else []
        if not spans and (guessed := self._guess_boundary(part)) not in (b"", boundary):
            spans = self._spans(part, guessed)
            self.diagnostics.defect("boundary")
        self._build_all(part, spans, depth)
        if spans[1:] and (inner := part.children[0]).parameters.get("boundary", "").encode() == boundary:
            self._split_twins(part, inner, boundary, depth)
        if not part.children:
            # Nothing to split: what is there is shown as text, as mail programs do.
            self.diagnostics.defect("boundary")
            part.media_type = "text/plain"

    def _build_all(self, part: Part, spans: list[tuple[int, int]], depth: int) -> None:
        default = "message/rfc822" if part.media_type == "multipart/digest" else "text/plain"
        for start, end in spans:
            if self.parts >= limits.PARTS:
                self.diagnostics.cut()
                break
            part.children.append(self.build(start, end, depth + 1, default))

    def _split_twins(self, part: Part, inner: Part, boundary: bytes, depth: int) -> None:
        """Give a multipart that has its container's boundary the parts up to the closing line; the others follow that line."""
        if self.raw[inner.start : inner.end].strip() or not part.children[1:]:
            return
        self.diagnostics.defect("boundary")
        closing = b"--" + boundary + b"--"
        end = self.raw.find(closing, part.children[-1].end, part.end)
        word, _ = parse(raw_text(first(inner.fields, "content-type") or b"", self.diagnostics))
        inner.media_type, inner.children, part.children = media_type(word, "text/plain"), part.children[1:], [inner]
        if end >= 0:
            self._build_all(part, self._spans(part, boundary, end + len(closing)), depth)

    def _guess_boundary(self, part: Part) -> bytes:
        """Return the boundary that the body itself shows when the declared one is missing or does not occur."""
        opened = b""
        for line in self.raw[part.start : min(part.end, part.start + _BOUNDARY_SNIFF)].splitlines():
            mark = line.rstrip()
            if mark.startswith(b"--") and len(mark) > len(b"--x") and not mark.startswith(b"-- "):
                return mark[2:] if mark != opened + b"--" else opened[2:]
            opened = opened or (mark if len(mark) == len(b"--x") and mark.startswith(b"--") else b"")
        return b""

    def _spans(self, part: Part, boundary: bytes, start: int = 0) -> list[tuple[int, int]]:
        """Return where the parts between the boundary lines are (RFC 2046 section 5.1.1); the last may lack its end."""
        raw, end = self.raw, part.end
        delimiter = b"--" + boundary
        spans: list[tuple[int, int]] = []
        opened: int | None = None
        position, line_end = start or part.start, -1
        while (at := raw.find(delimiter, position, end)) >= 0:
            position = at + len(delimiter)
            if at > part.start and raw[at - 1] not in b"\r\n":
                continue
            if line_end < position:
                # Sought once for all boundaries before it: lines may end with CR only, with the first LF far away.
                line_end = raw.find(b"\n", position, end)
                line_end = end if line_end < 0 else line_end
            after = min(line_end + 1, end)
            tail = raw[position : min(after, position + _LONGEST_TAIL)].strip()
            closing = tail.startswith(b"--")
            if tail and not (closing and not tail.strip(b"-")):
                continue
            if opened is None and closing:
                continue  # nothing has begun that it could close
            if opened is not None:
                spans.append((opened, _before_newline(raw, opened, at)))
            opened = after
            position = after
            if closing or len(spans) > limits.PARTS:
                return spans
        if opened is not None:
            self.diagnostics.defect("unterminated")
            if raw[opened:end].strip() or not spans:
                # Some mail lacks the line break before the last boundary line.
                whole, closing_line = raw[opened:end].rstrip(), delimiter + b"--"
                spans.append((opened, opened + len(whole) - len(closing_line) if whole.endswith(closing_line) else end))
        return spans


def _before_newline(raw: bytes, start: int, at: int) -> int:
    """Return the end of a part: the line break before a boundary line belongs to the boundary."""
    if at > start and raw[at - 1] == 0x0A:  # noqa: PLR2004 - LF
        at -= 1
    if at > start and raw[at - 1] == 0x0D:  # noqa: PLR2004 - CR
        at -= 1
    return max(at, start)


def read_structure(raw: bytes, diagnostics: Diagnostics) -> Part:
    """Return the tree of a mail. Never raises: what is cut or wrong is noted in ``diagnostics``."""
    raw = with_newlines(raw)
    return _Builder(raw, diagnostics).build(0, len(raw), 0, "text/plain")
