"""Read Mozilla's autoconfig documents (config-v1.1.xml) as proposals from an untrusted source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from schemas.accounts import ServerAddress
from services.mailbox.connection import HostNameError, host_name

_TLS: dict[str, Literal["tls", "starttls"]] = {"SSL": "tls", "STARTTLS": "starttls"}


@dataclass(frozen=True, slots=True)
class Autoconfig:
    """The encrypted servers that a document proposes, in its order of preference."""

    incoming: tuple[ServerAddress, ...]
    outgoing: tuple[ServerAddress, ...]
    oauth2_only: bool


def parse_autoconfig(document: bytes, address: str) -> Autoconfig | None:
    """Return what the document proposes for ``address``, or None if it is no such document.

    Servers without encryption and those without a password or OAuth2 login are left out.
    """
    try:
        root = fromstring(document, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    provider = root.find("emailProvider") if root.tag == "clientConfig" else None
    if provider is None:
        return None
    incoming = [
        server
        for node in provider.findall("incomingServer")
        if node.get("type") == "imap" and (server := _server(node, address))
    ]
    outgoing = [
        server
        for node in provider.findall("outgoingServer")
        if node.get("type") == "smtp" and (server := _server(node, address))
    ]
    if not incoming and not outgoing:
        return None
    ways = {text for _, ways in incoming for text in ways}
    return Autoconfig(
        incoming=tuple(server for server, _ in incoming),
        outgoing=tuple(server for server, _ in outgoing),
        oauth2_only=ways == {"OAuth2"},
    )


def _server(node: Any, address: str) -> tuple[ServerAddress, frozenset[str]] | None:
    """Return one server and those of its log-in methods that we support."""
    tls = _TLS.get(_text(node, "socketType"))
    ways = frozenset(child.text.strip() for child in node.findall("authentication") if child.text)
    ways &= {"password-cleartext", "plain", "password-encrypted", "secure", "OAuth2"}
    if tls is None or not ways:
        return None
    try:
        return ServerAddress(
            host=host_name(_fill(_text(node, "hostname"), address)),
            port=int(_text(node, "port")),
            tls=tls,
            username=_fill(_text(node, "username") or "%EMAILADDRESS%", address),
        ), ways
    except (HostNameError, ValueError):
        return None


def _text(node: Any, name: str) -> str:
    child = node.find(name)
    return (child.text or "").strip() if child is not None else ""


def _fill(text: str, address: str) -> str:
    local, _, domain = address.partition("@")
    return text.replace("%EMAILADDRESS%", address).replace("%EMAILLOCALPART%", local).replace("%EMAILDOMAIN%", domain)
