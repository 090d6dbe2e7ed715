"""Where a search continues: sealed, because it can be the place of an email that the viewer may not see."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.store.core.config import StoreConfig
from services.store.core.errors import StoreError
from services.store.readers.candidates import Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NONCE = 12


class SearchCursor:
    """Turns positions into texts that tell users nothing. A text is valid until the deployment's key changes."""

    def __init__(self, config: StoreConfig) -> None:
        self._key = next(reversed(list(config.blind_index_keys.values())), None)

    def seal(self, position: Position) -> str:
        """Return the text of a position."""
        plain = json.dumps([(position.sent_at - _EPOCH) // timedelta(milliseconds=1), position.tie]).encode()
        nonce = secrets.token_bytes(_NONCE)
        return base64.urlsafe_b64encode(nonce + self._cipher().encrypt(nonce, plain, None)).decode().rstrip("=")

    def open(self, cursor: str) -> Position:
        """Return the position of a text.

        Raises:
            ValueError: it is not from ``seal``.
        """
        try:
            sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            milliseconds, tie = json.loads(self._cipher().decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
        except (InvalidTag, ValueError):
            raise ValueError("this is not where a search ended") from None
        return Position(_EPOCH + timedelta(milliseconds=milliseconds), tie)

    def _cipher(self) -> AESGCM:
        if self._key is None:
            raise StoreError("this process has no LEADMAIL_SECRET_KEY, so it cannot search")
        return AESGCM(hmac.digest(self._key, b"leadmail search cursor", hashlib.sha256))
