"""Which parts are the text, which the HTML, which attachments: RFC 8621 section 4.1.4 (JMAP), for the kinds that we show."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.parser.structure import Part

_MEDIA = ("image/", "audio/", "video/")
_TEXT = frozenset({"text/plain", "text/html"})


@dataclass(slots=True)
class Selection:
    """The leaves of a mail by what they are for; a text part may be in both of the first two."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)
    leaves: list[Part] = field(default_factory=list)
    """All of them, in order of the tree."""


def select(root: Part) -> Selection:
    """Return what each leaf of a mail is for."""
    found = Selection()
    text: list[Part] = []
    html: list[Part] = []
    _walk([root], "mixed", False, text, html, found)
    found.text, found.html = text, html
    return found


def _is_body(part: Part, place: int, container: str) -> bool:
    """Whether a leaf is shown as part of the message. Inside multipart/related only the first is: the rest it refers to."""
    if part.disposition == "attachment" or part.media_type not in _TEXT:
        return False
    return place == 0 or (container != "related" and not part.file_name)


def _walk(
    parts: list[Part],
    container: str,
    in_alternative: bool,
    text: list[Part] | None,
    html: list[Part] | None,
    found: Selection,
) -> None:
    text_before = len(text) if text is not None else -1
    html_before = len(html) if html is not None else -1
    for place, part in enumerate(parts):
        if part.is_multipart:
            kind = part.media_type.removeprefix("multipart/")
            _walk(part.children, kind, in_alternative or kind == "alternative", text, html, found)
            continue
        found.leaves.append(part)
        if not _is_body(part, place, container):
            found.attachments.append(part)
        elif container == "alternative":
            target = text if part.media_type == "text/plain" else html
            (found.attachments if target is None else target).append(part)
        else:
            if in_alternative:
                # In multipart/related within an alternative: from here on only one of the two is meant.
                if part.media_type == "text/plain":
                    html = None
                else:
                    text = None
            for target in (text, html):
                if target is not None:
                    target.append(part)
    if container == "alternative" and text is not None and html is not None:
        # Only one of the alternatives was there: it serves as both.
        if text_before == len(text) and html_before != len(html):
            text.extend(html[html_before:])
        elif html_before == len(html) and text_before != len(text):
            html.extend(text[text_before:])
