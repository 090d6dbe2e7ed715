"""Which parts are the text, which the HTML, which attachments: RFC 8621 section 4.1.4 (JMAP), for the kinds that we show."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.parser.mime.structure import Part

Parts = list[Part]
_TEXT = frozenset({"text/plain", "text/html"})


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
    _Walk(found).parts([root], "mixed", found.text, found.html, in_alternative=False)
    return found


def _is_body(part: Part, place: int, container: str) -> bool:
    """Whether a leaf is shown as part of the message. Inside multipart/related only the first is: the rest it refers to."""
    if part.disposition == "attachment" or part.media_type not in _TEXT:
        return False
    return place == 0 or (container != "related" and not part.file_name)


class _Walk:
    """RFC 8621's ``parseStructure``: a list that is None takes no more, since the other alternative is meant."""

    def __init__(self, found: Selection) -> None:
        self._found = found

    def parts(
        self, parts: Parts, container: str, text: Parts | None, html: Parts | None, *, in_alternative: bool
    ) -> None:
        before = (len(text or ()), len(html or ()))
        for place, part in enumerate(parts):
            if part.is_multipart:
                kind = part.media_type.removeprefix("multipart/")
                self.parts(part.children, kind, text, html, in_alternative=in_alternative or kind == "alternative")
                continue
            self._found.leaves.append(part)
            if not _is_body(part, place, container):
                self._found.attachments.append(part)
            elif container == "alternative":
                target = text if part.media_type == "text/plain" else html
                (self._found.attachments if target is None else target).append(part)
            else:
                if in_alternative:
                    text, html = (text, None) if part.media_type == "text/plain" else (None, html)
                for target in (text, html):
                    if target is not None:
                        target.append(part)
        if container == "alternative" and text is not None and html is not None:
            _share(text, html, *before)


def _share(text: Parts, html: Parts, text_before: int, html_before: int) -> None:
    """Let the only one of the alternatives that is there serve as both."""
    if text_before == len(text) and html_before != len(html):
        text.extend(html[html_before:])
    elif html_before == len(html) and text_before != len(text):
        html.extend(text[text_before:])
