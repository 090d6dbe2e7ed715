"""Renders the templates (jinja2): HTML is escaped, an undefined name is an error, and text from mail stays on one line."""

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

FLASHES = {
    "connected": "Your mailbox is connected. Its existing mail is being imported; you get an email when that is done.",
    "paused": "The mailbox is paused. No mail is lost in the meantime.",
    "resumed": "The mailbox is active again.",
    "resync": "The whole mailbox is being synchronised again.",
    "signed-in": "You are signed in to the mailbox again, and the login works.",
    "password": "The new password works and is saved.",
    "login": "The new login works and is saved.",
    "sharing": "The sharing settings are saved.",
    "folders": "Saved. The mailbox is being synchronised again with these folders.",
    "aliases": "Your addresses are saved.",
    "members": "The members are saved.",
    "code-sent": "A code was sent to this address. Enter it below within an hour.",
    "address-proven": "The address is proven: it counts as yours.",
    "disconnected": "The mailbox is disconnected. Its mail stays on the records.",
    "purged": "The mailbox and its mail are removed.",
    "deleted": "The email is deleted for everyone.",
    "restored": "The email is restored. It is back on its records within minutes.",
    "kept-private": "Saved. Your copies are private.",
    "shared-again": "Saved. Your copies are shared as your mailbox is.",
    "replayed": "The message was sent to its queue again.",
    "dropped": "The message was dropped.",
    "company": "The company's sharing policy is saved.",
    "user-disabled": "The user is disabled: their sessions have ended, and their mailboxes are paused.",
    "user-unbound": "The user can sign in by another account of the identity provider: the next one that has their address.",
    "user-enabled": "The user is enabled, and their mailboxes are resumed.",
    "user-removed": "The user is removed.",
    "signed-out": "You are signed out.",
}
"""Messages that the next page shows after an action, by the value of the ``flash`` parameter."""
_STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}


class Templates:
    """The templates and static files; read once."""

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
            "readable": wording.readable,
            "segment": partial(quote, safe=""),
            "lines": _lines,
            "size": _size,
        }
        self._environment.globals |= {"words": wording, "static": lambda name: f"/static/{name}?v={version}"}

    def render(self, name: str, **values: object) -> str:
        """Return a template filled in with values."""
        return self._environment.get_template(name).render(**values)


def _finalize(value: object) -> object:
    return one_line(value) if type(value) is str else value  # Markup comes from our own templates


def _moment(at: datetime | None) -> Markup:
    """Return a time in UTC; a script on the page converts it to the reader's time zone."""
    if at is None:
        return Markup("-")
    utc = at.astimezone(UTC)
    text = f"{utc.day} {utc:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(utc.isoformat(timespec="seconds"), text)


def _lines(text: str) -> Markup:
    """Return a text with its line breaks, without control and bidirectional override characters."""
    kept = "".join(char for char in text.replace("\r\n", "\n") if char in "\n\t" or char.isprintable())
    return Markup(escape(kept))  # noqa: S704 - escaped


def _size(octets: int) -> str:
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets} B"
