"""Text that looks like a quote or a signature and is none, and quotes that want to be the writer's own words."""

from __future__ import annotations

from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import mail

_ON = "On Mon, 3 Mar 2025 at 10:00, Anna <anna@acme.example> wrote:"

_OWN: dict[str, str] = {
    "a mark within a line": "Hello\nis a > b?",
    "a from line of mbox": "Hello\n>From Berlin we take the train.",
    "a line of dashes": "One\n\n----------\n\nTwo",
    "a line of underscores": "One\n\n" + "_" * 30 + "\n\nTwo",
    "two labels of a header": "From: Berlin\nTo: Hamburg\n\nTwo seats, please.",
    "a verb at its end": "As I wrote:\nwe come at four.",
    "an introduction without a quote's words": "Anna wrote:",
    "thanks at the start": "Thanks,\nwe got it.\n\nWhen do we start?",
    "a sign-off in the middle": "Regards to Anna.\n\nClause 7 is open. Can you send it to us today?",
    "a signature's mark at the start": "-- \nHello",
    "only a signature's mark": "--",
    "only a mark": ">",
    "20,000 marks": ">" * 20_000,
    "20,000 marks in lines": "\n".join([">"] * 20_000),
    "20,000 dashes in lines": "\n".join(["Hello", *["--"] * 1_000, "Hello there"]),
    "1,000 colons in lines": "\n".join([":"] * 1_000).strip(),
    "10,000 labels": "\n".join(["To:"] * 10_000),
    "1,000 verbs": "\n".join(["wrote:"] * 1_000),
    "a line of 100 KB that ends as an introduction": "a" * 100_000 + " wrote:",
    "a frame of OpenPGP that never ends": "-----BEGIN PGP SIGNATURE-----\nHello there, it goes on.",
    "words of a disclaimer": "The confidential message is for the intended recipient, isn't it? Please tell me.",
    "the name of a telephone": "Sent from my iPhone? No, I wrote it on paper.",
}
_FRAME = "-----BEGIN PGP x"
_CUT: dict[str, tuple[str, str]] = {
    "a quote": (f"Yes.\n\n{_ON}\n> No?", "Yes."),
    "a quote of 20,000 lines": (f"Yes.\n\n{_ON}\n" + "> No?\n" * 20_000, "Yes."),
    "a quote 1,000 levels deep": (
        f"Yes.\n\n{_ON}\n" + "".join(">" * level + " No?\n" for level in range(1, 300)),
        "Yes.",
    ),
    "an answer below the quote": (f"{_ON}\n> No?\n\nYes.", "Yes."),
    "answers between": ("> One?\nYes.\n> Two?\nNo.", "Yes.\n\nNo."),
    "a quote in front and behind": ("> One?\nYes.\n\n> Two?", "Yes."),
    "an introduction in two lines": (f"Yes.\n\n{_ON.replace(' <', chr(10) + '<')}\n> No?", "Yes."),
    "a header of Outlook": ("Yes.\n\nFrom: Anna\nSent: Monday\nTo: Joerg\nSubject: Offer\n\nNo?", "Yes."),
    "a separator": ("Yes.\n\n-----Original Message-----\nFrom: Anna\nTo: Joerg\nSubject: Offer\n\nNo?", "Yes."),
    "a signature": ("Yes.\n-- \nJoerg\nClient Ltd", "Yes."),
    "a signature of a telephone": ("Yes.\n\nSent from my iPhone", "Yes."),
    "a sign-off": ("Yes.\n\nBest regards\nJoerg", "Yes."),
    "signed text": (
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nYes.\n-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----",
        "Yes.",
    ),
    "a signature within a quote": (f"Yes.\n\n{_ON}\n> No?\n> -- \n> Anna", "Yes."),
    "the last of 10,000 frames": ("\n".join([_FRAME] * 10_000), "\n".join([_FRAME] * 9_999)),
    "a quote behind html's marks": ("Yes.\n\n > No?\n > Really?", "Yes."),
}


def _text(words: str) -> bytes:
    return mail(words.encode().replace(b"\n", b"\r\n"))


SAMPLES: dict[str, Sample] = {
    **{f"own text with {name}": sample(_text(words), text=words) for name, words in _OWN.items()},
    **{
        f"not its own: {name}": sample(_text(words), text=words.strip(), reply=own)
        for name, (words, own) in _CUT.items()
    },
}
