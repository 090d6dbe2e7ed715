"""The email's key: the same for every copy, another for everything else."""

from __future__ import annotations

import base64
import quopri

import pytest

from services.parser.content.parse import parse_mail
from tests.parser.samples import ACCOUNT, HEAD, RECEIVED, mail, multipart, part

TEXT = "Grüße aus Köln,\nJörg\n"
PDF = bytes(range(256)) * 4


def key(raw: bytes, account: str = ACCOUNT) -> str:
    """Return the key of a mail in an account."""
    return parse_mail(raw, account=account, internal_date=RECEIVED).content.key


def encoded(text: bytes, encoding: bytes) -> bytes:
    """Return a text part in a transfer encoding."""
    body = {
        b"8bit": text.replace(b"\n", b"\r\n"),
        b"base64": base64.encodebytes(text).replace(b"\n", b"\r\n"),
        b"quoted-printable": quopri.encodestring(text).replace(b"\n", b"\r\n"),
    }[encoding]
    return part(body, b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: " + encoding)


def sample(encoding: bytes = b"8bit", *, head: bytes = HEAD, boundary: bytes = b"b") -> bytes:
    """Return a mail with a text and a file."""
    pdf = part(base64.encodebytes(PDF), b"Content-Type: application/pdf", b"Content-Transfer-Encoding: base64")
    body, field = multipart(b"mixed", encoded(TEXT.encode(), encoding), pdf, boundary=boundary)
    return mail(body, field, head=head)


SAME = {
    "trace headers": sample(
        head=b"Received: from a by b; Mon, 3 Mar 2025 10:00:00 +0000\r\nDelivered-To: x@y.example\r\n" + HEAD
    ),
    "bcc": sample(head=HEAD + b"Bcc: boss@acme.example\r\n"),
    "recipient named twice": sample(head=HEAD + b"To: ANNA@acme.example, A S <anna@Acme.example>\r\n"),
    "base64": sample(b"base64"),
    "quoted-printable": sample(b"quoted-printable"),
    "folding": sample(head=HEAD.replace(b"Subject: Offer", b"Subject:\r\n\tOffer").replace(b"Weber <", b"Weber\r\n <")),
    "encoded subject": sample(head=HEAD.replace(b"Offer", b"=?utf-8?q?Offer?=")),
    "time zone": sample(head=HEAD.replace(b"11:11:10 +0100", b"10:11:10 +0000")),
    "line ends": sample().replace(b"\r\n", b"\n"),
    "boundary": sample(boundary=b"another"),
    "blank lines at the end": sample() + b"\r\n\r\n",
}
OTHER = {
    "subject": sample(head=HEAD.replace(b"Offer", b"Order")),
    "message id": sample(head=HEAD.replace(b"offer-1@", b"offer-2@")),
    "date": sample(head=HEAD.replace(b"11:11:10", b"11:11:11")),
    "sender": sample(head=HEAD.replace(b"joerg@", b"georg@")),
    "another recipient": sample(head=HEAD + b"To: ana@home.example\r\n"),
    "a recipient in copy": sample(head=HEAD + b"Cc: ana@home.example\r\n"),
    "text": sample().replace(b"aus", b"von"),
    "file": sample().replace(b"AAECAw", b"AAECBA"),
    "display name": sample(head=HEAD.replace(b"Joerg Weber", b"J. Weber")),
    "a recipient's display name": sample(head=HEAD.replace(b"Anna Schmidt", b"Anna (home)")),
    "address to reply to": sample(head=HEAD + b"Reply-To: ana@home.example\r\n"),
    "technical sender": sample(head=HEAD + b"Sender: ana@home.example\r\n"),
    "what it answers": sample(head=HEAD + b"In-Reply-To: <secret@home.example>\r\n"),
    "what it refers to": sample(head=HEAD + b"References: <secret@home.example>\r\n"),
    "through a list": sample(head=HEAD + b"List-Unsubscribe: <https://list.example/u/1a2b>\r\n"),
    "automatic": sample(head=HEAD + b"Auto-Submitted: auto-replied\r\n"),
    "file name": sample().replace(b"application/pdf", b"application/pdf; name=secret.pdf"),
    "kind of file": sample().replace(b"application/pdf", b"application/x-pdf"),
    "text as a file": sample().replace(
        b"charset=utf-8", b"charset=utf-8\r\nContent-Disposition: attachment; filename=a.txt"
    ),
    "flowed text": sample().replace(b"charset=utf-8", b"charset=utf-8; format=flowed"),
    "one part less": sample().replace(b"application/pdf", b"message/rfc822")[:-200],
}


@pytest.mark.parametrize("how", SAME)
def test_copies_have_one_key(how: str) -> None:
    """Copies that differ in how they travelled only have the same key."""
    assert key(SAME[how]) == key(sample())


@pytest.mark.parametrize("how", OTHER)
def test_other_mail_has_another_key(how: str) -> None:
    """Whatever a mail says makes its key: a forged stub with a known Message-ID is another email."""
    assert key(OTHER[how]) != key(sample())


def test_order_of_recipients_makes_no_other_mail() -> None:
    """To and Cc are sets: copies that list people in another order are one email, and no copy's own order is shown."""
    first, second = b"Zoe <zoe@acme.example>", b"Ben <ben@acme.example>"
    orders = [(first, second), (second, first)]
    raws = [
        sample(head=HEAD + b"To: " + b", ".join(order) + b"\r\nCc: " + b",\r\n ".join(order) + b"\r\n")
        for order in orders
    ]
    read = [parse_mail(raw, account=ACCOUNT, internal_date=RECEIVED).content for raw in raws]
    assert read[0].key == read[1].key
    assert read[0].participants == read[1].participants
    swapped = sample(head=HEAD + b"To: " + first + b"\r\nCc: " + second + b"\r\n")
    assert key(swapped) != key(sample(head=HEAD + b"Cc: " + first + b"\r\nTo: " + second + b"\r\n"))


LISTED = sample(head=HEAD + b"List-Unsubscribe: <https://list.example/u/1a2b>\r\n")


def test_copies_of_one_list_have_one_key_whatever_their_tokens() -> None:
    """That a mail came through a list is shown; the reader's own token is not, and stays in each copy's header block."""
    assert key(LISTED.replace(b"1a2b", b"3c4d")) == key(LISTED)


@pytest.mark.parametrize("raw", [*SAME.values(), *OTHER.values(), LISTED])
def test_equal_keys_mean_equal_readings(raw: bytes) -> None:
    """Two copies of one key show a reader the same: no one sees what only a hidden copy says."""

    def reading(mail: bytes) -> dict[str, object]:
        read = parse_mail(mail, account=ACCOUNT, internal_date=RECEIVED).content
        people = [(one.role, one.address, one.name) for one in read.participants]
        marks = read.marks.model_dump(exclude={"truncated", "defects"})
        body = {"text": read.text.rstrip(), "reply_text": read.reply_text.rstrip()}
        return (
            read.model_dump(exclude={"key", "raw", "thread", "participants", "marks"})
            | marks
            | body
            | {"people": people}
        )

    assert key(raw) != key(sample()) or reading(raw) == reading(sample())


def test_mail_without_message_id_is_one_within_its_account_only() -> None:
    """Without a Message-ID two accounts never share an email."""
    raw = sample(head=HEAD.replace(b"Message-ID: <offer-1@client.example>\r\n", b""))
    assert key(raw) == key(raw)
    assert key(raw) != key(raw, "b" * 24)
    assert key(sample()) == key(sample(), "b" * 24)


def test_key_does_not_depend_on_when_it_was_received() -> None:
    """The same mail received at another time has the same key."""
    later = parse_mail(sample(), account=ACCOUNT, internal_date=RECEIVED.replace(year=2026)).content
    assert later.key == key(sample())


def test_careful_reading_gives_the_same_key() -> None:
    """A mail that is read more carefully after it took too long is still the same email."""
    careful = parse_mail(sample(), account=ACCOUNT, internal_date=RECEIVED, careful=True).content
    assert careful.key == key(sample())
