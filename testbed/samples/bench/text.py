"""Blocks that the benchmark's messages are sliced from: prose as text and HTML, base64 lines, signatures, prebuilt once."""

import base64
import binascii
import itertools
import textwrap
from bisect import bisect_left
from dataclasses import dataclass
from html import escape
from random import Random

from testbed.samples.model import rng

PARAGRAPHS = 1500
BASE64_LINE = 57
"""Bytes in one base64 line of 76 characters (RFC 2045), so that any run of whole lines decodes."""
ATTACHED_BYTES = 1_200_000

OPENINGS = (
    "Thank you for your message of {day}.", "As discussed on the phone on {day}, I come back to you about {thing}.",
    "Just a short note on {thing}.", "We have looked at {thing} again.", "{person} asked me to send you the figures for {thing}.",
    "There is news about {thing}, some of it good.", "I hope the start into the week was better than ours.",
    "Please excuse the late answer, I was travelling until {day}.", "Danke für die Rückmeldung zu {thing}.",
    "Sorry to ask again, but {person} needs an answer on {thing} by {day}.",
)  # fmt: skip
MIDDLES = (
    "The delivery of {number} pieces is planned for {day}, if the carrier keeps his word.",
    "Our workshop found that {number} of the {larger} units were assembled with the old seal.",
    "The price of {number} euro holds for an order before the end of the month.",
    "According to {person} the drawing has changed again; revision {letter} is the valid one.",
    "We could move the meeting to {day} at {hour}, the room is free until {later}.",
    "The test ran for {number} hours without interruption and the deviation stayed below {small} percent.",
    "For the customs papers we need the weight, {number} kg by our own scale, and the country of origin.",
    "{person} will be on site from {day} and brings the missing cables.",
    "The invoice was booked twice by mistake, so please ignore the one over {number} euro.",
    "If the pump is stopped for {hour} hours, the whole line can be flushed and filled again.",
    "Nobody here remembers who approved the change, but everybody likes it.",
    "Der Liefertermin verschiebt sich auf {day}, weil ein Teil aus der Prüfung zurückkam.",
    "I have marked the {number} open points in the list, most of them are small.",
    "The supplier in Győr confirmed {larger} elements, the first {number} leave on {day}.",
    "On the photo you can see the gap next to the flange, it is about {hour} millimetres wide.",
    "Purchasing would like to have three offers, which I find brave for {number} screws.",
)
CLOSES = (
    "Please let me know by {day} whether this works for you.", "Could you confirm, please?", "More when I know more.",
    "What do you think?", "I shall call you on {day} around {hour}.", "Thank you for your patience, and for the biscuits.",
    "Then we can start with {thing} right away.", "Bei Fragen einfach melden, ich bin bis {day} im Büro.",
)  # fmt: skip
THINGS = (
    "the pump station", "order 4711", "the audit", "the second line", "the cold store", "the framework contract",
    "the spare parts", "the trade fair", "the new gateway", "the acceptance test", "the training in June", "the tender",
    "the leak at flange 7", "the software update", "the warranty case", "the safety data sheets",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "the 3rd", "the 12th", "the 24th", "next week")
PEOPLE = (
    "Marta", "Mr Osei", "our controller", "Jules", "the lab", "Frau Lindner", "Tom from logistics",
    "the plant manager",
)  # fmt: skip


def paragraph(numbers: Random) -> str:
    """Return a paragraph of three to seven sentences."""
    shape = [numbers.choice(OPENINGS), *numbers.sample(MIDDLES, numbers.randrange(2, 6)), numbers.choice(CLOSES)]
    return " ".join(
        sentence.format(
            day=numbers.choice(DAYS), thing=numbers.choice(THINGS), person=numbers.choice(PEOPLE),
            number=numbers.randrange(3, 400), larger=numbers.randrange(400, 2000), letter=numbers.choice("BCDEFG"),
            hour=numbers.randrange(2, 12), later=numbers.randrange(13, 18), small=numbers.randrange(1, 9) / 10,
        )
        for sentence in shape
    )  # fmt: skip


def quoted_printable(text: str) -> bytes:
    """Return text in UTF-8 and quoted-printable; pieces ending in a newline may be joined."""
    return binascii.b2a_qp(text.encode(), istext=True)


@dataclass(frozen=True, slots=True)
class Blob:
    """Pieces joined end to end, twice, so that a run may start anywhere; ``starts[n]`` is where piece n begins."""

    data: bytes
    starts: tuple[int, ...]

    def run(self, first: int, last: int) -> bytes:
        """Return pieces ``first`` to ``last``, the last not included."""
        return self.data[self.starts[first] : self.starts[last]]


def blob(pieces: list[bytes]) -> Blob:
    """Join pieces end to end, twice."""
    twice = pieces * 2
    return Blob(b"".join(twice), tuple(itertools.accumulate(map(len, twice), initial=0)))


@dataclass(frozen=True, slots=True)
class Prose:
    """The same paragraphs as 8bit text, quoted-printable text and quoted-printable HTML (UTF-8, LF)."""

    plain: Blob
    quoted: Blob
    html: Blob

    def end(self, first: int, wanted: int, *blobs: Blob) -> int:
        """Return the end of a run from ``first`` whose pieces in all blobs come to about ``wanted`` bytes."""
        per_piece = sum(each.starts[first + PARAGRAPHS] - each.starts[first] for each in blobs) / PARAGRAPHS
        guess = first + int(wanted / per_piece)
        # One exact step for the common case of a single blob; the mean is good enough for several.
        if len(blobs) == 1:
            guess = bisect_left(blobs[0].starts, blobs[0].starts[first] + wanted)
        return min(max(guess, first + 1), first + PARAGRAPHS)


def prose(seed: int) -> Prose:
    """Build the paragraphs of a seed."""
    numbers = rng(seed, "bench prose")
    texts = [paragraph(numbers) for _ in range(PARAGRAPHS)]
    wrapped = ["\n".join(textwrap.wrap(text, 74)) + "\n\n" for text in texts]
    html = [
        f'<p class="MsoNormal" style="margin:0 0 10pt 0;font-size:11pt;font-family:Calibri,sans-serif">'
        f'<span lang="EN-GB">{escape(text, quote=False)}</span></p>\n'
        for text in texts
    ]
    return Prose(
        plain=blob([text.encode() for text in wrapped]),
        quoted=blob([quoted_printable(text) for text in wrapped]),
        html=blob([quoted_printable(text) for text in html]),
    )


def base64_lines(seed: int) -> bytes:
    """Return random bytes as base64, 76 characters and LF a line."""
    data = rng(seed, "bench attachments").randbytes(ATTACHED_BYTES // BASE64_LINE * BASE64_LINE)
    return b"".join(base64.b64encode(data[at : at + BASE64_LINE]) + b"\n" for at in range(0, len(data), BASE64_LINE))
