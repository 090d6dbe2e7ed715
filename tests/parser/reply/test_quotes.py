"""What a mail says itself, without what it quotes."""

from __future__ import annotations

import pytest

from services.parser.reply import quote_words
from services.parser.reply.text import read_reply
from tests.cpu_cost import cpu_seconds
from tests.parser.reply.samples import reply_text, snippet

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
        "Em seg., 3 de mar. de 2025 às 10:00, Anna <anna@acme.example> escreveu:",
        "пн, 3 мар. 2025 г. в 10:00, Anna <anna@acme.example>:",
        "пн, 3 бер. 2025 р. о 10:00 Anna <anna@acme.example> пише:",
        "Anna <anna@acme.example>, 3 Mar 2025 Pzt, 10:00 tarihinde şunu yazdı:",
        "Anna <anna@acme.example> ezt írta (időpont: 2025.\nmárc. 3., H, 10:00):",
        "În lun., 3 mar. 2025 la 10:00, Anna <anna@acme.example> a scris:",
        "ma 3. maalisk. 2025 klo 10.00 Anna (anna@acme.example) kirjoitti:",
        "Στις Δευ 3 Μαρ 2025 στις 10:00 π.μ., ο χρήστης Anna <anna@acme.example>\nέγραψε:",
        "在 2025年3月3日，10:00，Anna <anna@acme.example> 写道：",
        "2025년 3월 3일 (월) 오전 10:00, Anna <anna@acme.example>님이 작성:",
        "Dne po 3. 3. 2025 10:00 uživatel Anna\n<anna@acme.example> napsal:",
        "On Mon, 3 Mar 2025 at 10:00, Anna Schmidt of the Acme company\nof Cologne and Berlin\n<anna@acme.example> wrote:",
        "Anna Schmidt wrote:",
        "In a message dated 3/3/2025 10:00:00 AM, anna@acme.example writes:",
    ],
)
def test_quote_and_its_introduction_are_left_out(introduction: str) -> None:
    """The quoted mail is left out together with the line that introduces it, in every language."""
    assert reply_text(f"It ships on Friday.\n\n{introduction}\n\n{QUOTE}") == "It ships on Friday."


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
    assert reply_text(f"It ships on Friday.\n\n{header}\n") == "It ships on Friday."


def test_answers_between_quotes_stay() -> None:
    """Of an answer point by point all that its author wrote stays."""
    text = "On Monday Anna <anna@acme.example> wrote:\n> one?\n\nYes.\n\n> two?\n\nNo.\n"
    assert reply_text(text) == "Yes.\n\nNo."


def test_mail_that_is_all_quote_stays() -> None:
    """Where nothing would be left, the text stays: a forwarded mail without a word says what it forwards."""
    assert reply_text(QUOTE) == QUOTE.strip()
    forwarded = "From: Anna\nSent: Monday\nTo: Joerg\nSubject: Offer\n\nHello"
    assert "Hello" in reply_text(forwarded)


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
        "-- \n",
        "-----BEGIN PGP MESSAGE-----\n",
        "Best regards\nKim\n\n",
        "From: a@x.example\nDate: 2025\n\n",
        "This mail is confidential.\n\n",
        "a@x.example <b> wrote: 2025\n",
        "Sent from my iPhone\n",
    ],
)
def test_reply_of_hostile_text_takes_linear_time(piece: str) -> None:
    """A text twice as long takes about twice the time, however much of it looks like a quote or a signature."""
    small, large = (piece * (size // len(piece)) for size in (60_000, 120_000))
    for _ in range(3):  # a pause of the machine may have hit the long run
        before = max(cpu_seconds(lambda: reply_text(small)) for _ in range(2))
        if (after := cpu_seconds(lambda: reply_text(large))) < 3 * before:
            break
    else:
        pytest.fail(f"{before * 1e3:.1f} ms, twice as much {after * 1e3:.1f} ms")


def test_blank_lines_below_a_long_quoted_line_cost_little() -> None:
    """Whether a line ends a link that is open above it is asked of the end of the line above, and not for blank lines."""
    small, large = ("> (http" + "x" * size + "\n" * size for size in (60_000, 120_000))
    for _ in range(3):  # a pause of the machine may have hit the long run
        before = max(cpu_seconds(lambda: reply_text(small)) for _ in range(2))
        if (after := cpu_seconds(lambda: reply_text(large))) < 3 * before:
            break
    else:
        pytest.fail(f"{before * 1e3:.1f} ms, twice as much {after * 1e3:.1f} ms")


@pytest.mark.parametrize(
    "introduction",
    [
        "On Mon, 3 Mar 2025 at 10:00, Anna Schmidt <anna@acme.example> wrote:",
        "On Mon, 3 Mar 2025 at 10:00, Anna Schmidt\n<anna@acme.example> wrote:",
        "Am 03.03.2025 um 10:00 schrieb Anna Schmidt:",
        "Le lun. 3 mars 2025 à 10:00, Anna Schmidt <anna@acme.example> a écrit :",
        "Anna <anna@acme.example>, 3 Mar 2025 Pzt, 10:00 tarihinde şunu yazdı:",
        "2025年3月3日(月) 10:00 Anna <anna@acme.example>:",
        "---- On Mon, 03 Mar 2025 10:00:00 +0100 Anna <anna@acme.example> wrote ----",
    ],
)
def test_quote_without_marks_is_left_out_below_its_introduction(introduction: str) -> None:
    """Some programs mark a quote only by the line above it."""
    assert reply_text(f"It ships on Friday.\n\n{introduction}\n\nHello Joerg,\nwhen?") == "It ships on Friday."


HEADERS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De ", "Envoyé ", "À ", "Objet "),
    "es": ("De", "Enviado", "Para", "Asunto"),
    "it": ("Da", "Inviato", "A", "Oggetto"),
    "nl": ("Van", "Verzonden", "Aan", "Onderwerp"),
    "pl": ("Od", "Wysłano", "Do", "Temat"),
    "cs": ("Od", "Odesláno", "Komu", "Předmět"),
    "sk": ("Od", "Odoslané", "Komu", "Predmet"),
    "da": ("Fra", "Sendt", "Til", "Emne"),
    "sv": ("Från", "Skickat", "Till", "Ämne"),
    "fi": ("Lähettäjä", "Lähetetty", "Vastaanottaja", "Aihe"),
    "pt": ("De", "Enviada em", "Para", "Assunto"),
    "ru": ("От", "Отправлено", "Кому", "Тема"),
    "uk": ("Від", "Надіслано", "Кому", "Тема"),
    "tr": ("Kimden", "Gönderildi", "Kime", "Konu"),
    "hu": ("Feladó", "Elküldve", "Címzett", "Tárgy"),
    "ro": ("De la", "Trimis", "Către", "Subiect"),
    "el": ("Από", "Εστάλη", "Προς", "Θέμα"),
    "ja": ("差出人", "送信日時", "宛先", "件名"),
    "zh": ("发件人", "发送时间", "收件人", "主题"),
    "zh-TW": ("寄件者", "寄件日期", "收件者", "主旨"),
    "ko": ("보낸 사람", "보낸 날짜", "받는 사람", "제목"),
}


@pytest.mark.parametrize("language", HEADERS)
@pytest.mark.parametrize("form", ["{}: ", "*{}:* ", "{}\uff1a"])
def test_header_block_begins_a_quote_in_many_languages(language: str, form: str) -> None:
    """The block that Outlook writes above a quote is known by its labels, also in bold or with wide colons."""
    values = ("Anna <anna@acme.example>", "3.3.2025 10:00", "Joerg <joerg@client.example>", "Offer")
    block = "\n".join(form.format(label) + value for label, value in zip(HEADERS[language], values, strict=True))
    assert reply_text(f"It ships on Friday.\n\n{block}\n\nHello Joerg") == "It ships on Friday."


@pytest.mark.parametrize(
    "text",
    [
        "The trains:\n\nFrom: Berlin, 9:05\nTo: Hamburg, 10:52\n\nPlease book two seats.",
        "The trip:\n\nFrom: Berlin\nTo: Hamburg\nDate: 5 March 2025\n\nPlease book two seats.",
        "Hi Anna,\n\nas I wrote:\n\nthe delivery is late.",
        "Please fill in:\n\n____________________________\nName and date\n\nThen send the form back.",
        "Option A: 100 pieces\n-----\nOption B: 500 pieces\n=====\nWhich one?",
        "We met on 3 March 2025, and Anna wrote: we take it.\nSo do we.",
        "I asked anna@acme.example at 10:00 (see below):\n\nShe takes both.",
        "2025年度の予算が決まりました。\n田中さん: 参加してください。\n場所は本社です。",
        "Subject: the order\nTo: be decided\n\nWe want 40 units.",
        "Original message follows later.\nForwarded message: not yet.",
        "Two points on 3 March 2025:\n1. price\n2. date",
        "OK> is what the shell says.\nAnd then it stops.",
    ],
)
def test_text_that_looks_like_a_quote_stays(text: str) -> None:
    """Labels, rules and the word "wrote" in a mail's own text begin no quote."""
    assert reply_text(text) == text


@pytest.mark.parametrize(
    "line",
    [
        "I have 2 questions about this from 10:00:",
        "As you wrote:",
        "On Friday we ship.\nAnna wrote:",
        "See these 3 lines:",
    ],
)
def test_own_words_above_a_quote_stay(line: str) -> None:
    """Only what says who wrote when goes with the quote."""
    assert reply_text(f"Hello,\n\n{line}\n\n{QUOTE}").startswith(f"Hello,\n\n{line.partition(chr(10))[0]}")


def test_answer_below_a_quote_stays_although_its_introduction_is_cut_off() -> None:
    """A mark for what was left out may stand between the introduction and the quote."""
    text = "Hi,\n\nOn Mon, 3 Mar 2025 10:00:00 +0100 Anna Schmidt wrote:\n\n[...]\n> how many?\n\nYes, 40 units.\n\nEva"
    assert reply_text(text) == "Hi,\n\n[...]\n\nYes, 40 units.\n\nEva"
    marked = "On Mon, 3 Mar 2025 at 10:00, Anna Schmidt <anna@acme.example> wrote:\nAS> how many?\n\nYes, 40 units."
    assert reply_text(marked).endswith("Yes, 40 units.")


FORWARDED = (
    "From: Client <c@client.example>\nDate: Mon, Mar 4, 2024 at 9:00 AM\nSubject: Order\nTo: <eva@vendor.example>\n\n"
    "Please send 40."
)


@pytest.mark.parametrize(
    "mark",
    [
        "---------- Forwarded message ---------",
        "-------- Weitergeleitete Nachricht --------",
        "---------- Message transféré ---------",
        "Begin forwarded message:",
        "-------- Пересылаемое сообщение --------",
        "---------- 转发的邮件 ---------",
    ],
)
def test_forward_says_what_is_forwarded(mark: str) -> None:
    """Without words of its own it is what it forwards; with some, these come first."""
    assert reply_text(f"\n{mark}\n{FORWARDED}") == FORWARDED
    assert snippet(f"\n{mark}\n{FORWARDED}") == "Please send 40."
    assert reply_text(f"Can you?\n\n{mark}\n{FORWARDED}") == "Can you?"
    assert snippet(f"Can you?\n\n{mark}\n{FORWARDED}") == "Can you? Please send 40."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            (
                "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nIt stands.\n- -- \n- x\n"
                "-----BEGIN PGP SIGNATURE-----\n\niQEz\n-----END PGP SIGNATURE-----"
            ),
            "It stands.",
        ),
        (
            "See my key.\n\n-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQEN\n-----END PGP PUBLIC KEY BLOCK-----\n\nEva",
            "See my key.\n\nEva",
        ),
        ("-----BEGIN PGP MESSAGE-----\n\nhQEM\n-----END PGP MESSAGE-----", "-----BEGIN PGP MESSAGE-----"),
        ("Look for -----BEGIN PGP MESSAGE----- in it.", "Look for -----BEGIN PGP MESSAGE----- in it."),
        (
            "-----BEGIN PGP SIGNATURE-----\nis how it begins, my text goes on\nand on.",
            "-----BEGIN PGP SIGNATURE-----\nis how it begins, my text goes on\nand on.",
        ),
    ],
)
def test_armour_is_no_text(text: str, left: str) -> None:
    """Of what OpenPGP signs the text stays."""
    assert reply_text(text) == left


def test_snippet_is_one_line_of_200_characters() -> None:
    """The snippet is the start of the answer on one line."""
    assert snippet("first line\nsecond line\n\n> quoted\n") == "first line second line"
    assert len(snippet("word " * 100)) <= 200


@pytest.mark.parametrize(
    "word", [*quote_words._VERBS.split("|"), "yazdi", "wrotes", "rewrote", "写道", "a", "さんのメール"]
)
@pytest.mark.parametrize("line", ["{}", "Anna {}:", "({})", "x{}", "{}1", "_{}_", "é {}"])
def test_verb_is_found_by_its_words_as_by_its_pattern(word: str, line: str) -> None:
    """The look at a line's words, which is faster, finds what the pattern finds."""
    for text in (line.format(word), line.format(word.upper()), line.format(word.title())):
        assert quote_words.has_verb(text) is (quote_words.VERB.search(text) is not None)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("It is fine On Wed, Apr 4, 2012 at 3:59 PM, bob@x.example wrote:\n> Hi", "It is fine"),
        ("Well\nfine - that--- On Wed, Apr 4, 2012 at 3:59 PM, b@x.example wrote:\n> Hi", "Well\nfine - that"),
        ("Fine.\n\n------On 12/29/1987 17:32 PM, Bob Low wrote-----\n\nHi Anna", "Fine."),
        ("Fine.\n2011/4/7 Bob Low <bob@x.example>\n\n> Hi", "Fine."),
        ("Fine.\n\n> See\n (http://x.example/c/Yz) >\n> more", "Fine."),
        ("Fine.\n\n> See (http://x.example/a\n_b=3dd518)\n>", "Fine."),
        ("> See the list (http://x.example/a)\nRead :)\n> more", "Read :)"),
    ],
)
def test_introductions_and_links_that_programs_broke(text: str, own: str) -> None:
    """No word before an introduction on its line is lost, and no rest of a quote is shown."""
    assert read_reply(text).text == own


def test_forward_between_words_of_its_begin() -> None:
    """What only says that a forwarded text begins is no text of its own."""
    text = "--- begin forwarded text\n\n\nDate: Sun, 11 Aug 2002 03:33:37 -0400\nTo: <a@x.example>\nFrom: b@x.example\n\nHi"
    assert snippet(text) == "Hi"
