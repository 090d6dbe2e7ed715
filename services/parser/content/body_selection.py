"""Which parts are the text, which the HTML, which attachments: RFC 8621 section 4.1.4 (JMAP), for the kinds that we show."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.parser.mime.headers import first
from services.parser.mime.structure import Part

Parts = list[Part]
_PLAIN = frozenset({"text/plain", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown"})
_TEXT = _PLAIN | {"text/html"}
_OTHER_FORMS = (_PLAIN - {"text/plain"}) | {"text/x-amp-html", "text/watch-html"}
"""What repeats the text for programs that show more, or less: beside plain text or HTML it is neither text nor attachment."""


@dataclass(slots=True)
class Selection:
    """The leaves of a mail by what they are for; a text part may be in both of the first two."""

    text: Parts = field(default_factory=list)
    html: Parts = field(default_factory=list)
    attachments: Parts = field(default_factory=list)
    leaves: Parts = field(default_factory=list)
    """All of them, in order of the tree."""


def select(root: Part) -> Selection:
    """Return what each leaf of a mail is for."""
    found = Selection()
    _Walk(found).parts([root], "mixed", found.text, found.html, root, in_alternative=False)
    if not found.text and not found.html:
        _take_only_text(found)
    if not found.text and not found.html and root.media_type == "multipart/report":
        # Some mail systems label their own words as the report.
        found.text = [part for part in found.attachments if part.media_type.endswith("delivery-status")][:1]
    return found


def _take_only_text(found: Selection) -> None:
    """Let the only text part be the body, although it is marked as an attachment. It stays one if it has a file name."""
    texts = [part for part in found.attachments if part.media_type in _TEXT]
    if len(texts) == 1:
        found.text, found.html = texts, list(texts)
        found.attachments = [part for part in found.attachments if part is not texts[0] or part.file_name]


def _root_of(container: Part) -> Part | None:
    """Return the part of a multipart/related to which the others belong: what ``start`` names, or the first that can be shown."""
    if start := container.parameters.get("start", "").strip("<> "):
        for part in container.children:
            if (first(part.fields, "content-id") or b"").strip(b"<> ") == start.encode():
                return part
    shown = (part for part in container.children if part.is_multipart or _is_text(part))
    return next(shown, None)


def _is_text(part: Part) -> bool:
    return part.disposition != "attachment" and part.media_type in _TEXT


def _is_body(part: Part, place: int, container: str, root: Part | None) -> bool:
    """Whether a leaf is shown as part of the message. Inside multipart/related only the root is: the rest it refers to."""
    if container == "related":
        return part is root and part.media_type in _TEXT
    return _is_text(part) and (place == 0 or not part.file_name)


class _Walk:
    """RFC 8621's ``parseStructure``: a list that is None takes no more, since the other alternative is meant."""

    def __init__(self, found: Selection) -> None:
        self._found = found

    def parts(
        self,
        parts: Parts,
        container: str,
        text: Parts | None,
        html: Parts | None,
        parent: Part,
        *,
        in_alternative: bool,
    ) -> None:
        before = (len(text or ()), len(html or ()))
        root = _root_of(parent) if container == "related" else None
        has_usual = container == "alternative" and any(_is_usual(part) for part in parts)
        for place, part in enumerate(parts):
            if part.is_multipart:
                kind = part.media_type.removeprefix("multipart/")
                self.parts(
                    part.children, kind, text, html, part, in_alternative=in_alternative or kind == "alternative"
                )
                continue
            self._found.leaves.append(part)
            if has_usual and part.media_type in _OTHER_FORMS and part.disposition != "attachment":
                continue
            if not _is_body(part, place, container, root):
                self._found.attachments.append(part)
            elif container == "alternative":
                target = text if part.media_type in _PLAIN else html
                (self._found.attachments if target is None else target).append(part)
            else:
                if in_alternative:
                    text, html = (text, None) if part.media_type in _PLAIN else (None, html)
                for target in (text, html):
                    if target is not None:
                        target.append(part)
        if container == "alternative" and text is not None and html is not None:
            _share(text, html, *before)


def _is_usual(part: Part) -> bool:
    return part.is_multipart or part.media_type in ("text/plain", "text/html")


def _share(text: Parts, html: Parts, text_before: int, html_before: int) -> None:
    """Let the only one of the alternatives that is there serve as both."""
    if text_before == len(text) and html_before != len(html):
        text.extend(html[html_before:])
    elif html_before == len(html) and text_before != len(text):
        html.extend(text[text_before:])
