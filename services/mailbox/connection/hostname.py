"""Convert a typed server name to the canonical form that is resolved and that a certificate must carry."""

from __future__ import annotations

import ipaddress
import re

import idna

from schemas.errors import LeadmailError

MAX_NAME = 253
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# A numeric last label would be read as an IPv4 address in one of the many notations of inet_aton ("127.1", "0x7f000001",
# "017700000001"). The URL standard refuses those, and so do we.
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


class HostNameError(LeadmailError, ValueError):
    """The text is neither a host name nor an IP address."""


def host_name(typed: str) -> str:
    """Return the A-label form (RFC 5890) of a typed host name, lower case and without trailing dot, or an IP address.

    Single labels (``dovecot``) are accepted, because an operator may allow private networks.

    Raises:
        HostNameError: it contains characters that are not allowed, or is too long.
    """
    name = typed.strip(" \t").removesuffix(".").lower()
    if any(char < " " or char == "\x7f" for char in typed):
        raise HostNameError("The server name contains a control character: type it again.")
    try:
        return str(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, transitional=False).decode("ascii")
        except idna.IDNAError as error:
            raise HostNameError("The server name is not a valid international domain name.") from error
    labels = name.split(".")
    if len(name) > MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        raise HostNameError(
            "The server name may contain only letters, digits, dots and hyphens, for example imap.example.com."
        )
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise HostNameError("The server name is a number: type a name like imap.example.com.")
    return name
