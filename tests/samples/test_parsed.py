"""The demo's truths against our own parser: what the pipeline will see of this mail."""

from collections import defaultdict

import pytest

from services.parser.content.parse import ParsedMail, parse_mail
from testbed.samples.demo_mail import DemoMail
from testbed.samples.model import Link, SampleMail
from testbed.samples.post import RECORD_ADDRESSES

MAILS = DemoMail().mailboxes()


def read(mail: SampleMail) -> ParsedMail:
    """Parse a copy as its holder's account would."""
    return parse_mail(mail.raw, account=mail.user, internal_date=mail.internaldate)


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: f"{mail.user}/{mail.folder}/{mail.truth.email}")
def test_parser_finds_the_truth(mail: SampleMail) -> None:
    """Subject, text, the records' addresses by role, attached bytes and the kind of mail are as written."""
    parsed, truth = read(mail), mail.truth
    content = parsed.content
    if truth.mark == "hostile":
        assert content.marks.truncated
        assert "\n" not in content.subject
        return
    assert content.subject == truth.subject
    assert truth.snippet in " ".join(content.text.split())
    found = {(person.address, person.role.value) for person in content.participants}
    found |= {(address, "bcc") for address in parsed.bcc}
    assert {
        Link(RECORD_ADDRESSES[address], address, role) for address, role in found if address in RECORD_ADDRESSES
    } == {link for link in truth.links if link.role != "thread"}
    hashes = [file.sha256 for file in content.attachments]
    assert [file.sha256 for file in truth.attachments if file.sha256 not in hashes] == []
    assert not any("/" in file.name or "\\" in file.name or "\u202e" in file.name for file in content.attachments)
    if truth.mark != "bulk":
        marks = content.marks
        assert marks.bounce == (truth.mark == "bounce")
        assert marks.mailing_list == (truth.mark == "list")
        # A bounce is sent automatically too, so it may carry either mark.
        assert marks.auto_reply == (truth.mark == "auto-reply") or truth.mark == "bounce"


def test_all_copies_of_one_mail_get_one_key() -> None:
    """Identity by content: as many keys as there are mails, however many copies each has."""
    keys: dict[str, set[str]] = defaultdict(set)
    for mail in MAILS:
        keys[mail.truth.email].add(read(mail).content.key)
    assert all(len(found) == 1 for found in keys.values())
    assert len(set.union(*keys.values())) == len(keys)
