"""The pages' templates (jinja2): HTML is escaped, an unknown name is an error, and what a mail says stays in its line."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from services import wording
from services.mailbox.outgoing_mail import one_line

SAID = {
    "connected": "The mailbox is connected. Its mail is being synchronised; you get a mail when that is done.",
    "paused": "The mailbox is paused. Nothing is lost meanwhile.",
    "resumed": "The mailbox is active again.",
    "resync": "The whole mailbox is gone through anew.",
    "password": "The new password works and is saved.",
    "sharing": "The sharing is changed.",
    "folders": "Saved: the mailbox is synchronised anew by these rules.",
    "aliases": "Your addresses are saved.",
    "disconnected": "The mailbox is disconnected. Its mail stays on the records.",
    "purged": "The mailbox is removed with its mail.",
    "deleted": "The email is deleted, for everybody.",
    "replayed": "The message was sent to its queue again.",
    "dropped": "The message is given up.",
    "company": "The company's policy is changed.",
    "signed-out": "You are signed out.",
}
"""What is told on the page that one comes to after something was done, by its code in the address."""
_STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Pages:
    """Templates and files; read once."""

    def __init__(self) -> None:
        folder = files("services.console") / "static"
        self.files = {name: ((folder / name).read_bytes(), kind) for name, kind in _STATIC.items()}
        version = hashlib.sha256(b"".join(content for content, _ in self.files.values())).hexdigest()[:12]
        self._environment = Environment(
            loader=PackageLoader("services.console", "templates"),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_finalize,
            auto_reload=False,
        )
        self._environment.filters |= {
            "moment": _moment,
            "segment": partial(quote, safe=""),
            "lines": _lines,
            "size": _size,
        }
        self._environment.globals |= {"words": wording, "static": lambda name: f"/static/{name}?v={version}"}

    def render(self, name: str, **facts: object) -> str:
        """Return a template filled in."""
        return self._environment.get_template(name).render(**facts)


def _finalize(value: object) -> object:
    return one_line(value) if type(value) is str else value  # markup is ours


def _moment(at: datetime | None) -> Markup:
    """Return a moment: in UTC, which a script on the page makes the reader's own time."""
    if at is None:
        return Markup("-")
    utc = at.astimezone(UTC)
    told = f"{utc.day} {utc:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), told)


def _lines(text: str) -> Markup:
    """Return a text in its lines, without control characters and what turns the direction of writing around."""
    kept = "".join(char for char in text.replace("\r\n", "\n") if char in "\n\t" or char.isprintable())
    return Markup(escape(kept))  # noqa: S704 - escaped


def _size(octets: int) -> str:
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets} B"
