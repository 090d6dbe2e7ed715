"""Which parts of a mail are its text, which its files, in structures that are usual and wrong."""

from __future__ import annotations

import base64
import binascii

import pytest

from tests.parser.samples import content, mail, mixed, multipart, parsed, part

PLAIN, HTML = b"Content-Type: text/plain", b"Content-Type: text/html"
IMAGE = part(b"\x89PNG", b"Content-Type: image/png; name=logo.png", b"Content-ID: <logo@x>")


def names(raw: bytes) -> list[str]:
    """Return the names of the attachments."""
    return [each.name for each in content(raw).attachments]


@pytest.mark.parametrize("start", [b'; start="<body@x>"', b"; start=body@x", b""])
def test_root_of_related_may_be_anywhere(start: bytes) -> None:
    """The body of multipart/related is what ``start`` names, or the first part that can be shown; the rest is what it refers to."""
    body, field = multipart(b"related", IMAGE, part(b'<p>order <img src="cid:logo@x">', HTML, b"Content-ID: <body@x>"))
    found = content(mail(body, field + start))
    assert (found.text, [(each.name, each.inline) for each in found.attachments]) == ("order", [("logo.png", True)])


def test_start_names_a_later_text() -> None:
    """Of two texts in multipart/related the one that ``start`` names is the body."""
    body, field = multipart(b"related", part(b"no", PLAIN), part(b"yes", PLAIN, b"Content-ID: <b@x>"))
    assert content(mail(body, field + b'; start="<b@x>"')).text == "yes"


def test_only_text_is_the_body_although_marked_as_attachment() -> None:
    """Where nothing else can be shown the only text is shown; with a file name it stays a file, too."""
    attached = b"Content-Disposition: attachment"
    found = content(mail(b"the text", PLAIN, attached))
    assert (found.text, found.attachments) == ("the text", ())
    raw = mixed(part(b"the text", PLAIN, attached + b"; filename=a.txt"), IMAGE)
    assert (content(raw).text, names(raw)) == ("the text", ["a.txt", "logo.png"])
    raw = mixed(part(b"own words", PLAIN), part(b"the text", PLAIN, attached))
    assert (content(raw).text, names(raw)) == ("own words", ["attachment-1.txt"])


def test_stub_beside_html_yields_to_it() -> None:
    """A plain text that only says that the mail is in HTML is not the text; a short one that says something is."""
    rich = part(
        b"<p>We offer 40 units at 5.20 each, delivered in March, and ask for your answer by Friday, the 7th, by mail.",
        HTML,
    )
    stub = part(b"Your program does not support HTML.", PLAIN)
    assert content(mixed(stub, rich, kind=b"alternative")).text.startswith("We offer 40 units")
    assert content(mixed(part(b"40 units.", PLAIN), rich, kind=b"alternative")).text == "40 units."


@pytest.mark.parametrize(
    ("stub", "rich", "shown"),
    [
        ("Bitte verwenden Sie ein HTML-fähiges Programm.", "<p>Wir bieten 40 Stück an.", "rich"),
        ("View this mail in your browser: https://x.example/", "<p>We offer 40 units.", "rich"),
        ("This message is in MIME format. Your mail reader does not support it.", "<p>We offer 40 units.", "rich"),
        ("Your mail program cannot\nshow mail in HTML.", "<p>We offer 40 units.", "rich"),
        ("40 units.\nYou do not see the HTML.", "<p>We offer caps.", "plain"),
        ("View this mail in your browser.", "<img src='https://x.example/all.png'>", "plain"),
        (
            "Please open the HTML page in your browser.",
            "<p>Please open <a href='x'>the HTML page</a> in your browser.",
            "plain",
        ),
    ],
)
def test_stub_is_one_whatever_the_length_of_the_html(stub: str, rich: str, shown: str) -> None:
    """A short plain text on HTML or browsers yields if the HTML has other words; if it has the same, it stays."""
    raw = mixed(part(stub.encode(), PLAIN + b"; charset=utf-8"), part(rich.encode(), HTML), kind=b"alternative")
    assert content(raw).text == (stub if shown == "plain" else rich.removeprefix("<p>"))


@pytest.mark.parametrize(
    "footer", [b"_" * 47 + b"\r\nlist mailing list\r\nhttp://l.example/\r\n", b"-- \r\nFirm Ltd, Berlin\r\n"]
)
@pytest.mark.parametrize("text", ["Grüße, 40 Stück bitte.", "Grüße, 40 Stück bitte..", "Grüße, 40 Stück bitte..."])
def test_words_behind_base64_are_not_decoded(text: str, footer: bytes) -> None:
    """What a mailing list appends to an encoded text spoils it neither with padding nor without."""
    encoded = base64.encodebytes(text.encode()).strip() + b"\r\n" + footer
    found = content(mail(encoded, PLAIN + b"; charset=utf-8", b"Content-Transfer-Encoding: base64"))
    assert (found.text, found.marks.defects) == (text, ("encoding:base64",))


def test_closing_line_is_no_boundary() -> None:
    """Where the type names no boundary, the line that ends the last part is not taken for one."""
    raw = mail(b"--x\r\nContent-Type: text/plain\r\n\r\nhello\r\n--x--\r\n", b"Content-Type: multipart/mixed")
    assert content(raw).text == "hello"
    raw = mail(b"--xyz\r\nContent-Type: text/plain\r\n\r\nhello\r\n--xyz--\r\n", b"Content-Type: multipart/mixed")
    assert content(raw).text == "hello"


def test_damage_within_base64_ends_no_file() -> None:
    """Characters that base64 has not, in the middle of a file, cost no more than they are."""
    data = bytes(range(256)) * 8
    lines = base64.encodebytes(data).splitlines()
    lines[3] = lines[3][:20] + b"!!" + lines[3][20:]
    raw = mixed(
        part(b"see", PLAIN), part(b"\r\n".join(lines), b"Content-Type: image/png", b"Content-Transfer-Encoding: base64")
    )
    assert data in parsed(raw).blobs.values()


@pytest.mark.parametrize("encoding", [b"base64 (by gateway)", b"base64; x=y", b'"base64"'])
def test_name_of_an_encoding_ends_where_a_word_does(encoding: bytes) -> None:
    """Comments and parameters are no part of it (RFC 2045 section 6.1, RFC 822)."""
    assert content(mail(b"aGVsbG8=", b"Content-Transfer-Encoding: " + encoding)).text == "hello"


def test_other_forms_of_the_text_are_neither_text_nor_files() -> None:
    """AMP and text/enriched beside plain text or HTML repeat it."""
    amp, rich = (part(b"<x>other", b"Content-Type: " + kind) for kind in (b"text/x-amp-html", b"text/enriched"))
    raw = mixed(part(b"plain", PLAIN), amp, rich, part(b"<p>rich", HTML), kind=b"alternative")
    assert (content(raw).text, content(raw).html, names(raw)) == ("plain", "<p>rich", [])


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        (b"text/enriched", b"<bold>Now</bold> or\r\n<<never>.\r\n\r\n<param>red</param>End", "Now or <never>.\nEnd"),
        (b"text/markdown", b"# Offer\r\n\r\n* 40 units", "# Offer\n\n* 40 units"),
    ],
)
def test_enriched_and_markdown_texts_are_shown(kind: bytes, body: bytes, text: str) -> None:
    """Text of kinds that mail programs show is text."""
    assert content(mail(body, b"Content-Type: " + kind)).text == text


def uuencoded(name: bytes, data: bytes, end: bytes = b"`\r\nend\r\n") -> bytes:
    """Return a uuencoded file."""
    lines = (binascii.b2a_uu(data[at : at + 45]).rstrip(b"\n") + b"\r\n" for at in range(0, len(data), 45))
    return b"begin 644 " + name + b"\r\n" + b"".join(lines) + end


def test_uuencoded_files_in_a_text_are_attachments() -> None:
    """They are taken out of the text, one by one; what only looks like one stays."""
    data = bytes(range(256)) * 2
    found = parsed(mail(b"See:\r\n" + uuencoded(b"a.bin", data) + b"and\r\n" + uuencoded(b"b.bin", b"b") + b"bye\r\n"))
    assert found.content.text == "See:\nand\nbye"
    assert [(each.name, found.blobs[each.sha256]) for each in found.content.attachments] == [
        ("a.bin", data),
        ("b.bin", b"b"),
    ]
    for body in (b"begin 644 words\r\nand so on.\r\nend\r\n", uuencoded(b"cut.bin", data, end=b"")):
        found = parsed(mail(body))
        assert (found.content.text[:9], found.content.attachments) == ("begin 644", ())


def test_yenc_file_in_a_text_is_an_attachment() -> None:
    """Text in yEnc is decoded, escapes included."""
    data = bytes(range(256))
    escaped = b"".join(
        b"=" + bytes([(byte + 106) % 256]) if (byte + 42) % 256 in b"\x00\r\n=" else bytes([(byte + 42) % 256])
        for byte in data
    )
    body = b"See:\r\n=ybegin line=128 size=256 name=a.bin\r\n" + escaped + b"\r\n=yend size=256\r\nbye\r\n"
    found = parsed(mail(body, b"Content-Type: text/plain; charset=iso-8859-1"))
    assert found.content.text == "See:\nbye"
    assert [found.blobs[each.sha256] for each in found.content.attachments] == [data]


def test_multipart_with_its_containers_boundary() -> None:
    """What follows the closing line of the inner one belongs to the container: no file is lost, no text is shown twice."""
    line = b"--same\r\n"
    raw = mail(
        line
        + b'Content-Type: multipart/alternative; boundary="same"\r\n\r\n'
        + line
        + part(b"one", PLAIN)
        + b"\r\n"
        + line
        + part(b"<p>one</p>", HTML)
        + b"\r\n--same--\r\n\r\n"
        + line
        + IMAGE
        + b"\r\n--same--\r\n",
        b'Content-Type: multipart/mixed; boundary="same"',
    )
    found = content(raw)
    assert (found.text, found.html, names(raw)) == ("one", "<p>one</p>", ["logo.png"])
    assert found.marks.defects == ("boundary",)


def test_closing_boundary_behind_text() -> None:
    """The line break before the last boundary line may be missing."""
    raw = mail(b"--b\r\n\r\nthe text--b--\r\n", b"Content-Type: multipart/mixed; boundary=b")
    assert content(raw).text == "the text"


@pytest.mark.parametrize(
    ("field", "media_type"),
    [
        (b'X-ZIP; name="a.zip"', "application/octet-stream"),
        (b'application/zip name="a.zip"', "application/zip"),
        (b'APPLICATION/zip  NAME=a.zip; x="y z"', "application/zip"),
    ],
)
def test_file_of_unclear_type_is_a_file(field: bytes, media_type: str) -> None:
    """A type without a slash, or without a semicolon behind it, makes no text of a file."""
    found = content(mail(b"PK", b"Content-Type: " + field))
    assert [(each.name, each.media_type) for each in found.attachments] == [("a.zip", media_type)]
    assert found.text == ""
    assert content(mail(b"hello", b"Content-Type: text; name=a.txt")).text == "hello"


def test_text_labelled_base64() -> None:
    """Lines of words are shown as they are."""
    words = b"Hello Eva, we want to order 40 units.\r\nPlease send them to us in Berlin.\r\n"
    found = content(mail(words, PLAIN, b"Content-Transfer-Encoding: base64"))
    assert (found.text.split(), found.marks.defects) == (words.decode().split(), ("encoding:base64",))


def test_field_with_a_strange_name_ends_no_header() -> None:
    """Nor do the lines that it is folded over."""
    raw = mail(b"SGVsbG8gRXZh", b"Content-Transfer-Encoding: base64", b'X-a/b\t "(<: one\r\n two\r\n three')
    assert content(raw).text == "Hello Eva"


def test_words_of_a_report_in_a_part_of_the_wrong_type() -> None:
    """Of a report without text the first notification is shown."""
    body, field = multipart(
        b"report; report-type=delivery-status",
        part(b"<gone@x.example> has restricted mail.", b"Content-Type: message/delivery-status;"),
        part(b"Final-Recipient: rfc822; gone@x.example\r\nAction: failed", b"Content-Type: message/delivery-status"),
    )
    found = content(mail(body, field))
    assert (found.text, found.marks.bounced) == ("<gone@x.example> has restricted mail.", ("gone@x.example",))
