"""Where each target starts: the tests' own samples, as short as they are; long ones would only slow it down."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tests.fuzz.mail_server import BETWEEN
from tests.fuzz.targets import _LABELS
from tests.mailbox.bounds.test_fuzz import ANSWERS, BITS
from tests.parser.hostile.test_samples import ALL
from tests.parser.samples import HEAD, mail
from tests.parser.test_hostile import HOSTILE, SEEDS, TOKENS
from tests.parser.wrappers.samples import signed, winmail
from tests.poller.copies.test_headers import PIECES

_LONGEST = 8_000
_TEXTS = (
    "Yes, 40 units.\n\nBest regards\nAnna\n\nOn Mon, 3 Mar 2025 at 10:00, Eva <eva@vendor.example> wrote:\n> How many?\n",
    "Yes, 40 units. On Mon, 3 Mar 2025 at 10:00, Eva <eva@vendor.example> wrote:\n> How many?\n",
    "Danke.\n\n-----Ursprüngliche Nachricht-----\nVon: Eva <eva@vendor.example>\nGesendet: 3. März 2025\nAn: Anna\nBetreff: x\n\ny",
    "One\n> two\nthree\n-- \nAnna\nAcme Ltd\n+49 221 1\n\nSent from my iPhone\n",
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- - x\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
    "在 2025年3月3日，10:00，Anna <anna@acme.example> 写道：\n> x\n\nThis e-mail is confidential and for its intended recipient only.\n",
)
_HTML = (
    b"<p>Hello<div>x<br>y</div><blockquote><p>q</p></blockquote><pre>a\nb</pre><ul><li>1<li>2</ul>",
    b'<style>p{}</style><div style="display:none">x</div><table><tr><td>1</td><td>2</td></tr></table>&#x41;&amp;',
    "<p hidden>\u200b\u200b\u200b</p><!-- x --><svg><script>1</script></svg>\ue000".encode(),
)
_EVENT = (
    b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:Kick-off\r\nDTSTART;TZID=Europe/Berlin:20250303T090000\r\n"
    b"DTEND:20250303T100000Z\r\nRRULE:FREQ=DAILY\r\nORGANIZER;CN=A:mailto:a@b.example\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:c@d.example\r\n"
    b"LOCATION:Room 4\\, Cologne\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
_ASKED = (
    *(b"NAMESPACE", b"LIST", b"LIST", b"STATUS", b"EXAMINE", b"UID SEARCH"),
    *[b"UID FETCH"] * 7,
    b"NOOP",
    b"IDLE",
    b"NOOP",
)
"""In the order in which the target asks."""
_PARTS = (
    b'* 1 FETCH (UID 1 BODYSTRUCTURE (("text" "plain" ("charset" "utf-8") NIL NIL "7bit" 10 1)("message" "delivery-status" NIL NIL NIL '
    b'"base64" 99)("message" "rfc822" NIL NIL NIL "7bit" 9 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (("text" "plain" NIL NIL NIL "7bit" '
    b'1 1) "report") 9) "report" ("report-type" "delivery-status")))\r\n* 2 FETCH (UID 2 BODY[1]<0> {3}\r\nabc BODY[2.HEADER]<0> "x")\r\n'
    + ANSWERS[b"UID FETCH"]
)
"""The parts of a bounce, and what is in two of them."""
_WORDS = "Grüße aus Köln, 40 единиц, 仕様書を送ります, 문서, ελληνικά. "


def _mails() -> Iterable[bytes]:
    return [
        *SEEDS,
        *(mail(text.encode()) for text in _TEXTS),
        *(make(1)[:2_000] for make in HOSTILE.values()),
        *(each.raw for each in ALL.values()),
    ]


SEEDS_OF: dict[str, Callable[[], Iterable[bytes]]] = {
    "mail": _mails,
    "header": lambda: [HEAD, *(b"From: a@b.example, " + piece + b"\r\nTo: " + piece + b"\r\n\r\n" for piece in PIECES)],
    "imap": lambda: [
        BETWEEN.join(ANSWERS[command] for command in _ASKED),
        BETWEEN.join(_PARTS if command == b"UID FETCH" else ANSWERS[command] for command in _ASKED),
    ],
    "charset": lambda: [
        bytes([at]) + _WORDS.encode(codec, "replace")
        for at, _ in enumerate(_LABELS)
        for codec in ("utf-8", "cp1252", "koi8-r", "gb18030", "utf-7", "iso2022_jp", "utf-16")
    ],
    "reply": lambda: [text.encode() for text in _TEXTS],
    "wrappers": lambda: [
        _EVENT,
        winmail((b"a.txt", b"x" * 20), body=b"hello")[4:],
        signed(b"Content-Type: text/plain\r\n\r\nx"),
        signed(b"Content-Type: text/plain\r\n\r\n" + b"x" * 100, streamed=True),
    ],
    "html": lambda: _HTML,
}


def seeds(target: str) -> list[bytes]:
    """Return the inputs that a target starts with, each once."""
    return list(dict.fromkeys(seed for seed in SEEDS_OF[target]() if len(seed) <= _LONGEST))


def words(target: str) -> list[bytes]:
    """Return pieces that are worth to be put into an input."""
    pieces = {"imap": [*BITS, BETWEEN, *ANSWERS.values()], "header": list(PIECES), "wrappers": _EVENT.split(b"\r\n")}
    return [piece for piece in dict.fromkeys(pieces.get(target, TOKENS)) if 0 < len(piece) <= 64]
