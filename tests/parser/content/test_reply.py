"""What a mail says itself, without quotes and signature."""

from __future__ import annotations

import time

import pytest

from services.parser.content.reply import CPU_SECONDS, reply_text, snippet
from services.parser.mime.diagnostics import Diagnostics
from tests.parser.samples import content, mail

QUOTE = "> Hello Joerg,\n> when does it ship?\n"


@pytest.mark.parametrize(
    "introduction",
    [
        "On Mon, 3 Mar 2025 at 10:00, Anna Schmidt <anna@acme.example> wrote:",
        "On Mon, 3 Mar 2025 at 10:00, Anna Schmidt\n<anna@acme.example> wrote:",
        "Am 03.03.2025 um 10:00 schrieb Anna Schmidt:",
        "Le lun. 3 mars 2025 à 10:00, Anna Schmidt <anna@acme.example> a écrit :",
        "El lun, 3 mar 2025 a las 10:00, Anna (<anna@acme.example>) escribió:",
        "Il giorno lun 3 mar 2025 alle 10:00 Anna <anna@acme.example> ha scritto:",
        "Op ma 3 mrt 2025 om 10:00 schreef Anna <anna@acme.example>:",
        "Den mån 3 mars 2025 kl 10:00 skrev Anna <anna@acme.example>:",
        "Dnia 3 marca 2025 10:00 Anna <anna@acme.example> napisał(a):",
        "3 марта 2025, 10:00, Anna <anna@acme.example> написал:",
        "2025年3月3日(月) 10:00 Anna <anna@acme.example>:",
        "Anna <anna@acme.example> 2025-03-03 10:00:",
    ],
)
def test_quote_and_its_introduction_are_left_out(introduction: str) -> None:
    """The quoted mail is left out together with the line that introduces it, in every language."""
    assert reply_text(f"It ships on Friday.\n\n{introduction}\n\n{QUOTE}", Diagnostics()) == "It ships on Friday."


@pytest.mark.parametrize(
    "header",
    [
        "From: Anna Schmidt\nSent: Monday, March 3, 2025 10:00 AM\nTo: Joerg\nSubject: Offer\n\nHello Joerg",
        "Von: Anna Schmidt\nGesendet: Montag, 3. März 2025 10:00\nAn: Joerg\nBetreff: Offer\n\nHallo Joerg",
        "-----Original Message-----\nFrom: Anna\nSent: Monday\n\nHello Joerg",
        "-----Ursprüngliche Nachricht-----\nVon: Anna\n\nHallo Joerg",
        "________________________________\nFrom: Anna\nSent: Monday\n\nHello Joerg",
    ],
)
def test_outlooks_quote_without_marks_is_left_out(header: str) -> None:
    """Outlook quotes under a header block, not behind marks."""
    assert reply_text(f"It ships on Friday.\n\n{header}\n", Diagnostics()) == "It ships on Friday."


def test_answers_between_quotes_stay() -> None:
    """Of an answer point by point all that its author wrote stays."""
    text = "On Monday Anna <anna@acme.example> wrote:\n> one?\n\nYes.\n\n> two?\n\nNo.\n"
    assert reply_text(text, Diagnostics()) == "Yes.\n\nNo."


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nJoerg\nClient Ltd",
        "--\nJoerg",
        "Best regards\nJoerg",
        "Mit freundlichen Grüßen\nJoerg",
        "Sent from my phone",
    ],
)
def test_signature_is_left_out(signature: str) -> None:
    """A signature is no part of the answer."""
    assert reply_text(f"It ships on Friday.\n\n{signature}\n", Diagnostics()) == "It ships on Friday."


def test_lists_with_hyphens_stay() -> None:
    """A list is no signature."""
    text = "We need:\n- two chairs\n- one table"
    assert reply_text(text, Diagnostics()) == text


def test_mail_that_is_all_quote_stays() -> None:
    """Where nothing would be left, the text stays: a forwarded mail without a word says what it forwards."""
    assert reply_text(QUOTE, Diagnostics()) == QUOTE.strip()
    forwarded = "From: Anna\nSent: Monday\nTo: Joerg\nSubject: Offer\n\nHello"
    assert "Hello" in reply_text(forwarded, Diagnostics())


def test_snippet_is_one_line_of_200_characters() -> None:
    """The snippet is the start of the answer on one line."""
    found = content(mail(b"first line\r\nsecond line\r\n\r\n> quoted\r\n"))
    assert found.snippet == "first line second line"
    assert len(snippet("word " * 100)) <= 200


@pytest.mark.parametrize(
    "piece",
    [
        "\n",
        " \n",
        "From: ",
        "On ",
        "> ",
        "Thanks,\n",
        "From: a\nSent: b\n",
        "Disclaimer: mail ",
        "On x wrote:\n",
        "\u2028\x0b",
    ],
)
def test_reply_of_hostile_text_is_quick(piece: str) -> None:
    """Text that makes regular expressions backtrack costs no more than a few times the CPU limit."""
    text = piece * (70_000 // len(piece)) + "wrote: schrieb a écrit escribió: From: Original Message Thanks"
    start = time.process_time()
    reply_text(text, Diagnostics())
    assert time.process_time() - start < 4 * CPU_SECONDS
