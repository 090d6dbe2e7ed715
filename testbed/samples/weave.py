"""From letters to mailboxes: who holds a copy of each mail of a conversation, in which folder, with which flags."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from testbed.samples.company import USERS
from testbed.samples.correspondence.script import Thread
from testbed.samples.model import SampleMail, rng
from testbed.samples.post import Letter, post
from testbed.samples.write import Writer

ARCHIVED_AFTER = timedelta(days=45)
UNREAD_FOR = timedelta(days=2)


def deliver(thread: Thread, letters: list[Letter], *, now: datetime, seed: int) -> Iterator[SampleMail]:
    """Yield each user's copies of a thread: the sender's in Sent, the others' in INBOX, Archive or as filed."""
    answered = {
        (turn.sender.partition("/")[0], position + turn.answers if turn.answers < 0 else turn.answers)
        for position, turn in enumerate(thread.turns)
        if turn.answers is not None
    }
    for position, (turn, letter) in enumerate(zip(thread.turns, letters, strict=True)):
        recipients = {spec.partition("/")[0] for spec in f"{turn.to} {turn.cc} {turn.bcc}".split()}
        age = now - letter.when
        for user in (user.key for user in USERS):
            numbers = rng(seed, letter.key, user, "folder")
            flags = ["\\Seen"] if age > UNREAD_FOR or numbers.random() < 0.3 else []  # noqa: PLR2004 - a taste
            if turn.sender.partition("/")[0] == user:
                folder, flags = turn.folder.get(user, "Sent"), ["\\Seen"]
                if folder == "Drafts":
                    flags = ["\\Seen", "\\Draft"]
            elif user in recipients:
                usual = "Archive" if age > ARCHIVED_AFTER and numbers.random() < 0.75 else "INBOX"  # noqa: PLR2004 - a taste
                folder = turn.folder.get(user, thread.filed.get(user, usual))
                if (user, position) in answered:
                    flags = ["\\Seen", "\\Answered"]
                if numbers.random() < 0.06:  # noqa: PLR2004 - a taste
                    flags.append("\\Flagged")
            else:
                continue
            yield post(letter, user, folder, tuple(flags), seed=seed)


def weave(thread: Thread, *, now: datetime, seed: int) -> list[SampleMail]:
    """Return all copies of a thread's mails, the live turns left out."""
    letters = list(Writer(thread, now=now, seed=seed).letters())
    there = {letter.key for letter in letters[: len(letters) - thread.live]}
    return [mail for mail in deliver(thread, letters, now=now, seed=seed) if mail.truth.email in there]


def weave_live(thread: Thread, *, now: datetime, live_at: datetime, seed: int) -> list[SampleMail]:
    """Return the copies of a thread's live turns, dated ``live_at``, in INBOX (the sender's in Sent) and unread."""
    letters = list(Writer(thread, now=now, seed=seed, live_at=live_at).letters())
    new = {letter.key for letter in letters[len(letters) - thread.live :]}
    mails = deliver(thread, letters, now=live_at, seed=seed)
    return [
        mail if mail.folder == "Sent" else replace(mail, folder="INBOX", flags=())
        for mail in mails
        if mail.truth.email in new
    ]
