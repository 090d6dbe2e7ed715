"""Signatures are left out, and nothing that a mail says."""

from __future__ import annotations

import pytest

from tests.parser.reply.samples import reply_text


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJoerg\nClient Ltd",
        "--\nJoerg",
        "Best regards\nJoerg",
        "Best regards, Joerg Weber",
        "Mit freundlichen Grüßen\nJoerg",
        "MIT FREUNDLICHEN GRUESSEN\ni.A. Joerg von Weber\nClient Ltd, Mainstr. 5, 50667 Köln\nTel. +49 221 555 01 23",
        "Thanks,\nJoerg",
        "Cordialement,\nJoerg",
        "Saludos\nJoerg",
        "С уважением,\nЙорг",
        "Med venlig hilsen\nJoerg",
        "Pozdrawiam,\nJoerg",
        "Sent from my phone",
        "Von meinem iPhone gesendet",
        "Gesendet mit der GMX Mail App",
        "Envoyé de mon iPhone",
        "Enviado desde mi iPad",
        "Enviado do meu iPhone",
        "Inviato da iPhone",
        "Verzonden vanaf mijn Galaxy",
        "Wysłane z iPhone'a",
        "Sendt fra min iPhone",
        "Skickat från min iPhone",
        "Отправлено с iPhone",
        "iPhoneから送信",
        "从我的iPhone发送",
        "iPhone'umdan gönderildi",
        "나의 iPhone에서 보냄",
        "Get Outlook for iOS<https://aka.ms/o0ukef>",
        "Best regards\nJoerg\n\nSent from my iPhone",
        "Joerg\n\nThis e-mail is confidential and only for the intended recipient."[7:],
        "________________________________________\nNews mailing list\nhttps://lists.x.example/news",
    ],
)
def test_signature_is_left_out(signature: str) -> None:
    """A signature is no part of the answer, with or without a quote below it."""
    text = "It ships on Friday."
    assert reply_text(f"{text}\n\n{signature}\n") == text
    quote = "On Mon, 3 Mar 2025 at 10:00, Anna <anna@acme.example> wrote:\n> when?\n"
    assert reply_text(f"{text}\n\n{signature}\n\n{quote}") == text


@pytest.mark.parametrize(
    "text",
    [
        "We need:\n- two chairs\n- one table",
        "Hi Eva,\n\nThanks, we got it.\nWe want 40 units.",
        "Hi Eva,\nThank you, that was quick.\nWe want to order 40 units. Ship to Berlin.",
        "Hola,\n\nGracias, lo hemos recibido.\nQueremos 40 unidades.",
        "Thanks,\n\nI have the papers now. Who signs for you?\n\nKim",
        "Hi Anna,\n\nRegards the contract: clause 7 needs a change.\n\nKim",
        "We compared.\n\nBest price was yours. We order 200 pieces.\n\nKim",
        "Option A\n--\nOption B\n--\nOption C\n\nWhich one do you want?",
        "Option A\n-- \nOption B\n-- \nOption C\n\nWhich one do you want?",
        "The terms:\n--\nWe deliver within thirty days of the order. You pay within ten.",
        "Hello,\n\nBest regards\nKim\n\nPS: we need 40 units, not 30.",
        "Hello,\n\nThanks\n40 units, please",
        "Hello,\n\nCheers\nSee you on Friday at the fair in Berlin.",
        "Hello,\n\nmany thanks!",
        "Sent from my warehouse to yours: 40 units.",
        "Dear Kim,\n\nGesendet von unserem Lager am Montag, ist es da?",
        "Dear Kim,\n\nVon meinem iPhone gesendet\n\nOder kam es nicht an?",
        "Please fill in:\n\n____________________________\nName and date\n\nThen send it back.",
        "Hello,\n\nthis mail is confidential and for the intended recipient alone.\n\nWe pay 4.20 for each, but tell nobody.",
        "See:\n________________________________\nhttps://shop.x.example/a is broken. Can you look at it?",
    ],
)
def test_own_text_that_looks_like_a_signature_stays(text: str) -> None:
    """What people write between and below such words is never cut."""
    assert reply_text(text) == text


def test_long_text_below_a_mark_stays() -> None:
    """A signature is short."""
    text = "Chapter 1\n-- \n" + "We deliver and you pay.\n" * 40
    assert reply_text(text) == text.strip()


def test_mail_that_is_only_a_sign_off_stays() -> None:
    """Something is always left."""
    for text in ("Best regards\nJoerg", "-- \nJoerg", "Sent from my iPhone", "--\nJoerg"):
        assert reply_text(text) == text
