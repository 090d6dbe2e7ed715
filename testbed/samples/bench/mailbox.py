"""The benchmark's mailbox: thousands of realistic messages from a fixed seed, written straight into a Maildir++.

The only module of this package that writes files. Dovecot takes the folder as it is (``mail_location = maildir:…``).
"""

import os
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from testbed.samples.bench.message import Conversation, MessageMaker
from testbed.samples.bench.people import OWNER_ADDRESS, Correspondent, contacts, strangers
from testbed.samples.model import rng

LAST_MOMENT = 1_793_523_600
"""Unix time of the newest message: 1 November 2026, so that a seed gives the same mailbox on any day."""
SECONDS_APART = 4_700
"""Twenty thousand messages then cover three years."""
FOLDERS: Mapping[str, tuple[str, float]] = {
    "INBOX": ("", 0.60), "Archive": (".Archive", 0.20), "Sent": (".Sent", 0.15), "Projects/Harbour": (".Projects.Harbour", 0.05),
}  # fmt: skip
"""By IMAP name ("/" between levels): the Maildir++ directory and the share of the messages."""
OPEN_THREADS, LONGEST_THREAD, REPLY_SHARE = 300, 14, 0.5


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of whole messages as IMAP counts them (CRLF)."""

    median: int
    mean: int
    p99: int
    largest: int
    total: int


@dataclass(frozen=True, slots=True)
class BenchMailbox:
    """What was written.

    Attributes:
        folder: the Maildir.
        address: the mailbox owner's address.
        contacts: the known people; with these as records exactly ``relevant`` messages are relevant.
        messages: in all folders.
        relevant: how many have a known contact among From, To and Cc.
        folders: (messages, relevant ones) by IMAP folder name.
        sizes: of whole messages.
    """

    folder: Path
    address: str
    seed: int
    contacts: tuple[Correspondent, ...]
    messages: int
    relevant: int
    folders: Mapping[str, tuple[int, int]]
    sizes: Sizes


@dataclass(frozen=True, slots=True)
class BenchMessage:
    """One message: its folder, its time of arrival (Unix time), whether it is relevant, its bytes (LF line ends)."""

    folder: str
    seconds: int
    relevant: bool
    raw: bytes


def bench_messages(*, count: int, relevant: float, seed: int) -> Iterator[BenchMessage]:
    """Yield the mailbox's messages, oldest first.

    Args:
        count: how many.
        relevant: share (0 to 1) of messages with a known contact; met to within one thread.
        seed: of everything.
    """
    maker, known, unknown = MessageMaker(seed), contacts(seed), strangers(seed)
    numbers = rng(seed, "bench mailbox", count, relevant)
    names, weights = list(FOLDERS), [share for _, share in FOLDERS.values()]
    threads: list[Conversation] = []
    hits = 0
    for number in range(count):
        # The kind that is behind is topped up, so that the share is met although threads differ in length.
        due = hits < relevant * (number + 1)
        candidates = [thread for thread in threads if thread.relevant == due] if numbers.random() < REPLY_SHARE else []
        if candidates:
            thread = numbers.choice(candidates)
        else:
            thread = begin(maker, known, unknown, relevant=due, numbers=numbers)
            threads.append(thread)
            if len(threads) > OPEN_THREADS:
                threads.pop(0)
        hits += thread.relevant
        folder = numbers.choices(names, weights)[0]
        seconds = LAST_MOMENT - (count - number) * SECONDS_APART + numbers.randrange(SECONDS_APART)
        raw = maker.message(number, thread, sent=folder == "Sent", seconds=seconds, numbers=numbers)
        if len(thread.ids) >= LONGEST_THREAD:
            threads.remove(thread)
        yield BenchMessage(folder, seconds, thread.relevant, raw)


def begin(
    maker: MessageMaker,
    known: tuple[Correspondent, ...],
    unknown: tuple[Correspondent, ...],
    *,
    relevant: bool,
    numbers: Random,
) -> Conversation:
    """Return a new thread: a relevant one has a contact as counterpart or, in one of ten, in copy only."""
    others = numbers.choices((0, 1, 2, 4), (70, 17, 9, 4))[0]
    # The square favours the first: a few people write much, most write little.
    people = [unknown[int(len(unknown) * numbers.random() ** 2)] for _ in range(others + 1)]
    if relevant:
        contact = known[int(len(known) * numbers.random() ** 2)]
        if numbers.random() < 0.1:  # noqa: PLR2004 - as documented
            people.append(contact)
        else:
            people[0] = contact
    return Conversation(people, numbers.choice(maker.subjects), relevant)


def write_maildir(folder: Path, *, messages: int, relevant: float, seed: int) -> BenchMailbox:
    """Write the mailbox into an empty or new folder and return what is in it.

    File names carry size and virtual size (``S=``, ``W=``) as Dovecot's own do; a file's time of change is its internal
    date. No index files are written, so that a server's first look at it costs what a first look costs.

    Raises:
        FileExistsError: the folder is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: remove it or give another folder for the bench mailbox")
    for directory, _ in FOLDERS.values():
        for name in ("cur", "new", "tmp"):
            (folder / directory / name).mkdir(parents=True, exist_ok=True)
        if directory:
            (folder / directory / "maildirfolder").touch()
    # Dovecot keeps subscriptions with its own separator, which is "." for Maildir++.
    (folder / "subscriptions").write_text(
        "".join(f"{directory[1:]}\n" for directory, _ in FOLDERS.values() if directory)
    )
    targets = {name: f"{folder / directory}/cur" for name, (directory, _) in FOLDERS.items()}
    total, hits, sizes = Counter[str](), Counter[str](), []
    for number, message in enumerate(bench_messages(count=messages, relevant=relevant, seed=seed)):
        size = len(message.raw)
        virtual = size + message.raw.count(b"\n")
        path = f"{targets[message.folder]}/{message.seconds}.M{number:06d}P1.bench,S={size},W={virtual}:2,S"
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(file, message.raw)
            os.utime(file, (message.seconds, message.seconds))
        finally:
            os.close(file)
        total[message.folder] += 1
        hits[message.folder] += message.relevant
        sizes.append(virtual)
    return BenchMailbox(
        folder=folder, address=OWNER_ADDRESS, seed=seed, contacts=contacts(seed), messages=len(sizes),
        relevant=hits.total(), folders={name: (total[name], hits[name]) for name in FOLDERS}, sizes=summary(sizes),
    )  # fmt: skip


def summary(sizes: list[int]) -> Sizes:
    """Return the distribution of sizes; of an empty list all zero."""
    ordered = sorted(sizes) or [0]
    return Sizes(
        median=int(statistics.median(ordered)), mean=sum(ordered) // len(ordered), p99=ordered[len(ordered) * 99 // 100],
        largest=ordered[-1], total=sum(ordered),
    )  # fmt: skip


def live_messages(count: int, *, seed: int, seconds: int) -> Iterator[bytes]:
    """Yield new messages (CRLF line ends) from known contacts, for measuring how fast live mail is seen.

    Args:
        count: how many; none of them is in the mailbox.
        seed: the mailbox's.
        seconds: Unix time of the first; each is one second later.
    """
    maker, known = MessageMaker(seed), contacts(seed)
    numbers = rng(seed, "bench live", seconds)
    for number in range(count):
        thread = Conversation((numbers.choice(known),), numbers.choice(maker.subjects), relevant=True)
        raw = maker.message(900_000 + number, thread, sent=False, seconds=seconds + number, numbers=numbers)
        yield raw.replace(b"\n", b"\r\n")
