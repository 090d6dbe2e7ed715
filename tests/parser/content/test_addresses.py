"""Who is named in a mail, in which role."""

from __future__ import annotations

import pytest

from schemas.mail import Role
from tests.parser.samples import content, mail, parsed, people, with_field


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"anna@acme.example", [("", "anna@acme.example")]),
        (b"Anna Schmidt <Anna@ACME.example>", [("Anna Schmidt", "anna@acme.example")]),
        (b'"Schmidt, Anna" <anna@acme.example>', [("Schmidt, Anna", "anna@acme.example")]),
        (b"anna@acme.example (Anna Schmidt)", [("Anna Schmidt", "anna@acme.example")]),
        (b"=?utf-8?q?J=C3=B6rg?= <j@x.example>", [("Jörg", "j@x.example")]),
        (b'"=?utf-8?q?J=C3=B6rg?=" <j@x.example>', [("Jörg", "j@x.example")]),  # quoted, against the RFC
        (b"=?utf-8?q?M=C3=BCller,_J?= <j@x.example>", [("Müller, J", "j@x.example")]),  # a comma in the encoded word
        (b"=?utf-8?q?a?= =?utf-8?q?b?= <j@x.example>", [("ab", "j@x.example")]),
        (b"a@x.example, B <b@x.example>,,", [("", "a@x.example"), ("B", "b@x.example")]),
        (b"a@x.example; b@x.example", [("", "a@x.example"), ("", "b@x.example")]),  # Outlook
        (b"Team: a@x.example, B <b@x.example>;", [("", "a@x.example"), ("B", "b@x.example")]),
        (b"undisclosed-recipients:;", []),
        (b'"john.doe"@x.example', [("", "john.doe@x.example")]),
        (b'"john doe"@x.example', []),  # no address that we compare
        (b"boss@bank.example <thief@x.example>", [("boss@bank.example", "thief@x.example")]),
        (b"<a@x.example> <b@x.example>", [("", "a@x.example"), ("", "b@x.example")]),
        (b"a@x.example b@x.example", [("", "a@x.example"), ("", "b@x.example")]),
        (b"a@x.example and b@x.example", [("", "a@x.example"), ("", "b@x.example")]),  # what joins them names nobody
        (b"a@x .example", [("", "a@x.example")]),  # RFC 5322 section 4.4, white space around dots
        (b"Ann a@x.example .", [("Ann .", "a@x.example")]),
        (b"=?utf-8?q?a=40x=2Eexample?=", [("", "a@x.example")]),  # against RFC 2047, where there is nothing else
        (b"=?utf-8?q?x=3Cboss=40bank=2Eexample=3E?= <thief@x.example>", [("x<boss@bank.example>", "thief@x.example")]),
        ("Jörg <j@bücher.example>".encode(), [("Jörg", "j@xn--bcher-kva.example")]),  # RFC 6532
        ("Jörg <j@x.example>".encode("latin-1"), [("Jörg", "j@x.example")]),
        (b"<@relay.example:j@x.example>", [("", "j@x.example")]),  # RFC 5322 section 4.4
        (b"j@localhost@x.example", []),
        (b"\xee\x80\x80 <j@x.example>", [("\ufffd", "j@x.example")]),  # private use means nothing here
        (b"", []),
    ],
)
def test_addresses_are_those_that_mail_programs_show(raw: bytes, expected: list[tuple[str, str]]) -> None:
    """Every usual form gives its addresses, as mail programs show them; what a display name claims counts for nothing."""
    assert people(with_field(b"To", raw), Role.TO) == expected


@pytest.mark.parametrize(
    ("raw", "defect"),
    [
        (b"a@x.example, B <b@x.example>; Team: c@x.example;", None),
        (b"undisclosed-recipients:;", None),
        (b"a@x.example b@x.example", "address:repaired"),
        (b"Ann <a@x.example", "address:repaired"),
        (b'b@x.example, "a b"@x.example', "address:to"),
        (b"a@x.example\xfc\xfc", "address:to"),
    ],
)
def test_what_cannot_be_read_is_a_defect(raw: bytes, defect: str | None) -> None:
    """A mail says in which field an address could not be read, or that one was repaired."""
    assert content(with_field(b"To", raw)).marks.defects == ((defect,) if defect else ())


def test_sender_without_an_address_is_a_defect() -> None:
    """A mail whose writer has no address says so."""
    assert content(with_field(b"From", b"Mail Delivery System")).marks.defects == ("address:from",)


@pytest.mark.parametrize(
    ("fields", "senders"),
    [
        ((b"X-Original-Sender: kim@client.example",), []),  # anybody may write that; a list's mail has it for a reason
        ((b"X-Original-Sender: kim@client.example", b"List-Id: <l.x.example>"), [("", "kim@client.example")]),
        ((b"X-Original-From: Kim <kim@client.example>", b"List-Id: <l.x>"), [("Kim", "kim@client.example")]),
        ((b"X-Original-Sender: joerg@client.example", b"List-Id: <l.x.example>"), []),  # From says it
    ],
)
def test_writer_whom_a_list_rewrote_is_the_sender(fields: tuple[bytes, ...], senders: list[tuple[str, str]]) -> None:
    """Where a list puts its own address into From, the writer is found elsewhere."""
    assert people(mail(b"x", *fields), Role.SENDER) == senders


def test_roles_are_distinguished_and_resent_is_left_out() -> None:
    """Each field gives its role; Resent fields give no participant, and Bcc is separate."""
    found = parsed(
        mail(
            b"x",
            b"Sender: s@x.example",
            b"Reply-To: r@x.example",
            b"Cc: c@x.example",
            b"Bcc: b@x.example, B2 <b2@x.example>, b@x.example",
            b"Resent-To: resent@x.example",
        )
    )
    assert [(person.role.value, person.address) for person in found.content.participants] == [
        ("from", "joerg@client.example"),
        ("sender", "s@x.example"),
        ("reply-to", "r@x.example"),
        ("to", "anna@acme.example"),
        ("cc", "c@x.example"),
    ]
    assert found.bcc == ("b@x.example", "b2@x.example")


def test_repeated_to_fields_are_joined_without_duplicates() -> None:
    """All To fields count; an address appears once per role, with a name if any of them has one."""
    raw = mail(b"x", b"To: anna@acme.example, b@x.example", b"To: Bea <b@x.example>")
    assert people(raw, Role.TO) == [("Anna Schmidt", "anna@acme.example"), ("Bea", "b@x.example")]


@pytest.mark.parametrize(
    ("raw", "ambiguous"),
    [
        (mail(), False),
        (mail(b"x", b"From: other@x.example"), True),
        (with_field(b"From", b"a@x.example, b@x.example"), True),
        (with_field(b"From", b"a@x.example, a@x.example"), False),
    ],
)
def test_double_from_is_ambiguous(raw: bytes, ambiguous: bool) -> None:
    """Two From fields, or two addresses in one, are marked and all of them kept."""
    assert content(raw).marks.ambiguous_from is ambiguous


def test_name_has_no_line_breaks_and_200_characters() -> None:
    """A display name is one bounded line."""
    ((name, _),) = people(with_field(b"To", b"=?utf-8?q?a=0D=0Ab" + b"x" * 500 + b"?= <a@x.example>"), Role.TO)
    assert name.startswith("a bx")
    assert len(name) == 200


def test_recipients_are_cut_at_a_thousand() -> None:
    """A mail to thousands keeps a thousand participants and is marked."""
    found = content(with_field(b"To", b", ".join(b"u%d@x.example" % number for number in range(3000))))
    assert len(found.participants) == 1000
    assert found.marks.truncated
