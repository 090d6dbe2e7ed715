"""What a mail holds, as it reaches a browser: HTML in a sandbox, everything else as a download."""

from __future__ import annotations

import base64
import re
from urllib.parse import quote

from starlette.responses import HTMLResponse, Response, StreamingResponse

from services.console.pages.emails import key_of
from services.console.web.headers import mail_policy
from services.console.web.request_context import RequestContext
from services.mailbox.outgoing_mail import one_line
from services.store import NotFoundError
from services.usecases.html import sanitised

_SIDES = ("", "-top", "-right", "-bottom", "-left")
_BOXES = frozenset(f"{name}{side}" for name in ("border", "margin", "padding") for side in _SIDES)
_TEXTS = frozenset(
    f"{name}-{what}"
    for name, whats in {
        "font": ("family", "size", "style", "weight"),
        "text": ("align", "decoration", "indent", "transform"),
        "border": ("collapse", "color", "radius", "spacing", "style", "width"),
    }.items()
    for what in whats
)
_OTHERS = {"background-color", "color", "direction", "display", "height", "line-height", "list-style-type", "max-width"}
STYLES = _BOXES | _TEXTS | _OTHERS | {"min-width", "vertical-align", "white-space", "width", "word-break"}
"""Properties that cannot load anything, and move nothing over what else is on the page."""
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MOST_IMAGES = 8_000_000
"""Octets of inline images on one page."""
_CONTENT_ID = re.compile(r"cid:([^\s\"'<>)]+)", re.IGNORECASE)
_PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><title>Mail</title><base target="_blank">'
    "<style>body{margin:8px;font:15px/1.5 system-ui,sans-serif;color:#111;background:#fff;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}</style></head><body>"
)


async def html(visit: RequestContext) -> Response:
    """Return the mail's HTML, made harmless, under a policy of its own. Images from elsewhere only for who asks from here."""
    key, reading = key_of(visit), visit.store.reading
    found = await reading.html(visit.viewer, key)
    if found is None:
        raise NotFoundError("this email has no HTML")
    from_here = visit.request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    remote = from_here and visit.form.text("remote") == "1"
    images = await _images(visit, key, found)
    response = HTMLResponse(_PAGE + sanitised(found, remote=remote, styles=STYLES, images=images))
    response.headers["Content-Security-Policy"] = mail_policy(visit.console.settings, remote=remote)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


async def _images(visit: RequestContext, key: str, text: str) -> dict[str, str]:
    """Return the images that the HTML has inline: in a sandbox no cookie would fetch them."""
    wanted = set(_CONTENT_ID.findall(text))
    images: dict[str, str] = {}
    if not wanted:
        return images
    room = _MOST_IMAGES
    attachments = (await visit.store.reading.show(visit.viewer, key)).content.attachments
    for number, one in enumerate(attachments, 1):
        if one.content_id and one.content_id in wanted and one.media_type in _IMAGES and one.size <= room:
            room -= one.size
            _, parts = await visit.store.reading.attachment(visit.viewer, key, number)
            octets = b"".join([part async for part in parts])
            images[one.content_id] = f"data:{one.media_type};base64,{base64.b64encode(octets).decode()}"
    return images


async def attachment(visit: RequestContext) -> Response:
    """Return an attachment as a download."""
    number: int = visit.request.path_params["number"]
    found, parts = await visit.store.reading.attachment(visit.viewer, key_of(visit), number)
    headers = _download(found.name) | {"Content-Length": str(found.size)}
    return StreamingResponse(parts, media_type="application/octet-stream", headers=headers)


async def raw(visit: RequestContext) -> Response:
    """Return the mail as a server had it, without what tells of one copy only."""
    content = await visit.store.reading.raw(visit.viewer, key_of(visit))
    return Response(content, media_type="application/octet-stream", headers=_download("mail.eml"))


def _download(name: str) -> dict[str, str]:
    """Return the headers of a download (RFC 6266), which nothing is run of, even by a browser that shows it."""
    name = one_line(name).replace("/", "_").replace("\\", "_").lstrip("._ ") or "file"
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._- ") else "_" for char in name)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
