"""From mails to mailboxes: who holds a copy of each mail of a conversation, in which folder, with which flags."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from testbed.samples.company import USERS
from testbed.samples.correspondence.script import Thread
from testbed.samples.model import SampleMail, rng
from testbed.samples.post import ComposedMail, post
from testbed.samples.write import Writer

ARCHIVED_AFTER = timedelta(days=45)
UNREAD_FOR = timedelta(days=2)


def deliver(thread: Thread, mails: list[ComposedMail], *, now: datetime, seed: int) -> Iterator[SampleMail]:
    """Yield each user's copies of a thread: the sender's in Sent, the others' in INBOX, Archive or as filed."""
    answered = {
        (turn.sender.partition("/")[0], position + turn.answers if turn.answers < 0 else turn.answers)
        for position, turn in enumerate(thread.turns)
        if turn.answers is not None
    }
    for position, (turn, composed) in enumerate(zip(thread.turns, mails, strict=True)):
        recipients = {spec.partition("/")[0] for spec in f"{turn.to} {turn.cc} {turn.bcc}".split()}
        age = now - composed.when
        for user in (user.key for user in USERS):
            numbers = rng(seed, composed.key, user, "folder")
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
            yield post(composed, user, folder, tuple(flags), seed=seed)


def weave(thread: Thread, *, now: datetime, seed: int) -> list[SampleMail]:
    """Return all copies of a thread's mails, the live turns left out."""
    mails = list(Writer(thread, now=now, seed=seed).mails())
    there = {composed.key for composed in mails[: len(mails) - thread.live]}
    return [mail for mail in deliver(thread, mails, now=now, seed=seed) if mail.truth.email in there]


def weave_live(thread: Thread, *, now: datetime, live_at: datetime, seed: int) -> list[SampleMail]:
    """Return the copies of a thread's live turns, dated ``live_at``, in INBOX (the sender's in Sent) and unread."""
    mails = list(Writer(thread, now=now, seed=seed, live_at=live_at).mails())
    new = {composed.key for composed in mails[len(mails) - thread.live :]}
    copies = deliver(thread, mails, now=live_at, seed=seed)
    return [
        mail if mail.folder == "Sent" else replace(mail, folder="INBOX", flags=())
        for mail in copies
        if mail.truth.email in new
    ]
