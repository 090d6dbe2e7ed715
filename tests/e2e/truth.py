"""The expected result of the demo's mail, read from the samples' truths: the services are not asked."""

from __future__ import annotations

from collections import Counter

from services.parser.content.parse import parse_mail
from testbed.samples.model import SampleMail
from testbed.samples.person import normal
from tests.e2e.deployment import Deployment

Links = set[tuple[str, str, str, str]]
"""(record, email, address, role)."""


def expected_states(mails: list[SampleMail], *, late: bool = False) -> dict[str, Counter[str]]:
    """Return the number of copies per user that must be attached and unmatched."""
    states: dict[str, Counter[str]] = {}
    for mail in mails:
        if mail.synchronised:
            known = mail.truth.links or (late and mail.truth.late_links)
            states.setdefault(mail.user, Counter())["attached" if known else "unmatched"] += 1
    return states


def expected_links(mails: list[SampleMail], *, late: bool = False) -> Links:
    """Return every reason for an email to be on a record; emails by the samples' keys."""
    return {
        (link.record, mail.truth.email, link.address, link.role)
        for mail in mails
        if mail.synchronised
        for link in (*mail.truth.links, *(mail.truth.late_links if late else ()))
    }


def keys_of(mails: list[SampleMail], deployment: Deployment) -> dict[str, str]:
    """Return the samples' key of each email by Leadmail's (which is a digest, so the parser is asked for it)."""
    return {
        parse_mail(
            mail.raw, account=deployment.accounts[mail.user], internal_date=mail.internaldate
        ).content.key: mail.truth.email
        for mail in mails
    }


async def stored_states(deployment: Deployment) -> dict[str, Counter[str]]:
    """Return the number of copies per user and state."""
    names = {account: user for user, account in deployment.accounts.items()}
    return {
        names[status.account.id]: Counter({str(state): count for state, count in status.counts.items()})
        for status in await deployment.store.status.accounts()
    }


async def stored_links(deployment: Deployment, mails: list[SampleMail]) -> Links:
    """Return the reasons of every stored link, in the form of ``expected_links``."""
    keys = keys_of(mails, deployment)
    records = {(ref.kind, ref.id): key for key, ref in deployment.records.items()}
    links = await deployment.store.links.of_emails(keys)
    return {
        (records[link.record.kind, link.record.id], keys[link.email], normal(match.address), match.role.value)
        for found in links.values()
        for link in found
        for match in link.matches
    }
