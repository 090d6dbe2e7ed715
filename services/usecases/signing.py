"""One-time sign-in links and form tokens of the console: signed, so that forged ones are refused without a database query."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from services.mailbox.connection import derive

LASTS = timedelta(minutes=15)
"""How long a link is valid."""
_NONCE_BYTES, _MAC_BYTES = 24, 16


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with keys derived from ``LEADMAIL_SECRET_KEY``."""

    links: bytes = field(repr=False)
    forms: bytes = field(repr=False)
    flows: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """Return the signer for the secret of a deployment."""
        return cls(derive(secret, "sign-in"), derive(secret, "forms"), derive(secret, "company-sign-in"))

    def new_link(self) -> str:
        """Return a new token for a link: 192 random bits and their signature."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.urlsafe_b64encode(nonce + self._mac(nonce)).decode().rstrip("=")

    def is_ours(self, token: str) -> bool:
        """Whether this deployment made a token; not whether it is still valid."""
        try:
            decoded = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return False
        nonce, mac = decoded[:_NONCE_BYTES], decoded[_NONCE_BYTES:]
        return len(nonce) == _NONCE_BYTES and hmac.compare_digest(mac, self._mac(nonce))

    def _mac(self, nonce: bytes) -> bytes:
        return hmac.digest(self.links, nonce, "sha256")[:_MAC_BYTES]

    def flow_secret(self, purpose: str, flow: str) -> str:
        """Return a secret of one sign-in at the identity provider, which follows from what the browser keeps of it."""
        return hmac.digest(self.flows, f"{purpose}:{flow}".encode(), "sha256").hex()

    def form_token(self, seed: str) -> str:
        """Return the token for a form; ``seed`` is the session, or the cookie of a user who is not signed in."""
        return hmac.digest(self.forms, seed.encode(), "sha256").hex()

    def is_from(self, seed: str, token: str) -> bool:
        """Whether a form token belongs to a seed."""
        return hmac.compare_digest(self.form_token(seed).encode(), token.encode())


def link_url(console_url: str, token: str) -> str:
    """Return the URL of a sign-in link."""
    return f"{console_url}/sign-in/{token}"
