"""Bounces without a notification: what makes a mail one, and whom its words mean."""

from __future__ import annotations

import pytest

from schemas.mail import Classification
from tests.parser.content.test_bounces import DAEMON, HEADERS, marks
from tests.parser.samples import mail, mixed, multipart, part, with_field

FULL = b"Your mail sent on: Mon, 3 Mar 2025\r\n  Could not be delivered to: <gone@x.example>\r\n  As their mailbox is full.\r\n"
COPY = part(HEADERS + b"\r\nhi", b"Content-Type: message/rfc822")


def notice(sender: bytes, subject: bytes, words: bytes, *parts: bytes, path: bytes | None = None) -> Classification:
    """Return what a mail is that says something in words, and returns a mail."""
    body, field = multipart(b"mixed", part(words, b"Content-Type: text/plain"), *parts)
    head = b"" if path is None else b"Return-Path: <" + path + b">\r\n"
    head += (
        b"From: " + sender + b"\r\nTo: anna@acme.example\r\nSubject: " + subject + b"\r\nMessage-ID: <b@x.example>\r\n"
    )
    return marks(mail(body, field, head=head))


@pytest.mark.parametrize(
    ("sender", "subject", "path"),
    [
        (b"no-reply@provider.example", b"Mail", b""),
        (b"no-reply@provider.example", b"=?utf-8?b?44Oh44O844Or44Ko44Op44O86YCa55+l?=", None),
        (b"Provider <donotreply.mail@provider.example>", b"Undelivered mail", b"no-reply@provider.example"),
    ],
)
def test_provider_that_returns_the_mail_and_says_why(sender: bytes, subject: bytes, path: bytes | None) -> None:
    """A mail to nobody's return path, or with a bounce's subject from one who takes no answers, is a bounce by words and copy."""
    found = notice(sender, subject, FULL, COPY, path=path)
    assert (found.bounce, found.bounced, found.bounce_kind) == (True, ("gone@x.example",), "soft")
    assert found.bounced_id == "offer@acme.example"


@pytest.mark.parametrize(
    ("sender", "subject", "words", "parts", "path"),
    [
        # nothing is returned: a shop writes of a parcel
        (
            b"no-reply@parcels.example",
            b"Delivery failure",
            b"Your parcel could not be delivered to gone@x.example.",
            (),
            None,
        ),
        # another subject, without the null return path of a mail system
        (b"no-reply@tickets.example", b"Ticket 7", FULL, (COPY,), None),
        # an automatic answer with the mail that it answers
        (b"kim@x.example", b"Hello", b"I am away until Monday. Write to lou@x.example.", (COPY,), b""),
        # a person who forwards one
        (b"kim@x.example", b"Undelivered mail", FULL, (COPY,), b"kim@x.example"),
    ],
)
def test_what_only_looks_like_a_returned_mail(
    sender: bytes, subject: bytes, words: bytes, parts: tuple[bytes, ...], path: bytes | None
) -> None:
    """It takes a mail system's words, a returned mail, and a sender that takes no answers."""
    found = notice(sender, subject, words, *parts, path=path)
    assert (found.bounce, found.bounced) == (False, ())


@pytest.mark.parametrize(
    ("text", "bounced"),
    [
        # an address to ask for help
        (
            b"Your mail to gone@x.example could not be delivered. For assistance, contact help@y.example.",
            ("gone@x.example",),
        ),
        (
            b"Delivery to <gone@x.example> failed.\r\nPlease send a message to\r\npostbox@y.example for help.",
            ("gone@x.example",),
        ),
        (b"It could not be delivered.\r\n\r\nFor further assistance, please contact <help@y.example>", ()),
        (b"It could not be delivered. Contact:\r\n\r\n  help@y.example\r\n", ()),
        # an address in a sentence among others
        (
            b"Addresses are like a.b@y.example. That to which your message was addressed, gone@x.example, is none: Lou other@x.example",
            ("gone@x.example",),
        ),
        (b"gone@x.example has moved to new@y.example. Your message was not delivered.", ("gone@x.example",)),
        (b"Your mail to gone@x.example was not delivered. The new address is new@y.example.", ("gone@x.example",)),
        # where it came from
        (b"The original message was received at Mon, 3 Mar 2025\r\nfrom kim@z.example\r\n\r\n550 no such user", ()),
        # users without a domain, and examples of addresses
        (
            b"Message not delivered to the following:\r\n\r\n  gone    No matches\r\n\r\nfor example, a.b@y.example fails",
            (),
        ),
        (b"The following addresses failed -----\r\ngone\r\n\r\nfor the help desk: help@y.example", ()),
        # no help wanted: it stands alone
        (
            b"It could not be delivered to:\r\n\r\ngone@x.example\r\n\r\nIf you need help, write to help@y.example.",
            ("gone@x.example",),
        ),
    ],
)
def test_whom_prose_means(text: bytes, bounced: tuple[str, ...]) -> None:
    """Whoever can help, an example, or who wrote the mail was not lost."""
    found = marks(mail(text, head=DAEMON))
    assert (found.bounce, found.bounced) == (True, bounced)


def test_subject_of_a_site_that_answers_for_its_users() -> None:
    """A daemon's "failed mail" is a bounce; a person's is not."""
    text = b"The address to which your message was addressed, gone@x.example, matches nobody."
    head = DAEMON.replace(b"Undelivered Mail Returned to Sender", b'FAILED MAIL to "gone"')
    assert marks(mail(text, head=head)).bounced == ("gone@x.example",)
    assert not marks(with_field(b"Subject", b'FAILED MAIL to "gone"', text)).bounce
    assert not marks(mixed(part(text), COPY)).bounce


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("Unzustellbar: Angebot", "Ihre Nachricht wurde nicht zugestellt."),
        ("Non remis : Offre", "Votre message n'a pas été remis."),
        ("No se puede entregar: Oferta", "No se ha podido entregar el mensaje."),
        ("Non recapitabile: Offerta", "Impossibile recapitare il messaggio."),
        ("Onbestelbaar: Offerte", "Uw bericht kon niet worden bezorgd."),
        ("Não é possível entregar: Oferta", "Não foi possível entregar sua mensagem."),
        ("Nie można dostarczyć: Oferta", "Nie można dostarczyć wiadomości."),
        ("Не удается доставить: Оффер", "Не удалось доставить сообщение."),
        ("Kan ej levereras: Offert", "Vi kunde inte leverera meddelandet."),
        ("Kan ikke leveres: Tilbud", "Vi kunne ikke levere beskeden."),
        ("Ei voida toimittaa: Tarjous", "Viestiä ei voitu toimittaa."),
        ("Nedoručitelné: Nabídka", "Zprávu nebylo možné doručit."),
        ("Kézbesíthetetlen: Ajánlat", "Az üzenetet nem sikerült kézbesíteni."),
        ("Teslim edilemedi: Teklif", "İletiniz teslim edilemedi."),
        ("配信不能: 見積", "次の宛先に配信できませんでした。"),
        ("无法送达: 报价", "您的邮件无法送达。"),
    ],
)
def test_bounces_in_other_languages(subject: str, words: str) -> None:
    """A daemon's subject, or its words with the subject of something else, say that a mail was not delivered."""
    address = "\n\n  gone@x.example\n"
    for title, text in ((subject, "x"), ("Mail", words)):
        head = DAEMON.replace(b"Undelivered Mail Returned to Sender", title.encode())
        found = marks(mail((text + address).encode(), b"Content-Type: text/plain; charset=utf-8", head=head))
        assert found.bounced == ("gone@x.example",), title
        head = head.replace(b"MAILER-DAEMON@mx.x.example", b"kim@x.example")
        assert not marks(mail((text + address).encode(), b"Content-Type: text/plain; charset=utf-8", head=head)).bounce
