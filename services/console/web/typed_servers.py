"""Servers as a user typed them, to be shown again where a part of them is invalid."""

from __future__ import annotations

from typing import NamedTuple

from services.console.web.forms import Form


class TypedServer(NamedTuple):
    """A server as typed."""

    host: str
    port: str
    tls: str
    username: str


class TypedServers(NamedTuple):
    """Both servers as typed."""

    incoming: TypedServer
    outgoing: TypedServer


def typed_servers(form: Form) -> TypedServers:
    """Return both servers exactly as typed."""
    imap, smtp = (
        TypedServer(*(form.text(f"{protocol}_{part}") for part in ("host", "port", "tls", "user")))
        for protocol in ("imap", "smtp")
    )
    return TypedServers(imap, smtp)
