"""Keys of copies, emails and threads, and the keyed marks (DESIGN sections 3 and 5)."""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import identity

ACCOUNT = "0123456789abcdef01234567"
OTHER_ACCOUNT = "76543210fedcba9876543210"
UIDS = st.integers(min_value=1, max_value=4294967295)

MAIL: dict[str, Any] = {
    "message_id": "1@acme.com",
    "date": datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
    "senders": ("ann@acme.com",),
    "to": ("jo@firm.example", "kim@firm.example"),
    "cc": ("lou@firm.example",),
    "subject": "Offre à Zoë",
    "leaves": (hashlib.sha256(b"hello").digest(),),
    "account": ACCOUNT,
}


def test_copies_of_one_mail_have_one_key_in_whichever_account() -> None:
    """The account, the spelling of the time zone and the normal form of the subject make no difference."""
    key = identity.email_key(**MAIL)
    zone = timezone(timedelta(hours=9))
    assert identity.email_key(**{**MAIL, "account": OTHER_ACCOUNT}) == key
    assert identity.email_key(**{**MAIL, "date": MAIL["date"].astimezone(zone)}) == key
    assert identity.email_key(**{**MAIL, "subject": unicodedata.normalize("NFD", MAIL["subject"])}) == key
    assert identity.email_key(**{**MAIL, "senders": ("ann@acme.com", "ann@acme.com")}) == key
    assert identity.email_key(**{**MAIL, "to": MAIL["to"][::-1] + MAIL["to"]}) == key


@pytest.mark.parametrize(
    "forged",
    [
        {"leaves": (hashlib.sha256(b"other").digest(),)},
        {"leaves": ()},
        {"leaves": MAIL["leaves"] * 2},
        {"subject": "Offre"},
        {"senders": ("eve@evil.example",)},
        {"senders": ()},
        {"date": MAIL["date"] + timedelta(seconds=1)},
        {"date": None},
        {"message_id": "2@acme.com"},
        {"message_id": None},
        {"to": ("jo@home.example", "kim@firm.example")},
        {"to": ()},
        {"cc": ()},
        {"to": (*MAIL["to"], *MAIL["cc"]), "cc": ()},
        {"to": MAIL["cc"], "cc": MAIL["to"]},
    ],
)
def test_a_forged_stub_with_the_same_message_id_is_another_email(forged: dict[str, Any]) -> None:
    """A sender who knows a Message-ID but not the mail cannot make a copy of it."""
    assert identity.email_key(**{**MAIL, **forged}) != identity.email_key(**MAIL)


def test_without_a_message_id_an_email_is_one_within_its_account_only() -> None:
    """The digest alone joins copies in folders of one account, never across accounts."""
    nameless = {**MAIL, "message_id": None}
    assert identity.email_key(**nameless) == identity.email_key(**nameless)
    assert identity.email_key(**nameless) != identity.email_key(**{**nameless, "account": OTHER_ACCOUNT})


def test_no_text_can_be_moved_from_one_field_to_the_next() -> None:
    """Fields are length-prefixed, so shifting characters between them changes the key."""
    one = identity.email_key(**{**MAIL, "senders": ("a@x.example",), "subject": "bc"})
    other = identity.email_key(**{**MAIL, "senders": ("a@x.exampleb",), "subject": "c"})
    assert one != other


def test_a_lone_surrogate_in_a_header_does_not_stop_the_key() -> None:
    """The content of a broken mail is hashed, too."""
    assert identity.email_key(**{**MAIL, "subject": "\udce9", "message_id": "\udce9@x"}).startswith("v2-")


def test_the_order_of_leaves_counts_and_that_of_senders_does_not() -> None:
    """Two attachments swapped make another mail; two authors swapped do not."""
    one, two = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    assert identity.email_key(**{**MAIL, "leaves": (one, two)}) != identity.email_key(**{**MAIL, "leaves": (two, one)})
    swapped = {**MAIL, "senders": ("b@x.example", "a@x.example")}
    assert identity.email_key(**swapped) == identity.email_key(**{**MAIL, "senders": ("a@x.example", "b@x.example")})


@given(UIDS, UIDS)
def test_ids_of_copies_sort_by_uid(one: int, other: int) -> None:
    """A range of ids is a range of uids, for every 32-bit uid."""
    first, second = (identity.copy_id(ACCOUNT, "0" * 12, 7, uid) for uid in (one, other))
    assert (first < second) is (one < other)
    low, high = identity.copies_of_folder(ACCOUNT, "0" * 12, 7, min(one, other), max(one, other))
    assert low <= first <= high
    assert low <= second <= high


def test_a_range_of_copies_leaves_out_other_folders_and_validities() -> None:
    """The ids of one folder in one uidvalidity form a separate range."""
    low, high = identity.copies_of_folder(ACCOUNT, "a" * 12, 7)
    assert not low <= identity.copy_id(ACCOUNT, "a" * 12, 8, 1) <= high
    assert not low <= identity.copy_id(ACCOUNT, "b" * 12, 7, 1) <= high
    assert not low <= identity.copy_id(OTHER_ACCOUNT, "a" * 12, 7, 1) <= high


def test_a_thread_is_named_after_its_root() -> None:
    """Replies by References, by In-Reply-To alone and the root itself are in one thread."""
    root = identity.thread_id(message_id="root@x", in_reply_to=None, references=(), key="k")
    assert identity.thread_id(message_id="a@x", in_reply_to="root@x", references=(), key="k") == root
    assert identity.thread_id(message_id="b@x", in_reply_to="a@x", references=("root@x", "a@x"), key="k") == root
    assert identity.thread_id(message_id="other@x", in_reply_to=None, references=(), key="k") != root
    assert identity.thread_id(message_id=None, in_reply_to=None, references=(), key="k") != root


def test_marks_differ_by_kind_and_deployment() -> None:
    """The same text as address, thread id and header, or under another key, has different marks of 16 bytes."""
    key, other = b"k" * 32, b"o" * 32
    marks = {
        identity.address_hash(key, "a@x.example"),
        identity.address_hash(other, "a@x.example"),
        identity.message_id_hash(key, "a@x.example"),
        identity.header_hash(key, b"a@x.example"),
    }
    assert len(marks) == 4
    assert {len(mark) for mark in marks} == {identity.MARK_BYTES}


def test_the_confirmation_of_an_epoch_keeps_its_message_id() -> None:
    """Sent again after a crash it is visibly the same mail; another epoch's is another."""
    first = identity.notification_id(ACCOUNT, 1, "crm.example")
    assert first == identity.notification_id(ACCOUNT, 1, "crm.example")
    assert first != identity.notification_id(ACCOUNT, 2, "crm.example")
    assert first.startswith("<")
    assert first.endswith("@crm.example>")
