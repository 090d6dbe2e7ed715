"""Encrypt credentials with envelope encryption, and derive keys from the deployment's secret.

Each account has its own data key (AES-256-GCM), which is wrapped with a key derived from the deployment's secret. Both layers are
bound to the account's id: a sealed document that is moved to another account cannot be opened. Rotation wraps the data key again
and does not touch the ciphertext.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import SecretStr, TypeAdapter

from schemas.accounts import SealedCredentials
from schemas.errors import LeadmailError
from services.mailbox.connection.credentials import Credentials

KEY_BYTES = 32
_NONCE_BYTES = 12
_CREDENTIALS: TypeAdapter[Credentials] = TypeAdapter(Credentials)
_FIELDS: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


class SealError(LeadmailError):
    """Sealed credentials cannot be opened: another deployment's secret, another account's document, or altered bytes."""


def derive(secret: bytes, purpose: str) -> bytes:
    """Return a 32-byte key for one purpose (HKDF-SHA256, RFC 5869). Keys of different purposes reveal nothing about each other.

    Purposes in use: ``wrap`` and ``key-id`` (here), ``marks`` (the keyed hashes of DESIGN section 3), ``sign-in``, ``forms`` and
    ``company-sign-in`` (the console).
    """
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=b"leadmail/v1/" + purpose.encode()).derive(secret)


def key_id(secret: bytes) -> str:
    """Return the identifier of a secret: 16 hex digits that reveal nothing about it."""
    return hashlib.sha256(derive(secret, "key-id")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SecretBox:
    """Seals and opens credentials. The first secret seals; the others, which were rotated out, only open."""

    wrapping: dict[str, bytes] = field(repr=False)
    current: str

    @classmethod
    def from_keys(cls, *secrets: bytes) -> Self:
        """Return the box of deployment secrets of 32 bytes each; the first one seals."""
        return cls(wrapping={key_id(secret): derive(secret, "wrap") for secret in secrets}, current=key_id(secrets[0]))

    def seal(self, account_id: str, credentials: Credentials) -> SealedCredentials:
        """Encrypt credentials for one account. No two results are equal."""
        plain = _plain(credentials)
        data_key = AESGCM.generate_key(8 * KEY_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        return SealedCredentials(
            key_id=self.current,
            wrapped_key=self._wrap(account_id, data_key),
            nonce=nonce,
            ciphertext=AESGCM(data_key).encrypt(nonce, plain, _bound("data", account_id)),
        )

    def open(self, account_id: str, sealed: SealedCredentials) -> Credentials:
        """Decrypt. Call it only to open a connection, and keep the result no longer than that.

        Raises:
            SealError: they cannot be opened.
        """
        data_key = self._unwrap(account_id, sealed)
        try:
            plain = AESGCM(data_key).decrypt(sealed.nonce, sealed.ciphertext, _bound("data", account_id))
        except (InvalidTag, ValueError) as error:
            raise SealError("the account's credentials do not open: enter them again") from error
        return _CREDENTIALS.validate_json(plain)

    def rotate(self, account_id: str, sealed: SealedCredentials) -> SealedCredentials:
        """Return the same credentials under the current secret; what is already there is returned as it is.

        Raises:
            SealError: they cannot be opened.
        """
        if sealed.key_id == self.current:
            return sealed
        data_key = self._unwrap(account_id, sealed)
        return sealed.model_copy(update={"key_id": self.current, "wrapped_key": self._wrap(account_id, data_key)})

    def _wrap(self, account_id: str, data_key: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self.wrapping[self.current]).encrypt(
            nonce, data_key, _bound(f"key/{self.current}", account_id)
        )

    def _unwrap(self, account_id: str, sealed: SealedCredentials) -> bytes:
        wrapping = self.wrapping.get(sealed.key_id)
        if wrapping is None:
            raise SealError(
                f"sealed under key {sealed.key_id}, which is not among LEADMAIL_SECRET_KEY and LEADMAIL_SECRET_KEYS_OLD"
            )
        nonce, wrapped = sealed.wrapped_key[:_NONCE_BYTES], sealed.wrapped_key[_NONCE_BYTES:]
        try:
            return AESGCM(wrapping).decrypt(nonce, wrapped, _bound(f"key/{sealed.key_id}", account_id))
        except (InvalidTag, ValueError) as error:
            raise SealError("the account's credentials do not open: enter them again") from error


def _bound(layer: str, account_id: str) -> bytes:
    return f"leadmail/credentials/v1/{layer}/{account_id}".encode()


def _plain(credentials: Credentials) -> bytes:
    """Return the credentials as JSON with their secrets, which pydantic would print as asterisks."""
    fields = {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in credentials}
    return _FIELDS.dump_json(fields)
