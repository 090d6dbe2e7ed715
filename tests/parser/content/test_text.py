"""Charsets, transfer encodings, format=flowed, HTML to text."""

from __future__ import annotations

import base64
import re

import pytest

from services.parser.content import plaintext
from tests.parser.samples import content, mail, mixed, parsed, part, with_field

GERMAN = "Grüße aus Köln: 5 €"
RUSSIAN = "Добрый день, высылаю вам договор и счёт на оплату за март."
CHINESE = "您好。附件是报价单、请查收。朱镕基总理的镕字不在旧表里。"
KOREAN = "안녕하세요, 견적서를 첨부합니다. 똠방각하 펲시콜라"
JAPANESE = "お世話になっております。見積書を送付いたします。①㈱"


@pytest.mark.parametrize(
    ("charset", "codec", "text"),
    [
        (b"utf-8", "utf-8", GERMAN),
        (b"iso-8859-1", "cp1252", GERMAN),  # what mailers mean by it
        (b"us-ascii", "cp1252", GERMAN),
        (b"us-ascii", "utf-8", GERMAN),
        (b"iso-8859-1", "utf-8", GERMAN),  # a wrong label
        (b"windows-1252", "gb18030", CHINESE),  # a very wrong label
        (b"gb2312", "gbk", CHINESE),  # characters that GB 2312 has not
        (b"gbk", "gb18030", CHINESE),
        (b"ks_c_5601-1987", "cp949", KOREAN),
        (b"euc-kr", "cp949", KOREAN),
        (b"shift_jis", "cp932", JAPANESE),
        (b"koi8-r", "koi8-r", RUSSIAN),
        (b"utf-7", "utf-7", GERMAN),
        (b"unicode-1-1-utf-7", "utf-7", RUSSIAN),
        (b"utf-16", "utf-16", GERMAN),
        (b"cp437", "cp437", "Grüße"),
        (b"x-unknown", "cp1251", RUSSIAN),
        (b"x-unknown", "utf-8", RUSSIAN),
        (b"unicode_escape", "utf-8", GERMAN),  # a Python codec, no charset
        (None, "utf-8", GERMAN),
        (None, "cp1252", GERMAN),
        (None, "koi8-r", RUSSIAN),
        (None, "gb18030", CHINESE * 3),
    ],
)
def test_text_is_decoded_whatever_the_label_says(charset: bytes | None, codec: str, text: str) -> None:
    """Text is read in the charset that it is really in."""
    kind = b"Content-Type: text/plain" + (b"; charset=" + charset if charset else b"")
    raw = mail(base64.encodebytes(text.encode(codec)), kind, b"Content-Transfer-Encoding: base64")
    assert content(raw).text == text


@pytest.mark.parametrize(
    ("charset", "data", "text"),
    [
        (b"utf-8", GERMAN.encode() + b"\xe2\x82", GERMAN + "\ufffd"),  # cut within its last character
        (b"utf-8", "Grüße, ".encode() + b"K\xf6ln, S\xc3\xa4le", "Grüße, Köln, Säle"),  # a byte of another charset
        (None, RUSSIAN.encode() + b"\xff", RUSSIAN + "ÿ"),
        (
            b"utf-8",
            "päivää".encode() + b" \xe4\xe4\xe4\xe4",
            "päivää \ufffd",
        ),  # said to be UTF-8: it is, and something else
        (b"iso-8859-1", b"\xc4\xd6\xdc\xdf\xe4\xf6\xfc", "ÄÖÜßäöü"),  # no evidence against the label
        (b"iso-8859-1", b"a" + b"\xa0" * 40 + b"b", "a" + "\xa0" * 40 + "b"),
        (b"iso-8859-1", RUSSIAN.encode("cp1251"), RUSSIAN),
        (b"cp-850", "Grüße".encode("cp850"), "Grüße"),
        (b"windows1251", RUSSIAN.encode("cp1251"), RUSSIAN),
        (b"utf-16", GERMAN.encode("utf-16-be"), GERMAN),
        (None, GERMAN.encode("utf-16-le"), GERMAN),
        (
            None,
            "Proszę o wycenę śrub, żeby nie było za późno".encode("cp1250"),
            "Proszę o wycenę śrub, żeby nie było za późno",
        ),
        (None, "Teşekkürler, iyi çalışmalar".encode("cp1254"), "Teşekkürler, iyi çalışmalar"),
    ],
)
def test_damaged_and_badly_labelled_text(charset: bytes | None, data: bytes, text: str) -> None:
    """One bad byte spoils no text, a label that may be right is believed, and the letters decide where there is none."""
    kind = b"Content-Type: text/plain" + (b"; charset=" + charset if charset else b"")
    raw = mail(base64.encodebytes(data), kind, b"Content-Transfer-Encoding: base64")
    assert content(raw).text == text


@pytest.mark.parametrize(
    ("codec", "words"),
    [
        (
            "cp1252",
            "Für Sie|Grüße|Müller|Über uns|déjà|café|señor|mañana|você|ação|Malmö|smørrebrød|forêt|perché|città|Öl|øl|naïve|José",
        ),
        ("cp1251", "Привет|Добрый день|Счёт на оплату|Договор № 5"),
        ("koi8-r", "Привет|Добрый день|Москва"),
        ("gbk", "您好|报价单|合同|请查收附件|订单确认|朱镕基|关于合作的建议|你好，世界"),
        ("big5", "您好|報價單|訂單確認"),
        ("cp932", "こんにちは|見積書|テスト"),
        ("euc_jp", "こんにちは|見積書について"),
        ("cp949", "안녕하세요|견적서"),
        ("cp1253", "Καλημέρα|Ευχαριστώ πολύ"),
        ("cp1255", "הצעת מחיר"),
        ("cp1256", "السلام عليكم"),
    ],
)
def test_short_words_without_a_label(codec: str, words: str) -> None:
    """Even a word or two in 8 bits is read by its letters."""
    for word in words.split("|"):
        assert content(with_field(b"Subject", word.encode(codec))).subject == word


def test_iso_2022_jp_with_characters_that_only_mailers_have() -> None:
    """NEC's circled digits in ISO-2022-JP are read, declared or not."""
    data = (
        b"\x1b$B"
        + b"".join(bytes([byte & 0x7F for byte in character.encode("euc_jp")]) for character in "見積書")
        + b"\x2d\x21\x1b(B ok"
    )
    assert content(mail(data, b"Content-Type: text/plain; charset=iso-2022-jp")).text == "見積書① ok"
    assert content(mail(data)).text == "見積書① ok"


def test_wrong_label_is_a_defect() -> None:
    """A repair is reported in one word."""
    raw = mail("Grüße".encode(), b"Content-Type: text/plain; charset=iso-8859-1")
    assert content(raw).marks.defects == ("charset:iso-8859-1",)


@pytest.mark.parametrize(
    ("encoding", "body", "text"),
    [
        (b"quoted-printable", b"a=\r\nb=3D=C3=B6 \t\r\nc", "ab=ö\nc"),
        (b"base64", b"SGVsbG8=", "Hello"),
        (b"base64", b"SGVs\r\n bG8", "Hello"),  # padding left out
        (b"BASE64 ; x", b"SGVsbG8=", "Hello"),
        (b"base64", b"SGVsbG8=\r\n-- \r\nA list's footer", "Hello"),
        (b"base64", b"SGVs\r\nbA==\r\nbyB5b3U=\r\n", "Hello you"),  # encoded in chunks
        (b"8-bit", b"Hello", "Hello"),
        (b"no-such-encoding", b"Hello", "Hello"),
        (b"x-uuencode", b"begin 644 a.txt\r\n%2&5L;&\\\r\n`\r\nend\r\n", "Hello"),
    ],
)
def test_transfer_encoding_is_undone(encoding: bytes, body: bytes, text: str) -> None:
    """Each encoding is undone, also when it is spelt or ended wrongly."""
    raw = mail(body, b"Content-Type: text/plain; charset=utf-8", b"Content-Transfer-Encoding: " + encoding)
    assert content(raw).text == text


def test_flowed_text_has_its_paragraphs_back() -> None:
    """format=flowed: soft breaks are joined within a quote depth, stuffed spaces removed, the signature mark kept."""
    body = b"This is one \r\nparagraph.\r\n> quoted \r\n> more\r\n From here\r\nDear all \r\n-- \r\nJoerg\r\n"
    found = content(mail(body, b"Content-Type: text/plain; format=flowed"))
    assert found.text == "This is one paragraph.\n> quoted more\nFrom here\nDear all \n-- \nJoerg"


def test_flowed_text_with_delsp_loses_the_trailing_spaces() -> None:
    """DelSp=yes: the space that marks a soft break is not part of the text."""
    assert (
        content(
            mail("漢字 \r\n仮名".encode(), b"Content-Type: text/plain; charset=utf-8; format=flowed; delsp=yes")
        ).text
        == "漢字仮名"
    )


def test_text_comes_from_html_when_there_is_no_other() -> None:
    """HTML becomes lines of text; scripts, styles and the head are dropped, quotes are marked."""
    html = (
        b"<html><head><title>T</title><style>p {}</style></head><body><script>evil()</script>"
        b"<p>Dear <b>An</b>na,</p><div>see<br>below&nbsp;&amp; here</div><ul><li>one<li>two</ul>"
        b"<table><tr><td>a</td><td>b</td></tr></table><blockquote>old<blockquote>older</blockquote></blockquote>"
        b"<pre>x\r\ny</pre></body></html>"
    )
    found = content(mail(html, b"Content-Type: text/html; charset=utf-8"))
    assert found.text == ("Dear Anna,\n\nsee\nbelow & here\n\n- one\n- two\n\na\nb\n\n> old\n>\n> > older\n\nx\ny")
    assert found.html == html.decode()


def test_the_charset_of_html_may_be_in_its_head() -> None:
    """HTML without a charset parameter is decoded as its meta element says."""
    html = '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>Привет'.encode("koi8-r")
    assert content(mail(html, b"Content-Type: text/html")).text == "Привет"


def test_text_of_alternative_is_the_plain_one() -> None:
    """Of two alternatives the plain one is the text, the other the HTML."""
    found = content(
        mixed(
            part(b"plain", b"Content-Type: text/plain"),
            part(b"<p>rich", b"Content-Type: text/html"),
            kind=b"alternative",
        )
    )
    assert (found.text, found.html) == ("plain", "<p>rich")


def test_empty_plain_alternative_gives_way_to_the_html() -> None:
    """Some mailers send an empty text beside the HTML."""
    found = content(
        mixed(
            part(b" \r\n", b"Content-Type: text/plain"),
            part(b"<p>rich", b"Content-Type: text/html"),
            kind=b"alternative",
        )
    )
    assert found.text == "rich"


def test_inline_texts_are_joined() -> None:
    """Several inline text parts are one text: a list's footer belongs to it."""
    found = content(mixed(part(b"mail", b"Content-Type: text/plain"), part(b"footer", b"Content-Type: text/plain")))
    assert found.text == "mail\n\nfooter"
    assert found.attachments == ()


def test_long_text_is_cut_and_long_html_is_a_blob() -> None:
    """Text over 256 KiB is cut, HTML over 256 KiB is stored as a blob whole."""
    long = "ö".encode() * 200_000
    text = content(mail(long, b"Content-Type: text/plain; charset=utf-8"))
    assert len(text.text.encode()) == 256 * 1024
    assert text.marks.truncated
    found = parsed(mail(b"<p>" + long, b"Content-Type: text/html; charset=utf-8"))
    assert found.content.html is None
    assert found.content.html_blob is not None
    assert found.blobs[found.content.html_blob] == b"<p>" + long


def test_control_characters_are_not_text() -> None:
    """NUL and other control characters are taken out of text and HTML."""
    assert content(mail(b"a\x00b\x07c")).text == "abc"
    assert content(mail(b"<p>a\x00b", b"Content-Type: text/html")).html == "<p>ab"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ('<div style="display:none">Preview</div><p>Hello</p>', "Hello"),
        ('<div style="Display : none !important">Preview<p style="display:none">x</p></div><p>Hello</p>', "Hello"),
        ('<span style="font-size:0px;line-height:0">Preview</span><p>Hello</p>', "Hello"),
        ('<span style="visibility:hidden">Preview</span><p>Hello</p>', "Hello"),
        ("<p hidden>Preview</p><p>Hello</p>", "Hello"),
        ('<div style="max-height:0px; overflow:hidden">Preview</div><p>Hello</p>', "Hello"),
        (
            '<p style="line-height:0;overflow:hidden">Low</p><p style="max-height:0.5em;overflow:hidden">High</p>',
            "Low\n\nHigh",
        ),
        ('<div style="mso-hide:all">Preview</div>Hello', "Hello"),
        ("<p>Hello" + "&#847;&zwnj;&nbsp;" * 20 + "</p><p>Kim</p>", "Hello\n\nKim"),
        ("<p>Hello" + "&#8203;&#65279;" * 9 + " Kim", "Hello Kim"),
        # what looks like it and is shown
        ('<div style="display:none"><p>All of it</p></div>', "All of it"),
        ('<span style="font-size:0.9em">Small</span> print', "Small print"),
        ('<span style="mso-line-height-alt:0;display:block;opacity:0.5">Pale</span>', "Pale"),
        ('<p>the style is "display:none"</p>', 'the style is "display:none"'),
        ("<p>می&zwnj;خواهم 👩&zwj;👩&zwj;👧 auto&shy;mat</p>", "می\u200cخواهم 👩\u200d👩\u200d👧 auto\u00admat"),
        ('<div style="display:none">Preview</div><blockquote>quoted</blockquote>own', "> quoted\n\nown"),
    ],
)
def test_hidden_html_is_no_text(html: str, text: str) -> None:
    """What a page hides, and invisible characters that fill a preview, are not read."""
    assert content(mail(html.encode(), b"Content-Type: text/html; charset=utf-8")).text == text


def test_invisible_filler_in_plain_text_is_left_out() -> None:
    """The text that programs make of such HTML has it, too."""
    raw = mail(("Hello" + "\u034f \u200c \u00a0" * 20 + "\nKim").encode(), b"Content-Type: text/plain; charset=utf-8")
    assert content(raw).snippet == "Hello Kim"


@pytest.mark.parametrize("start", ["", "a\r\n", "\r\r\n", "é", "é\r\n", "é\r\r\n"])
@pytest.mark.parametrize(
    "odd", [*map(chr, range(0x20)), "\x7f", "\x85", "\x9f", "\u00ad" * 3, "\u200b" * 2, "\u2028", "ü"]
)
def test_clean_text_is_the_same_by_each_way(start: str, odd: str) -> None:
    """Text of ASCII and text without odd characters are cleaned in faster ways, which change nothing."""
    text = f"{start}one{odd}two\n"
    slow = plaintext._LINE_ENDS.sub("\n", text)
    slow = re.sub("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]", "", plaintext._FILLER.sub(" ", slow))
    assert plaintext.clean_text(text) == slow
