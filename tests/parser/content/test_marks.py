"""Automatic answers, generated mail, bounces, lists."""

from __future__ import annotations

import pytest

from tests.parser.samples import content, mail, multipart, part, with_field


@pytest.mark.parametrize(
    ("raw", "automatic"),
    [
        (mail(), False),
        (mail(b"x", b"Auto-Submitted: auto-replied"), True),
        (mail(b"x", b"Auto-Submitted: auto-generated; owner=x"), False),
        (mail(b"x", b"Auto-Submitted: auto-notified; owner=x"), False),
        (mail(b"x", b"Auto-Submitted: auto-generated", b"X-Autoreply: yes"), False),
        (b"Auto-Submitted: auto-generated\r\n" + with_field(b"Subject", b"Automatic reply: Offer"), True),
        (b"Auto-Submitted: no\r\n" + with_field(b"Subject", b"Automatic reply: Offer"), False),
        (mail(b"x", b"Auto-Submitted: no"), False),
        (mail(b"x", b"X-Autoreply: yes"), True),
        (mail(b"x", b"Precedence: auto_reply"), True),
        (with_field(b"Subject", b"Automatic reply: Offer"), True),
        (with_field(b"Subject", "Réponse automatique : Offer".encode()), True),
        (with_field(b"Subject", b"Re: Automatic reply: Offer"), False),
    ],
)
def test_automatic_answers_are_marked(raw: bytes, automatic: bool) -> None:
    """RFC 3834's field, its older forms, and the usual subjects."""
    assert content(raw).marks.auto_reply is automatic


@pytest.mark.parametrize(
    ("raw", "generated"),
    [
        (mail(), False),
        (mail(b"x", b"Auto-Submitted: no"), False),
        (mail(b"x", b"Auto-Submitted: auto-replied"), False),
        (mail(b"x", b"Auto-Submitted: auto-generated; owner=x"), True),
        (mail(b"x", b"Auto-Submitted: auto-notified"), True),
        (b"Auto-Submitted: auto-generated\r\n" + with_field(b"Subject", b"Automatic reply: Offer"), False),
    ],
)
def test_generated_mail_is_told_from_automatic_answers(raw: bytes, generated: bool) -> None:
    """RFC 3834 tells a program's own mail from its answers."""
    assert content(raw).marks.auto_generated is generated


@pytest.mark.parametrize(
    "subject",
    [
        *(
            "Out of Office: Offer",
            "Out of Office AutoReply: Offer",
            "Abwesenheitsnotiz: Angebot",
            "Automatische Antwort: Angebot",
        ),
        *(
            "Réponse automatique : Offre",
            "Respuesta automática: Oferta",
            "Fuera de la oficina",
            "Risposta automatica: Offerta",
        ),
        *(
            "Fuori sede: Offerta",
            "Resposta automática: Oferta",
            "Automatisch antwoord: Offerte",
            "Automatisk svar: Tilbud",
        ),
        *(
            "Autosvar: Tilbud",
            "Automatiskt svar: Offert",
            "Automaattinen vastaus: Tarjous",
            "Odpowiedź automatyczna: Oferta",
        ),
        *(
            "Automatyczna odpowiedź: Oferta",
            "Automatická odpověď: Nabídka",
            "Automatická odpoveď: Ponuka",
            "Automatikus válasz: Ajánlat",
        ),
        *(
            "Răspuns automat: Ofertă",
            "Otomatik Yanıt: Teklif",
            "Автоматический ответ: Предложение",
            "Автоматична відповідь: Пропозиція",
        ),
        *(
            "Αυτόματη απάντηση: Προσφορά",
            "自動応答: 見積",
            "自动答复: 报价",
            "自動回覆: 報價",
            "자동 회신: 견적",
            "[EXT] Automatic reply: Offer",
        ),
        *(
            "Automatische reactie: Offerte",
            "Automatinis atsakymas: Pasiūlymas",
            "Automātiska atbilde: Piedāvājums",
            "Automaatvastus: Pakkumine",
            "Trả lời tự động: Báo giá",
            "Balasan otomatis: Penawaran",
            "ตอบกลับอัตโนมัติ: ใบเสนอราคา",
            "Resposta automàtica: Oferta",
            "Аутоматски одговор: Понуда",
            "Poza biurem: Oferta",
            "Вне офиса",
            "【自動返信】お問い合わせ",
            "부재중 자동 회신: 견적",
            "AUTO: Kim Lee is out of the office (returning 10/03/2025)",
            "AUTO: Kim Lee ist außer Haus (Rückkehr am 10.03.2025)",
        ),
    ],
)
def test_answers_are_known_by_their_subject_in_many_languages(subject: str) -> None:
    """Mail programs put it in front of the subject."""
    assert content(with_field(b"Subject", subject.encode())).marks.auto_reply


@pytest.mark.parametrize(
    "subject",
    [
        *("Out of office party on Friday", "Automatic reply machines for sale", "Autosvarets indstillinger"),
        *(
            "Re: Automatic reply: Offer",
            "Antwort: automatische Antwort",
            "Fuera de la oficina nueva",
            "Fravær i projektet",
        ),
        "Our out of office: new rules",
        "AUTO: Kim Lee is out of the office today, call Lou",
        "Kim is out of the office tomorrow",
    ],
)
def test_subjects_of_people_are_no_automatic_answers(subject: str) -> None:
    """People write such words, too."""
    assert not content(with_field(b"Subject", subject.encode())).marks.auto_reply


@pytest.mark.parametrize(
    ("raw", "listed"),
    [
        (mail(), False),
        (mail(b"x", b"List-Id: <news.x.example>"), True),
        (mail(b"x", b"List-Unsubscribe: <mailto:u@x.example>"), True),
        (mail(b"x", b"Precedence: list"), True),
        (mail(b"x", b"Precedence: bulk"), True),
        (mail(b"x", b"Precedence: bulk", b"Auto-Submitted: auto-replied"), False),
    ],
)
def test_lists_are_marked(raw: bytes, listed: bool) -> None:
    """RFC 2919, RFC 2369, and Precedence."""
    assert content(raw).marks.mailing_list is listed


def report(action: bytes, recipient: bytes = b"rfc822; Gone@x.example") -> bytes:
    """Return a delivery status notification."""
    status = (
        b"Reporting-MTA: dns; mx.acme.example\r\n\r\n"
        b"Final-Recipient: " + recipient + b"\r\nAction: " + action + b"\r\nStatus: 5.1.1\r\n"
    )
    body, field = multipart(
        b"report; report-type=delivery-status",
        part(b"It could not be delivered.", b"Content-Type: text/plain"),
        part(status, b"Content-Type: message/delivery-status"),
        part(b"Subject: Offer\r\n\r\nHello", b"Content-Type: message/rfc822"),
    )
    return mail(body, field)


@pytest.mark.parametrize(
    ("raw", "bounce", "bounced"),
    [
        (report(b"failed"), True, ("gone@x.example",)),
        (report(b"Failed (user unknown)"), True, ("gone@x.example",)),
        (report(b"failed", b"RFC822;<gone@x.example>"), True, ("gone@x.example",)),
        (report(b"delayed"), True, ()),
        (report(b"delivered"), False, ()),
        (
            mail(b"x", b"X-Failed-Recipients: gone@x.example, gone2@x.example"),
            True,
            ("gone@x.example", "gone2@x.example"),
        ),
        (mail(b"Delivery of gone@x.example failed"), False, ()),  # a person may write about it
    ],
)
def test_bounces_are_marked_with_their_addresses(raw: bytes, bounce: bool, bounced: tuple[str, ...]) -> None:
    """A delivery status notification says whom it could not reach; one of success is no bounce."""
    marks = content(raw).marks
    assert (marks.bounce, marks.bounced) == (bounce, bounced)


@pytest.mark.parametrize(
    "text",
    [
        (
            b"Hi. This is the qmail-send program at mx.x.example.\r\n\r\n<gone@x.example>:\r\nno mailbox here by that name.\r\n\r\n"
            b"--- Below this line is a copy of the message.\r\n\r\nTo: other@x.example"
        ),
        (
            b"   ----- The following addresses had permanent fatal errors -----\r\n<gone@x.example>\r\n\r\n"
            b"   ----- Transcript of session follows -----\r\n550 other@x.example"
        ),
        b"A message that you sent could not be delivered:\r\n\r\n  gone@x.example\r\n    unknown user\r\n",
        b"Invalid final delivery userid: gone@x.example\r\n\r\nOriginal message follows.\r\n\r\nTo: other@x.example",
    ],
)
def test_older_bounces_are_read_from_their_text(text: bytes) -> None:
    """qmail, sendmail, Exim and others write the address into their prose."""
    head = (
        b"From: MAILER-DAEMON@mx.x.example\r\nTo: anna@acme.example\r\nSubject: failure notice\r\n"
        b"Message-ID: <b@x.example>\r\n"
    )
    marks = content(mail(text, head=head)).marks
    assert (marks.bounce, marks.bounced) == (True, ("gone@x.example",))
