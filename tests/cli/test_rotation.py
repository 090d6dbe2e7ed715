"""A change of LEADMAIL_SECRET_KEY: saved passwords still open, and the ledger's marks do not change. No servers."""

from __future__ import annotations

import pytest
from pydantic import SecretBytes

from services.mailbox.connection import SealError, password
from services.settings import CliSettings
from services.wiring import make_blind_index_key, make_secret_box

FIRST, SECOND, THIRD = (SecretBytes(name * 32) for name in (b"1", b"2", b"3"))
ACCOUNT = "0123456789abcdef01234567"


def test_passwords_sealed_by_an_earlier_secret_open() -> None:
    """They open while the earlier secret is listed; a new password is sealed with the current one."""
    before, after = CliSettings(secret_key=FIRST), CliSettings(secret_key=SECOND, secret_keys_old=(FIRST,))
    sealed = make_secret_box(before).seal(ACCOUNT, password("secret"))
    assert make_secret_box(after).open(ACCOUNT, sealed) == password("secret")
    assert make_secret_box(after).seal(ACCOUNT, password("secret")).key_id != sealed.key_id
    with pytest.raises(SealError):
        make_secret_box(CliSettings(secret_key=SECOND)).open(ACCOUNT, sealed)


def test_marks_outlive_a_rotation() -> None:
    """They use the oldest secret, so a late contact finds its history after any number of changes."""
    first = make_blind_index_key(CliSettings(secret_key=FIRST))
    assert first is not None
    assert make_blind_index_key(CliSettings(secret_key=SECOND, secret_keys_old=(FIRST,))) == first
    assert make_blind_index_key(CliSettings(secret_key=THIRD, secret_keys_old=(SECOND, FIRST))) == first
    assert make_blind_index_key(CliSettings(secret_key=SECOND)) != first
    assert make_blind_index_key(CliSettings()) is None
