"""Puts what wrappers hold into the tree of parts, in their place. What cannot be opened stays as it is."""

from __future__ import annotations

from dataclasses import replace
from mimetypes import MimeTypes

from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.structure import Part, read_structure
from services.parser.wrappers import tnef
from services.parser.wrappers.cms import SMIME, signed_content

_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
_ANYTHING = frozenset({"application/octet-stream", "application/x-unknown", ""})
_TEXT = frozenset({"text/plain", "text/html"})
_TYPES = MimeTypes(())
UNVERIFIED = "smime-unverified"
"""The defect of a mail whose signature was taken off without a check."""
_DEPTH = 50
_MOST = 20
"""Wrappers of one mail."""


def _kind(part: Part) -> str:
    """Return which wrapper a leaf may be: ``tnef``, ``smime``, or empty."""
    name = part.file_name.lower() if part.media_type in _ANYTHING else ""
    if part.media_type in _TNEF or name == "winmail.dat":
        return "tnef"
    return "smime" if part.media_type in SMIME or name.endswith(".p7m") else ""


class _Opener:
    def __init__(self, diagnostics: Diagnostics, *, has_text: bool) -> None:
        self._diagnostics = diagnostics
        self._has_text = has_text
        self._opened = 0

    def open(self, part: Part, depth: int) -> Part:
        if part.is_multipart:
            if depth >= _DEPTH:
                return part
            children = [self.open(child, depth + 1) for child in part.children]
            changed = any(new is not old for new, old in zip(children, part.children, strict=True))
            return replace(part, children=children) if changed else part
        if self._opened < _MOST and (inner := self._within(part)) is not None:
            self._opened += 1
            return self.open(inner, depth + 1) if depth < _DEPTH else inner
        return part

    def _within(self, part: Part) -> Part | None:
        kind = _kind(part)
        if kind == "tnef":
            return self._tnef(part)
        if kind and (content := signed_content(part.content(Diagnostics()))):
            self._diagnostics.defect(UNVERIFIED)
            return read_structure(content, self._diagnostics)
        return None

    def _tnef(self, part: Part) -> Part | None:
        data = part.content(Diagnostics())
        if not data.startswith(tnef.SIGNATURE):
            return None
        found = tnef.unpack(data)
        if found is None:
            self._diagnostics.defect("tnef")
            return None
        children = [
            _leaf(_TYPES.guess_type(name)[0] or "application/octet-stream", data, name or "attachment")
            for name, data in found.files
        ]
        if not self._has_text:
            if found.html.strip():
                children.insert(0, _leaf("text/html", found.html.encode("utf-8", "replace")))
            elif found.text.strip():
                children.insert(0, _leaf("text/plain", found.text.encode("utf-8", "replace")))
        if not children:
            return None
        return Part(part.fields, "multipart/mixed", {}, "", "", part.raw, part.start, part.end, children)


def _leaf(media_type: str, data: bytes, name: str = "") -> Part:
    parameters = {} if name else {"charset": "utf-8"}
    return Part({}, media_type, parameters, "attachment" if name else "", name, data, 0, len(data))


def open_wrappers(root: Part, diagnostics: Diagnostics) -> Part:
    """Return the tree with what ``winmail.dat`` and signed S/MIME hold; the same tree when there is nothing to open.

    In careful mode nothing is opened.
    """
    if diagnostics.careful:
        return root
    stack, leaves = [root], list[Part]()
    while stack:
        part = stack.pop()
        leaves += [part] if not part.is_multipart else []
        stack += part.children
    if not any(map(_kind, leaves)):
        return root
    text = any(one.media_type in _TEXT and one.disposition != "attachment" and one.end > one.start for one in leaves)
    return _Opener(diagnostics, has_text=text).open(root, 0)
