"""8-bit text without a label, in the languages and charsets of mail."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.parser.mime.charset_guess import guess
from tests.parser.samples import content, mail

LINES = [line.split("\t") for line in Path(__file__).with_name("without_label.tsv").read_text("utf-8").splitlines()[1:]]
"""Language, charsets, and a text."""
SIGNS = (
    "Robbie wins £7,000 and spends it all",
    "The Intel® manual of 2024",
    "Cases are 49¢ each: • sound • cheap",
    "It’s “fine” – 5 € © Firm",
)


@pytest.mark.parametrize("language", dict.fromkeys(line[0] for line in LINES))
def test_letters_and_words_tell_the_charset(language: str) -> None:
    """A line without a label is read by its letters, and by words of its language, alone and among lines of ASCII."""
    for _, codecs, text in (line for line in LINES if line[0] == language):
        for whole in (text, f"Hello,\n\n{text}\n\nBest regards\nAnna Schmidt, +49 30 123456\n"):
            for codec in codecs.split():
                assert guess(whole.encode(codec)) == whole


@pytest.mark.parametrize("text", SIGNS)
def test_signs_in_english_are_no_letters(text: str) -> None:
    """Pounds and trade marks are not letters of other languages at the same place."""
    assert guess(text.encode("cp1252")) == text


def test_damage_decides_nothing() -> None:
    """A few bytes that a charset has not do not rule it out."""
    assert guess("電子メール広告、今後".encode("cp932") + b"\xfd\n" + "ご希望されない方は".encode("cp932")).startswith(
        "電子メール"
    )


@pytest.mark.parametrize("codec", ["gb18030", "cp1251", "cp932", "cp949"])
def test_label_of_latin_letters_is_overruled_by_the_right_charset(codec: str) -> None:
    """Text of other scripts that is said to be Latin-1 is not read as a third one."""
    text = {
        "gb18030": "您好，请把报价单发给我。谢谢，期待您的回复",
        "cp1251": "Добрый день! Пришлите, пожалуйста, счёт на оплату товара",
        "cp932": "お世話になっております。見積書をお送りください。",
        "cp949": "안녕하세요, 견적서를 보내주세요. 감사합니다",
    }[codec]
    assert content(mail(text.encode(codec), b"Content-Type: text/plain; charset=iso-8859-1")).text == text
