"""A change of LEADMAIL_SECRET_KEY: saved passwords still open, and the marks of earlier secrets are still known. No servers."""

from __future__ import annotations

import pytest
from pydantic import SecretBytes

from services.mailbox.connection import SealError, password
from services.settings import CliSettings
from services.wiring import make_blind_index_keys, make_secret_box

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


def test_every_listed_secret_keys_marks() -> None:
    """The oldest comes last; each is known by the id that also sealed passwords carry."""
    first = make_blind_index_keys(CliSettings(secret_key=FIRST))
    both = make_blind_index_keys(CliSettings(secret_key=SECOND, secret_keys_old=(FIRST,)))
    three = make_blind_index_keys(CliSettings(secret_key=THIRD, secret_keys_old=(SECOND, FIRST)))
    assert [*both][1:] == [*first]
    assert [*three][1:] == [*both]
    assert both.items() > first.items()
    assert make_secret_box(CliSettings(secret_key=FIRST)).current in first
    assert make_blind_index_keys(CliSettings()) == {}
