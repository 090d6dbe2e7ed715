"""What is told of invitations, attached mail, pieces of a mail, and files that are kept elsewhere."""

from __future__ import annotations

import pytest

from tests.parser.samples import content, mail, mixed, part

KICK_OFF = (
    "BEGIN:VEVENT", "UID:u1", "SUMMARY:Kick-off\\, part 1", "LOCATION:Room 4", "DTSTART:20261201T090000Z", "DTEND:20261201T100000Z",
    "ORGANIZER;CN=Kim Weber:mailto:kim@client.example", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:anna@acme.example", "END:VEVENT",
)  # fmt: skip


def calendar(*lines: str, method: str = "REQUEST") -> bytes:
    """Return a calendar."""
    return "\r\n".join(("BEGIN:VCALENDAR", "VERSION:2.0", f"METHOD:{method}", *lines, "END:VCALENDAR", "")).encode()


def told(data: bytes, method: bytes = b"REQUEST") -> str:
    """Return the text of a mail that is a calendar."""
    return content(mail(data, b"Content-Type: text/calendar; charset=utf-8; method=" + method)).text


def event(*lines: str, method: str = "REQUEST") -> str:
    """Return the text of a mail with one event."""
    return told(calendar("BEGIN:VEVENT", "UID:u", *lines, "END:VEVENT", method=method))


def test_invitation_tells_what_when_where_and_who() -> None:
    """A mail that is an invitation says so in words, and the calendar stays a file."""
    found = content(mail(calendar(*KICK_OFF), b"Content-Type: text/calendar; charset=utf-8; method=REQUEST"))
    assert found.text.splitlines() == [
        "Invitation: Kick-off, part 1",
        "When: Tue, 1 Dec 2026, 09:00-10:00 UTC",
        "Where: Room 4",
        "Organizer: Kim Weber <kim@client.example>",
        "Who: anna@acme.example",
    ]
    assert found.snippet.startswith("Invitation: Kick-off, part 1 When: Tue, 1 Dec 2026")
    assert [one.name for one in found.attachments] == ["invite.ics"]


@pytest.mark.parametrize(
    ("lines", "when"),
    [
        (
            ("DTSTART;TZID=Europe/Berlin:20261201T090000", "DTEND;TZID=Europe/Berlin:20261201T101500"),
            "1 Dec 2026, 09:00-10:15 Europe/Berlin",
        ),
        (("DTSTART:20261201T090000",), "1 Dec 2026, 09:00"),
        # a zone that is not known is named, the times are as they are written
        (
            ("DTSTART;TZID=Nowhere/Land:20261201T090000", "DTEND;TZID=Nowhere/Land:20261201T100000"),
            "1 Dec 2026, 09:00-10:00 Nowhere/Land",
        ),
        # the end is not part of it
        (("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261203"), "1 Dec 2026 to Wed, 2 Dec 2026"),
        (("DTSTART;VALUE=DATE:20261201", "DTEND;VALUE=DATE:20261202"), "1 Dec 2026"),
        (("DTSTART;VALUE=DATE:20261201", "DURATION:P2D"), "1 Dec 2026 to Wed, 2 Dec 2026"),
        (("DTSTART;VALUE=DATE:20261201", "DTEND:20261201T100000Z"), "1 Dec 2026"),
        (("DTSTART:20261201T090000Z", "DURATION:PT90M"), "1 Dec 2026, 09:00-10:30 UTC"),
        (("DTSTART;VALUE=DATE:20261201",), "1 Dec 2026"),
        (("DTSTART:20261201T230000Z", "DTEND:20261202T010000Z"), "1 Dec 2026, 23:00 to Wed, 2 Dec 2026, 01:00 UTC"),
    ],
)
def test_time_has_its_zone(lines: tuple[str, ...], when: str) -> None:
    """Days, times with and without a zone, over midnight."""
    assert event("SUMMARY:x", *lines) == f"Invitation: x\nWhen: Tue, {when}"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("DTSTART:tomorrow", "LOCATION:Room 4"), "Invitation: x\nWhere: Room 4"),
        (("DUE:20261201T090000Z",), "Invitation: x\nDue: Tue, 1 Dec 2026, 09:00 UTC"),
        (("DUE;VALUE=DATE:20261201",), "Invitation: x\nDue: Tue, 1 Dec 2026"),
    ],
)
def test_what_is_broken_or_missing_hides_nothing_else(lines: tuple[str, ...], said: str) -> None:
    """A time that cannot be read costs the time only; what has no time has a day on which it is due."""
    assert event("SUMMARY:x", *lines) == said


@pytest.mark.parametrize("charset", ["iso-8859-1", "utf-16", "koi8-r"])
def test_calendar_is_read_in_its_charset(charset: str) -> None:
    """The charset is that of the part's type."""
    title = "Счёт" if charset == "koi8-r" else "Grüße"
    data = calendar(*KICK_OFF).decode().replace("Kick-off", title).encode(charset)
    found = content(mail(data, b"Content-Type: text/calendar; charset=" + charset.encode()))
    assert found.text.startswith(f"Invitation: {title}")


@pytest.mark.parametrize(
    ("words", "added"),
    [
        (b"You are invited to Kick-off, part 1.", True),
        (b"Kick-off, part 1 is at 10am in Room 4.", False),
        (b"Kick-off, part 1\r\nTuesday 10.00-11.00", False),
        (b"Please come at 10:00.", True),
    ],
)
def test_invitation_is_told_unless_title_and_time_are(words: bytes, added: bool) -> None:
    """A text that names only the title leaves out when it is."""
    invitation = part(calendar(*KICK_OFF), b"Content-Type: text/calendar; method=REQUEST")
    text = content(mixed(part(words, b"Content-Type: text/plain"), invitation, kind=b"alternative")).text
    assert ("When: Tue, 1 Dec 2026" in text) is added


def test_calendar_is_known_by_its_name() -> None:
    """Some programs send it as a file of any type."""
    file = part(calendar(*KICK_OFF), b"Content-Type: application/octet-stream; name=Invite.ICS")
    found = content(mixed(part(b"see", b"Content-Type: text/plain"), file))
    assert found.text.startswith("see\n\nInvitation: Kick-off")
    assert [one.name for one in found.attachments] == ["Invite.ICS"]


@pytest.mark.parametrize(
    ("method", "lines", "said"),
    [
        ("CANCEL", (), "Cancelled: x"),
        ("REQUEST", ("STATUS:CANCELLED",), "Cancelled: x"),
        (
            "REPLY",
            ("ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@x.example",),
            "Answer to an invitation: x\nWho: a@x.example (accepted)",
        ),
        (
            "REPLY",
            ("ATTENDEE;CN=A B;PARTSTAT=DECLINED:mailto:a@x.example",),
            "Answer to an invitation: x\nWho: A B <a@x.example> (declined)",
        ),
        (
            "REPLY",
            ("ATTENDEE;PARTSTAT=TENTATIVE:MAILTO:a@x.example",),
            "Answer to an invitation: x\nWho: a@x.example (tentatively accepted)",
        ),
        ("COUNTER", (), "Other time proposed: x"),
        ("PUBLISH", ("RRULE:FREQ=DAILY",), "Event: x\nRepeats: yes"),
    ],
)
def test_answers_and_changes_are_told(method: str, lines: tuple[str, ...], said: str) -> None:
    """What became of an invitation."""
    assert event("SUMMARY:x", *lines, method=method) == said


def test_invitation_beside_a_text_is_told_once() -> None:
    """Most programs say it in words, too; who does not gets it added."""
    invitation = part(calendar(*KICK_OFF), b"Content-Type: text/calendar; method=REQUEST")
    plain = part(b"You are invited.", b"Content-Type: text/plain")
    found = content(mixed(plain, invitation, kind=b"alternative"))
    assert found.text.startswith("You are invited.\n\nInvitation: Kick-off, part 1\nWhen:")
    assert found.snippet.startswith("You are invited. Invitation: Kick-off")
    said = part(b"Kick-off, part 1\r\nTuesday at 9 in room 4", b"Content-Type: text/plain")
    assert content(mixed(said, invitation, kind=b"alternative")).text == "Kick-off, part 1\nTuesday at 9 in room 4"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no calendar",
        b"BEGIN:VCALENDAR",
        calendar("BEGIN:VEVENT", "DTSTART:soon"),
        calendar(),
        b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\n" * 2_000,
        b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY;" + b"A=B;" * 5_000,
        "BEGIN:VCALENDAR\r\n\u00e9".encode("latin-1"),
    ],
)
def test_what_is_no_calendar_is_a_file(data: bytes) -> None:
    """Whatever is in it, the mail is read."""
    found = content(mail(data, b"Content-Type: text/calendar"))
    assert [one.name for one in found.attachments] == ["invite.ics"]
    assert found.text in ("", "Invitation: (no title)", "Event: (no title)")


FORWARDED = b"From: client@client.example\r\nSubject: our order\r\n\r\nPlease send 40 units.\r\n-- \r\nClient\r\n"


def test_snippet_of_a_forward_as_attachment_says_what_is_forwarded() -> None:
    """After the words of who forwards it; the text itself stays what was written."""
    attached = part(FORWARDED, b"Content-Type: message/rfc822")
    found = content(mixed(part(b"\r\n", b"Content-Type: text/plain"), attached))
    assert (found.text, found.snippet) == ("", "Please send 40 units.")
    found = content(mixed(part(b"Can you?", b"Content-Type: text/plain"), attached))
    assert (found.text, found.reply_text, found.snippet) == ("Can you?", "Can you?", "Can you? Please send 40 units.")
    assert [one.name for one in found.attachments] == ["our order.eml"]


def test_mail_that_is_attached_as_any_file_is_in_the_snippet() -> None:
    """Its name says what it is."""
    inner = part(b"Please send 40 units.", b"Content-Type: application/octet-stream; name=Offer.EML", b"X: y")
    inner = inner.replace(b"\r\n\r\n", b"\r\n\r\nSubject: Offer\r\n\r\n", 1)
    assert content(mixed(part(b"", b"Content-Type: text/plain"), inner)).snippet == "Please send 40 units."


def test_pieces_and_files_elsewhere_are_named() -> None:
    """RFC 2046 sections 5.2.2 and 5.2.3."""
    piece = content(mail(b"the rest of it", b"Content-Type: message/partial; id=x; number=2; total=3"))
    assert piece.text == "This mail was sent in pieces: part 2 of 3."
    assert [one.name for one in piece.attachments] == ["part-of-a-mail.eml"]
    where = b'Content-Type: message/external-body; access-type=URL; URL="http://x.example/offer.pdf"'
    found = content(mixed(part(b"See the offer.", b"Content-Type: text/plain"), part(b"\r\n", where)))
    assert found.text == "See the offer.\n\nA file is kept elsewhere (url): http://x.example/offer.pdf."
