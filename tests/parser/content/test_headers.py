"""Subjects, dates, ids: what header fields say, in whatever form they say it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.parser.samples import HEAD, RECEIVED, content, mail, multipart, parsed, part, with_field


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"Offer", "Offer"),
        (b"=?utf-8?q?J=C3=B6rg?=", "Jörg"),
        (b"=?UTF-8?B?SsO2cmc=?=", "Jörg"),
        (b"=?utf-8?q?J=C3?= =?utf-8?q?=B6rg?=", "Jörg"),  # split within a character
        (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"),  # RFC 2047 section 6.2
        (b"=?iso-8859-1?q?a?= =?utf-8?q?=C3=B6?= c", "aö c"),
        (b"Re: =?iso-8859-1?q?5_=80?=", "Re: 5 €"),  # means windows-1252
        (b"=?gb2312?b?" + base64.b64encode("朱镕基".encode("gbk")) + b"?=", "朱镕基"),  # means GBK
        (b"=?ks_c_5601-1987?b?vsiz58fPvLy/5A==?=", "안녕하세요"),
        (b"=?iso-2022-jp?b?GyRCJUYlOSVIGyhC?=", "テスト"),
        (b"=?utf-8*en?q?tag?=", "tag"),  # RFC 2231 section 5
        (b"=?utf-8?q?what??=", "what?"),  # a question mark that should have been encoded
        (b"=?utf-8?q?two words?=", "two words"),  # a space that should have been encoded
        (b"=?utf-8?B?SsO2cmc?=", "Jörg"),  # padding left out
        (b"=?utf-8?q?cut=20of", "cut of"),  # end left out
        (b"=?no-such-charset?q?plain?=", "plain"),
        (b"=?utf-8?x?abc?=", "=?utf-8?x?abc?="),  # no such encoding: unchanged
        ("Grüße".encode(), "Grüße"),  # RFC 6532
        ("Grüße".encode("windows-1252"), "Grüße"),
        (b"one\r\n two\r\n\tthree", "one two three"),
        (b"=?utf-8?q?a=0D=0ABcc:_x=00y?=", "a Bcc: x y"),  # no line breaks, no NUL
        (b"=?utf-8?q?e=CC=81?=", "é"),  # NFC
    ],
)
def test_subject_is_decoded_to_one_line(raw: bytes, subject: str) -> None:
    """A subject becomes one line of text, whatever its encoding and however broken."""
    assert content(with_field(b"Subject", raw)).subject == subject


def test_subject_is_cut_at_998_characters() -> None:
    """A longer subject is cut and the mail marked."""
    long = content(with_field(b"Subject", b"x" * 5000))
    assert len(long.subject) == 998
    assert long.marks.truncated


def test_subject_in_8_bit_is_read_in_the_charset_of_the_text() -> None:
    """Header bytes without a charset are probably in that of the text."""
    raw = with_field(b"Subject", "Москва".encode("koi8-r")).replace(
        b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n"
    )
    assert content(raw).subject == "Москва"


@pytest.mark.parametrize(
    ("raw", "date"),
    [
        (b"Mon, 3 Mar 2025 11:11:10 +0100", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"3 Mar 25 11:11 GMT", datetime(2025, 3, 3, 11, 11, tzinfo=UTC)),
        (b"Tue, 3 Mar 2025 11:11:10 +0100 (CET)", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),  # it was a Monday
        (b"2025-03-03T11:11:10+01:00", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"Mon Mar  3 11:11:10 2025", datetime(2025, 3, 3, 11, 11, 10, tzinfo=UTC)),
        (b"Mon, 3 Mar 2025 11:11:10 +01:00", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"Mon Mar 03 2025 11:11:10 GMT+0100 (CET)", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"Mon, 3 Mar 2025 11:11:10.987 +0100", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"Mon, 3 Mar 2025 11:11:10 MEZ", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"Mon, 3 Mar 2025 11:11:10 CEST", datetime(2025, 3, 3, 9, 11, 10, tzinfo=UTC)),
        (b"Mon, 3 Mar 2025 11:11:10 Eastern Standard Time", datetime(2025, 3, 3, 16, 11, 10, tzinfo=UTC)),
        (b"03.03.2025 11:11:10 +0100", datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"3/3/2025 11:11:10 PM -0500", datetime(2025, 3, 4, 4, 11, 10, tzinfo=UTC)),
        ("Mo., 3. März 2025 11:11:10 +0100".encode(), datetime(2025, 3, 3, 10, 11, 10, tzinfo=UTC)),
        (b"mar., 4 feb. 2025 11:11:10 +0100", datetime(2025, 2, 4, 10, 11, 10, tzinfo=UTC)),  # martes, not marzo
        ("вт, 4 марта 2025 11:11:10 +0300".encode(), datetime(2025, 3, 4, 8, 11, 10, tzinfo=UTC)),
        ("2025年3月3日 11:11:10 +0900".encode(), datetime(2025, 3, 3, 2, 11, 10, tzinfo=UTC)),
        (b"Mon, 3 Mar 2025 11:1:9 +0100", datetime(2025, 3, 3, 10, 1, 9, tzinfo=UTC)),
        (b"Mon, 33 Mar 2025 11:11:10 +0100", None),
        (b"yesterday", None),
        (b"Mon, 3 Mar 99999 11:11:10 +0100", None),
        (b"", None),
    ],
)
def test_date_is_read_tolerantly(raw: bytes, date: datetime | None) -> None:
    """Usual and old forms of a date are read; nonsense is None and the mail sorts by when it was received."""
    found = content(with_field(b"Date", raw))
    assert found.date == date
    assert found.sent_at == (date or RECEIVED)


@pytest.mark.parametrize(
    ("raw", "defects"),
    [
        (b"Mon, 3 Mar 2025 11:11:10 +0100", ()),
        (b"Mon, 3 Mar 2025 11:11:10 EST", ()),
        (b"Mon, 3 Mar 2025 11:11:10 +01:00", ("date",)),
        (b"Mon, 3 Mar 2025 11:11:10 CET", ("date",)),
        (b"Mon, 3 Mar 2025 11:11:10", ("date:guessed",)),  # in which zone?
        (b"Mon, 3 Mar 2025 11:11:10 IST", ("date:guessed",)),  # India, Israel, Ireland
        (b"3/4/2025 11:11:10 +0100", ("date:guessed",)),  # March or April?
        (b"yesterday", ("date",)),
    ],
)
def test_what_is_guessed_of_a_date_is_marked(raw: bytes, defects: tuple[str, ...]) -> None:
    """A date that is not as it should be is a defect, and what is not certain is named."""
    assert content(with_field(b"Date", raw)).marks.defects == defects


MONTHS = (
    "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "ledna února března dubna května června července srpna září října listopadu prosince",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня",
    "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık",
    "tammi helmi maalis huhti touko kesä heinä elo syys loka marras joulu",
    "ianuarie februarie martie aprilie mai iunie iulie august septembrie octombrie noiembrie decembrie",
    "január február március április május június július augusztus szeptember október november december",
    "Ιανουαρίου Φεβρουαρίου Μαρτίου Απριλίου Μαΐου Ιουνίου Ιουλίου Αυγούστου Σεπτεμβρίου Οκτωβρίου Νοεμβρίου Δεκεμβρίου",
    "januar februar marts april maj juni juli august september oktober november december",
    "januari februari mars april maj juni juli augusti september oktober november december",
)


@pytest.mark.parametrize("names", MONTHS)
def test_months_are_known_in_many_languages(names: str) -> None:
    """Names of months are read in the languages of mail programs."""
    for month, name in enumerate(names.split(), 1):
        found = content(with_field(b"Date", f"5 {name} 2025 11:11:10 +0000".encode())).date
        assert found == datetime(2025, month, 5, 11, 11, 10, tzinfo=UTC), name


@pytest.mark.parametrize("raw", [b"Mon, 1 Jan 1970 00:00:00 +0000", b"Wed, 3 Mar 2038 11:11:10 +0100"])
def test_unbelievable_date_is_kept_but_not_sorted_by(raw: bytes) -> None:
    """A date before 1971 or in the future stays what the mail says; it is sorted by when it was received."""
    found = content(with_field(b"Date", raw))
    assert found.date is not None
    assert found.sent_at == RECEIVED


@pytest.mark.parametrize(
    ("raw", "identifier"),
    [
        (b"<a@b>", "a@b"),
        (b"  <a@b> (comment)", "a@b"),
        (b"<a@\r\n b>", "a@b"),
        (b"a@b", "a@b"),
        (b"<no-at-sign>", "no-at-sign"),
        (b"bare", "bare"),
        (b"<>", None),
        (b"", None),
    ],
)
def test_message_id_has_no_brackets(raw: bytes, identifier: str | None) -> None:
    """A Message-ID is normalised, also where it lacks brackets or has white space in it."""
    assert content(with_field(b"Message-ID", raw)).message_id == identifier


def test_references_are_kept_in_order_first_and_newest() -> None:
    """Of more than a hundred references the first and the newest stay."""
    ids = [f"r{number}@x" for number in range(150)]
    found = content(mail(b"x", b"References: " + "\r\n ".join(f"<{name}>" for name in ids).encode()))
    assert found.references == (ids[0], *ids[-99:])
    assert found.marks.truncated
    assert found.thread == content(mail(b"y", b"In-Reply-To: <r0@x>")).thread


def test_in_reply_to_with_prose_gives_its_id() -> None:
    """Old mailers write a sentence around the id."""
    found = content(mail(b"x", b"In-Reply-To: Your message of Monday <id-1@x>"))
    assert found.in_reply_to == "id-1@x"
    assert content(mail(b"x", b"In-Reply-To: your mail")).in_reply_to is None


def test_line_that_is_no_field_is_skipped() -> None:
    """A garbage line among the fields costs neither the fields after it nor the body."""
    raw = HEAD.replace(b"Subject:", b"this is no field\r\nSubject:") + b"\r\nHello\r\n"
    found = content(raw)
    assert (found.subject, found.text) == ("Offer", "Hello")
    assert "header-line" in found.marks.defects


def test_lines_that_were_not_folded_do_not_end_the_header() -> None:
    """Several lines that are no fields are skipped when one of the usual fields follows, and a line of one space is a fold."""
    stray = b"Received: from mx\r\nby mx.acme.example\r\nid 17\r\n \r\nSubject:"
    found = content(HEAD.replace(b"Subject:", stray) + b"\r\nHello\r\n")
    assert (found.subject, found.text) == ("Offer", "Hello")
    found = content(HEAD + b"Hello there\r\nsecond line\r\n\r\nTo: be or not to be\r\n")
    assert found.text == "Hello there\nsecond line\n\nTo: be or not to be"


def test_body_without_blank_line_is_found() -> None:
    """Where the blank line is missing the body begins at the first line that cannot be a field."""
    found = content(HEAD + b"Hello there\r\nsecond line\r\n")
    assert found.text == "Hello there\nsecond line"


def test_mbox_from_line_is_no_field() -> None:
    """The separator line of an mbox before the header is ignored."""
    assert content(b"From joerg Mon Mar  3 11:11:10 2025\r\n" + mail()).subject == "Offer"


def test_bare_carriage_returns_end_lines() -> None:
    """Mail of a very old Macintosh is read."""
    found = content(mail(b"one\r\ntwo\r\n").replace(b"\r\n", b"\r"))
    assert (found.subject, found.text) == ("Offer", "one\ntwo")


LINE_BREAKS = re.compile("[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Whatever ``str.splitlines`` or a mail program may take for the end of a line."""
INJECTED = b"\rX-Injected: yes"


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


@pytest.mark.parametrize(
    "line_break", [b"\r", b"\r\r", b"=?utf-8?q?=0D?=", b"=?utf-8?b?DQ==?=", b"=?utf-8?q?=E2=80=A8?="]
)
def test_a_bare_cr_in_a_header_does_not_become_a_line_break(line_break: bytes) -> None:
    """A bare CR, raw or in an encoded word, starts no field, and no header value that is stored or sent breaks a line."""
    injected = INJECTED.replace(b"\r", line_break)
    image = part(
        b"\x89PNG",
        b'Content-Type: image/png; name="a' + injected + b'.png"',
        b"Content-ID: <c" + injected + b">",
        b'Content-Disposition: attachment; filename="a' + injected + b'.png"',
    )
    body, field = multipart(b"mixed", part(b"Hello", b"Content-Type: text/plain"), image)
    names = (b"From", b"To", b"Subject", b"Message-ID", b"In-Reply-To", b"References")
    values = dict.fromkeys(names, b'"a' + injected + b'" <u@client.example>')
    values[b"Subject"] = b"a" + line_break + b"Bcc: eve@x.example"
    head = b"".join(name + b": " + value + b"\r\n" for name, value in values.items())
    found = parsed(mail(body, field, head=head))
    assert found.bcc == ()
    assert {person.address for person in found.content.participants} == {"u@client.example"}
    assert found.content.text == "Hello"
    assert [text for text in strings(json.loads(found.content.model_dump_json())) if LINE_BREAKS.search(text)] == []
