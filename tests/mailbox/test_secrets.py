"""Sealed credentials: opened by the right key for the right account only, and never shown."""

from __future__ import annotations

import datetime as dt
import secrets

import pytest
from pydantic import SecretStr

from schemas.accounts import SealedCredentials
from services.mailbox.connection.credentials import Credentials, OAuth2Credentials, password
from services.mailbox.connection.secret_box import SealError, SecretBox, derive, key_id

ACCOUNT, OTHER = "0" * 24, "1" * 24
TOKENS = OAuth2Credentials(
    access_token=SecretStr("ya29.access"),
    refresh_token=SecretStr("1//refresh"),
    expires_at=dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC),
    token_endpoint="https://oauth2.example.com/token",
    client_id="leadmail",
)


def _key() -> bytes:
    return secrets.token_bytes(32)


@pytest.mark.parametrize("credentials", [password("pässwörd ☃"), TOKENS])
def test_credentials_come_back_as_they_were(credentials: Credentials) -> None:
    """What is sealed opens to the same, passwords and tokens alike, also after a way through the database's documents."""
    box = SecretBox.from_keys(_key())
    sealed = SealedCredentials.model_validate(box.seal(ACCOUNT, credentials).model_dump())
    assert box.open(ACCOUNT, sealed) == credentials


def test_a_seal_shows_nothing_and_is_never_the_same() -> None:
    """The sealed bytes hold no trace of the password, and sealing twice gives different bytes."""
    box = SecretBox.from_keys(_key())
    one, two = box.seal(ACCOUNT, password("open sesame")), box.seal(ACCOUNT, password("open sesame"))
    assert b"sesame" not in one.ciphertext + one.wrapped_key
    assert (one.ciphertext, one.wrapped_key, one.nonce) != (two.ciphertext, two.wrapped_key, two.nonce)
    assert not {one.nonce} & {two.nonce}


def test_another_accounts_document_does_not_open() -> None:
    """Credentials copied to another account's document are refused."""
    box = SecretBox.from_keys(_key())
    with pytest.raises(SealError):
        box.open(OTHER, box.seal(ACCOUNT, password("x")))


@pytest.mark.parametrize("field", ["wrapped_key", "nonce", "ciphertext"])
def test_an_altered_byte_is_noticed(field: str) -> None:
    """A flipped bit anywhere is an error, never another password."""
    box = SecretBox.from_keys(_key())
    sealed = box.seal(ACCOUNT, password("x"))
    altered = bytes([getattr(sealed, field)[0] ^ 1]) + getattr(sealed, field)[1:]
    for value in (altered, b""):
        with pytest.raises(SealError):
            box.open(ACCOUNT, sealed.model_copy(update={field: value}))


def test_a_foreign_key_is_named() -> None:
    """Under another deployment's secret the error names the key that is missing and the settings to put it in."""
    sealed = SecretBox.from_keys(_key()).seal(ACCOUNT, password("x"))
    with pytest.raises(SealError, match=rf"{sealed.key_id}.*LEADMAIL_SECRET_KEYS_OLD"):
        SecretBox.from_keys(_key()).open(ACCOUNT, sealed)


def test_rotation_moves_to_the_new_key_and_leaves_the_data() -> None:
    """With the old key still known everything opens; rotated documents open without it; rotating twice changes nothing."""
    old, new = _key(), _key()
    sealed = SecretBox.from_keys(old).seal(ACCOUNT, TOKENS)
    box = SecretBox.from_keys(new, _key(), old)
    assert box.open(ACCOUNT, sealed) == TOKENS
    rotated = box.rotate(ACCOUNT, sealed)
    assert rotated.ciphertext == sealed.ciphertext
    assert rotated.key_id == key_id(new) != sealed.key_id
    assert SecretBox.from_keys(new).open(ACCOUNT, rotated) == TOKENS
    assert box.rotate(ACCOUNT, rotated) is rotated
    with pytest.raises(SealError):
        box.rotate(OTHER, sealed)


@pytest.mark.parametrize("show", [repr, str, lambda thing: f"{thing}", lambda thing: thing.model_dump_json()])
def test_credentials_hide_themselves(show: object) -> None:
    """No repr, string or JSON of credentials shows a secret; neither does the box."""
    box = SecretBox.from_keys(_key())
    for credentials in (password("open sesame"), TOKENS):
        text = show(credentials)  # type: ignore[operator]
        assert not any(secret in text for secret in ("sesame", "ya29", "1//"))
    assert not any(repr(key)[2:-1] in repr(box) for key in box.wrapping.values())


def test_keys_of_different_purposes_differ() -> None:
    """The key of the marks says nothing of the wrapping key; the same secret and purpose give the same key."""
    secret = secrets.token_bytes(32)
    assert len({derive(secret, purpose) for purpose in ("wrap", "marks", "key-id")}) == 3
    assert derive(secret, "marks") == derive(secret, "marks") != derive(secrets.token_bytes(32), "marks")
    assert len(derive(secret, "marks")) == 32
