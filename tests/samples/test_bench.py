"""The benchmark's mailbox: realistic, valid, all different, and the same for the same seed."""

import hashlib
import re
import time
from email import message_from_bytes, policy
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from pathlib import Path

import mailparser
import pytest

from testbed.samples.bench.mailbox import (
    FOLDERS,
    BenchMailbox,
    BenchMessage,
    bench_messages,
    live_messages,
    write_maildir,
)
from testbed.samples.bench.people import OWNER_ADDRESS, contacts, strangers

SEED = 11
COUNT = 3000


@pytest.fixture(scope="module")
def sample() -> list[BenchMessage]:
    """Make some thousand messages in memory, a tenth of them relevant."""
    return list(bench_messages(count=COUNT, relevant=0.1, seed=SEED))


@pytest.fixture(scope="module")
def heads(sample: list[BenchMessage]) -> list[Message]:
    """Read the headers of the sample."""
    return [message_from_bytes(message.raw.partition(b"\n\n")[0] + b"\n\n") for message in sample]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> BenchMailbox:
    """Write a small mailbox."""
    return write_maildir(tmp_path_factory.mktemp("bench") / "mail", messages=400, relevant=0.1, seed=SEED)


def participants(head: Message) -> set[str]:
    """Return the addresses of From, To and Cc."""
    values = [value for name in ("From", "To", "Cc") for value in head.get_all(name, [])]
    return {address for _, address in getaddresses(values)}


def test_same_seed_gives_the_same_messages_and_another_does_not() -> None:
    """The seed, the count and the share decide every byte."""
    first, again, other = (
        [message.raw for message in bench_messages(count=60, relevant=0.1, seed=seed)]
        for seed in (SEED, SEED, SEED + 1)
    )
    assert first == again
    assert not set(first) & set(other)


def test_sizes_are_those_of_real_mailboxes(sample: list[BenchMessage]) -> None:
    """Half of the mail is below about 8 KB, a heavy tail reaches towards 1 MB, the mean is some 25 KB."""
    sizes = sorted(len(message.raw) + message.raw.count(b"\n") for message in sample)
    assert 7_000 < sizes[COUNT // 2] < 9_500
    assert 20_000 < sum(sizes) / COUNT < 30_000
    assert 200_000 < sizes[COUNT * 99 // 100] < 700_000
    assert 500_000 < sizes[-1] <= 1_048_576


def test_received_mail_has_the_headers_of_real_mail(sample: list[BenchMessage], heads: list[Message]) -> None:
    """Received mail has 2 to 4 KB of headers, 5 to 10 hops, signatures; sent mail has none of that."""
    received = [(len(message.raw.partition(b"\n\n")[0]), head) for message, head in zip(sample, heads, strict=True)
                if message.folder != "Sent"]  # fmt: skip
    sizes = sorted(size for size, _ in received)
    assert sizes[len(sizes) // 20] > 2_000
    assert sizes[len(sizes) * 19 // 20] < 4_200
    assert {len(head.get_all("Received", [])) for _, head in received} == set(range(5, 11))
    assert all(head["DKIM-Signature"] and head["Authentication-Results"] for _, head in received)
    sent = [head for message, head in zip(sample, heads, strict=True) if message.folder == "Sent"]
    assert not any(head["Received"] for head in sent)
    assert all(OWNER_ADDRESS in head["From"] for head in sent)


def test_folders_hold_their_shares(sample: list[BenchMessage]) -> None:
    """Messages are spread over the folders as the table says, within three points."""
    for name, (_, share) in FOLDERS.items():
        assert abs(sum(message.folder == name for message in sample) / COUNT - share) < 0.03


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_relevant_share_is_met_and_true(share: float) -> None:
    """A message is relevant exactly when a known contact takes part, and as many are as asked for."""
    known = {person.address for person in contacts(SEED)}
    made = list(bench_messages(count=500, relevant=share, seed=SEED))
    for message in made:
        head = message_from_bytes(message.raw.partition(b"\n\n")[0] + b"\n\n")
        assert bool(participants(head) & known) == message.relevant
    assert abs(sum(message.relevant for message in made) - 500 * share) <= 2


def test_irrelevant_mail_never_answers_relevant_mail(sample: list[BenchMessage], heads: list[Message]) -> None:
    """No thread is mixed, so relevance by thread adds nothing to relevance by address."""
    relevant = {head["Message-ID"]: message.relevant for message, head in zip(sample, heads, strict=True)}
    answers = 0
    for message, head in zip(sample, heads, strict=True):
        for earlier in (head["References"] or "").split():
            answers += 1
            assert relevant[earlier] == message.relevant
    assert answers > COUNT / 3


def test_known_and_unknown_people_are_different() -> None:
    """2,000 contacts with an address each, none of them among the strangers, all at reserved domains."""
    known = {person.address for person in contacts(SEED)}
    unknown = {person.address for person in strangers(SEED)}
    assert len(known) == 2000
    assert not known & unknown
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+\d+@[a-z0-9.-]+\.example", address) for address in known | unknown)


def test_all_messages_differ(sample: list[BenchMessage], heads: list[Message]) -> None:
    """Message-IDs and bodies are unique."""
    assert len({head["Message-ID"] for head in heads}) == COUNT
    assert len({hashlib.sha256(message.raw.partition(b"\n\n")[2]).digest() for message in sample}) == COUNT


def test_messages_are_valid_mime(sample: list[BenchMessage]) -> None:
    """The strictest reader of the standard library finds no defect in any part, and text decodes."""
    for message in sample[::10]:
        parsed = message_from_bytes(message.raw, policy=policy.default)
        for part in parsed.walk():
            assert not part.defects
            if not part.is_multipart():
                content = part.get_content()
                assert not part.defects
                assert "\ufffd" not in content if isinstance(content, str) else len(content) > 100
        assert parsed["From"].addresses[0].domain.endswith(".example")
        assert parsedate_to_datetime(parsed["Date"]).timestamp() == message.seconds


def test_mail_parser_reads_the_messages(sample: list[BenchMessage]) -> None:
    """mail-parser finds sender, subject, text and attachments, without a defect."""
    attachments = 0
    for message in sample[::30]:
        parsed = mailparser.parse_from_bytes(message.raw)
        assert parsed.from_[0][1].endswith(".example")
        assert parsed.subject
        assert "our reference BN-" in "".join(parsed.text_plain + parsed.text_html).replace("\n", " ")
        assert not parsed.has_defects
        attachments += len(parsed.attachments)
    assert attachments > 5


def test_maildir_is_as_dovecot_writes_it(written: BenchMailbox) -> None:
    """Unique names with sizes and flags, internal date by the file's time, Maildir++ folders, no index files."""
    names: set[str] = set()
    for name, (directory, _) in FOLDERS.items():
        base = written.folder / directory
        assert {"cur", "new", "tmp"} <= {path.name for path in base.iterdir()}
        files = list((base / "cur").iterdir())
        assert len(files) == written.folders[name][0]
        for path in files:
            name_parts = re.fullmatch(r"(\d+)\.M\d+P1\.bench,S=(\d+),W=(\d+):2,S", path.name)
            assert name_parts
            seconds, size, virtual = map(int, name_parts.groups())
            raw = path.read_bytes()
            assert (size, virtual) == (len(raw), len(raw.replace(b"\n", b"\r\n")))
            assert path.stat().st_mtime == seconds
            names.add(path.name)
    assert len(names) == written.messages == 400
    assert not list(written.folder.rglob("dovecot*"))


def test_summary_counts_what_was_written(written: BenchMailbox) -> None:
    """Messages, relevant ones and bytes add up."""
    assert sum(count for count, _ in written.folders.values()) == written.messages
    assert sum(hits for _, hits in written.folders.values()) == written.relevant
    assert abs(written.relevant - 40) <= 2
    virtual = [int(path.name.partition("W=")[2].partition(":")[0]) for path in written.folder.rglob("cur/*")]
    assert (written.sizes.total, written.sizes.largest) == (sum(virtual), max(virtual))
    assert written.contacts == contacts(SEED)


def test_a_folder_with_content_is_refused(written: BenchMailbox) -> None:
    """Writing twice into a folder would mix two mailboxes, so it is an error that says what to do."""
    with pytest.raises(FileExistsError, match="remove it"):
        write_maildir(written.folder, messages=1, relevant=0.1, seed=SEED)


def test_an_empty_mailbox_can_be_written(tmp_path: Path) -> None:
    """No messages at all is a mailbox too."""
    mailbox = write_maildir(tmp_path / "none", messages=0, relevant=0.1, seed=SEED)
    assert (mailbox.messages, mailbox.sizes.total) == (0, 0)
    assert (tmp_path / "none" / ".Sent" / "cur").is_dir()


def test_live_messages_are_new_and_from_known_contacts(sample: list[BenchMessage], heads: list[Message]) -> None:
    """Mail for measuring delivery is relevant, not in the mailbox, and ready for the wire."""
    known = {person.address for person in contacts(SEED)}
    live = list(live_messages(20, seed=SEED, seconds=1_793_600_000))
    ids = {message_from_bytes(raw)["Message-ID"] for raw in live}
    assert len(ids) == 20
    assert not ids & {head["Message-ID"] for head in heads}
    for raw in live:
        assert raw.count(b"\n") == raw.count(b"\r\n")
        assert participants(message_from_bytes(raw)) & known


def test_generator_is_quick_enough_for_a_bench_on_one_core() -> None:
    """20,000 messages must not take longer to make than to fetch: 1,500 a second of processor time at the least."""
    stream = bench_messages(count=3001, relevant=0.1, seed=SEED)
    next(stream)  # builds the blocks, once for a mailbox
    before = time.process_time()
    made = sum(1 for _ in stream)
    assert made / (time.process_time() - before) > 1500
