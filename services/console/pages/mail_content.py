"""Serves the content of a mail: HTML in a sandbox, everything else as a download."""

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
from services.usecases.html import sanitize_html

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
"""CSS properties that cannot load anything or move content over the rest of the page."""
_IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_MOST_IMAGES = 8_000_000
"""At most so many octets of inline images on one page."""
_CONTENT_ID = re.compile(r"cid:([^\s\"'<>)]+)", re.IGNORECASE)
_PAGE = (
    '<!doctype html><html><head><meta charset="utf-8"><title>Mail</title><base target="_blank">'
    '<meta name="responsive-embedded-sizing" content="allow-origins={origin}">'
    "<style>body{margin:8px;font:15px/1.5 system-ui,sans-serif;color:#111;background:#fff;overflow-wrap:anywhere}"
    "img{max-width:100%;height:auto}</style></head><body>"
)


async def html(context: RequestContext) -> Response:
    """Return the mail's sanitized HTML under its own policy. Remote images load only if the user asks on our page."""
    key, reading = key_of(context), context.store.reading
    found = await reading.html(context.viewer, key)
    if found is None:
        raise NotFoundError("this email has no HTML")
    from_here = context.request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
    remote = from_here and context.form.text("remote") == "1"
    images = await _images(context, key, found)
    response = HTMLResponse(_page(context) + sanitize_html(found, remote=remote, styles=STYLES, images=images))
    response.headers["Content-Security-Policy"] = mail_policy(context.console.settings, remote=remote)
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _page(context: RequestContext) -> str:
    """Return the page around a mail. Only the console may learn how high the mail is."""
    return _PAGE.replace("{origin}", context.console.settings.console_url)


async def _images(context: RequestContext, key: str, text: str) -> dict[str, str]:
    """Return the inline images as data URLs: a sandboxed page sends no cookie and could not fetch them."""
    wanted = set(_CONTENT_ID.findall(text))
    images: dict[str, str] = {}
    if not wanted:
        return images
    room = _MOST_IMAGES
    attachments = (await context.store.reading.show(context.viewer, key)).content.attachments
    for number, one in enumerate(attachments, 1):
        if one.content_id and one.content_id in wanted and one.media_type in _IMAGES and one.size <= room:
            room -= one.size
            _, parts = await context.store.reading.attachment(context.viewer, key, number)
            octets = b"".join([part async for part in parts])
            images[one.content_id] = f"data:{one.media_type};base64,{base64.b64encode(octets).decode()}"
    return images


async def attachment(context: RequestContext) -> Response:
    """Return an attachment as a download."""
    number: int = context.request.path_params["number"]
    found, parts = await context.store.reading.attachment(context.viewer, key_of(context), number)
    headers = _download(found.name) | {"Content-Length": str(found.size)}
    return StreamingResponse(parts, media_type="application/octet-stream", headers=headers)


async def raw(context: RequestContext) -> Response:
    """Return the raw mail, with the header fields that the viewer may see."""
    content = await context.store.reading.raw(context.viewer, key_of(context))
    return Response(content, media_type="application/octet-stream", headers=_download("mail.eml"))


def _download(name: str) -> dict[str, str]:
    """Return the headers of a download (RFC 6266); even a browser that displays it runs nothing in it."""
    name = one_line(name).replace("/", "_").replace("\\", "_").lstrip("._ ") or "file"
    plain = "".join(char if char.isascii() and (char.isalnum() or char in "._- ") else "_" for char in name)
    return {
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
    }
