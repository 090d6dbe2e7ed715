"""``leadmail company domains``: a colleague's address as a contact opens no one's internal mail until an administrator opens it."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.emails import Match
from schemas.mail import Role
from services.cli.results import company as results
from services.mailbox.connection import SecretBox
from services.store import LinkAddition, NewRecord, Store
from services.usecases.company_domains import PublicMailError, internal_domain
from tests.cli.fixtures import ANNA, LUC, OFFER, Deployment, check_result

ROOT = "root@nw.example"
"""An administrator without a mailbox."""
LENA = "lena@nw.example"
"""A colleague without a mailbox who is no user."""


def test_a_domain_is_proposed_and_internal_after_it_is_confirmed(deployment: Deployment) -> None:
    """Set-up and doctor ask; an administrator confirms; what else is changed later keeps the answer; it is audited."""
    assert "nw.example looks like the company's own domain" in deployment.ok("setup")
    assert deployment.run("company", "domains", "--add", "nw.example").code == 2
    refused = deployment.run("company", "domains", "--add", "nw.example", "--by", LUC)
    assert (refused.code, "not an administrator" in refused.errors) == (1, True)
    found = deployment.run("company", "domains", "--add", "nw.example", "--by", ANNA, "--json")
    check_result(found.out, results.CompanyDomains)
    assert (found.json()["internal_domains"], found.json()["proposed"]) == (["nw.example"], [])
    deployment.ok("company", "sharing", "--by", ANNA, "--exclude-domain", "law.example")
    assert "nw.example" in deployment.ok("company", "domains")
    assert "looks like" not in deployment.ok("setup")
    assert "nw.example" in deployment.ok("audit", "--action", "company.domains")
    assert "law.example" not in deployment.ok("audit", "--action", "company.domains")


def test_a_new_user_proposes_their_domain(empty: Deployment) -> None:
    """The sentence says what is so until it is confirmed; a public mail service's domain is not proposed."""
    added = empty.ok("user", "add", ANNA, "--admin")
    assert "nw.example looks like the company's own domain (1 address)" in added
    assert "Until then only addresses of users and connected mailboxes are internal" in added
    assert "looks like" not in empty.ok("user", "add", "anna@gmail.com")
    empty.ok("company", "domains", "--add", "nw.example", "--by", ANNA)
    assert empty.ok("user", "add", LUC) == f"{LUC} added.\n"


@pytest.mark.parametrize(
    "domain", ["co.uk", "com", "gmail.com", "yahoo.com.br", "hotmail.fr", "mail.gmx.de", "orange.fr"]
)
def test_public_domains_are_never_internal(domain: str) -> None:
    """Half the deployment would be a colleague."""
    with pytest.raises(ValueError, match=r"public"):
        internal_domain(domain)
    with pytest.raises(PublicMailError):
        internal_domain("Outlook.COM")
    assert internal_domain("@NW.example.") == "nw.example"


def test_adding_a_colleague_says_what_the_record_will_not_show(deployment: Deployment, tmp_path: Path) -> None:
    """By a user's address at once, by a confirmed domain; one at a time or from a file; no one else gets the sentence."""
    assert f"{LUC} is internal" in deployment.ok("contact", "add", LUC)
    assert "is internal" not in deployment.ok("contact", "add", "new@client.example")
    deployment.ok("company", "domains", "--add", "nw.example", "--by", ANNA)
    assert f"{LENA} is internal" in deployment.ok("lead", "add", LENA)
    rows = tmp_path / "rows.csv"
    rows.write_text(f"email\n{LENA}\nother@client.example\n")
    assert f"{LENA} is internal" in deployment.ok("contact", "import", str(rows))


def test_opening_shows_numbers_first_and_closing_hides_again(deployment: Deployment) -> None:
    """Without a confirmation nothing changes; a domain that holds no internal address cannot be opened."""
    change = ("company", "domains", "--open", "nw.example", "--by", ANNA)
    assert "emails would be shown to" in deployment.ok(*change, "--dry-run")
    assert deployment.run(*change).code == 2
    assert "no domain is opened" in deployment.ok("company", "domains")
    opened = deployment.run(*change, "--yes", "--json").json()
    assert (opened["opened_domains"], opened["changed"]) == (["nw.example"], True)
    assert (opened["opened_records"], opened["preview"]["shown"]["emails"]) == (0, 0)
    assert "is internal" not in deployment.ok("contact", "add", LUC)
    deployment.ok("company", "domains", "--close", "nw.example", "--by", ANNA)
    assert "no domain is opened" in deployment.ok("company", "domains")
    assert deployment.run("company", "domains", "--open", "client.example", "--by", ANNA, "--yes").code == 2
    assert deployment.run("company", "domains", "--remove", "nw.example", "--by", ANNA).code == 2


async def _lena_as_contact(store: Store, _box: SecretBox) -> None:
    """Put Anna's mail on the page of a colleague, as the matcher does for a colleague in Cc."""
    record = await store.records.add("contact", NewRecord((LENA,)))
    await store.record_addresses.put_many([record])
    match = Match(address=LENA, role=Role.CC)
    await store.links.save_many([LinkAddition(OFFER.key, record.ref, OFFER.sent_at, OFFER.thread, (match,), ANNA)])
    await store.sharing.recompute([OFFER.key])


def test_a_colleague_as_contact_opens_no_internal_mail(deployment: Deployment) -> None:
    """Anna shares as public. Luc sees her mail on the colleague's page only while the domain is opened; the dry run counts it."""
    deployment.store(_lena_as_contact)
    page = ("emails", LENA, "--viewer", LUC)
    deployment.ok("company", "domains", "--add", "nw.example", "--by", ANNA)
    assert "0 emails" in deployment.ok(*page)
    assert "1 email" in deployment.ok("emails", LENA, "--viewer", ANNA)
    change = ("company", "domains", "--open", "nw.example", "--by", ANNA)
    told = deployment.ok(*change, "--dry-run")
    assert "1 record that you can read would cease to be internal" in told
    assert "1 email would be shown to 1 user, on 1 record." in told
    assert "Subject" not in told
    deployment.ok("user", "add", ROOT, "--admin")
    blind = deployment.ok(*change[:-1], ROOT, "--dry-run")
    assert "1 record that you can read would cease to be internal" in blind
    assert "0 emails would be shown" in blind, "what the administrator may not see is in no number"
    assert "0 emails" in deployment.ok(*page)
    deployment.ok(*change, "--yes")
    assert "1 email" in deployment.ok(*page)
    deployment.ok("company", "domains", "--close", "nw.example", "--by", ANNA)
    assert "0 emails" in deployment.ok(*page)
    assert "internal address" in deployment.run("doctor").out
