"""Policies and verdicts as they are stored, printed and explained: what other programs rely on."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from schemas.addresses import InvalidDomainError, PublicSuffixError, excludable_domain
from schemas.emails import Match
from schemas.mail import Role
from schemas.sharing import CompanyPolicy, LiveCopy, Mode, SharingPolicy, Subject, Verdict, covering_domain, decide
from services import wording


def test_stable_codes() -> None:
    """What is stored and printed for each mode and verdict never changes."""
    assert [mode.value for mode in Mode] == ["private", "public", "custom"]
    assert [verdict.value for verdict in Verdict] == [
        "own-copy",
        "shared",
        "mode-private",
        "mode-not-allowed",
        "withdrawn",
        "bcc",
        "excluded-by-company",
        "excluded-by-owner",
        "internal",
        "internal-only",
        "thread-not-attested",
    ]


def test_every_verdict_has_words() -> None:
    """``explain`` and the console can say each verdict."""
    assert wording.VERDICTS.keys() == set(Verdict)


def test_two_verdicts_grant() -> None:
    """An own copy and a shared one let the viewer see; nothing else does."""
    assert {verdict for verdict in Verdict if verdict.grants} == {Verdict.OWN_COPY, Verdict.SHARED}


def test_an_own_copy_is_named_as_such() -> None:
    """The owner of a copy sees it as their own, even if its policy shares it; another user sees it as shared."""
    copy = LiveCopy(account="1", owner="a@x.example", policy=SharingPolicy(mode=Mode.PUBLIC), own_addresses=())
    match = Match(address="c@client.example", role=Role.FROM)
    for viewer, verdict in (("a@x.example", Verdict.OWN_COPY), ("b@x.example", Verdict.SHARED)):
        (line,) = decide(
            {viewer},
            [copy],
            [match],
            Subject(participants=frozenset({match.address}), internal=frozenset()),
            CompanyPolicy(),
        )
        assert (line.decision.verdict, line.copy_of, line.match) == (verdict, copy, match)


def test_a_company_without_a_policy() -> None:
    """Nothing is excluded, every mode is allowed, and public is proposed."""
    policy = CompanyPolicy()
    assert policy.excluded_domains == ()
    assert policy.allowed_modes == (Mode.PRIVATE, Mode.PUBLIC, Mode.CUSTOM)
    assert policy.default_mode is Mode.PUBLIC


@pytest.mark.parametrize("policy", [SharingPolicy(mode=Mode.CUSTOM, excluded_domains=("B.example", "a.example")),
                                    CompanyPolicy(excluded_domains=("B.example", "@a.example"))])  # fmt: skip
def test_domains_are_sorted_and_normal(policy: SharingPolicy | CompanyPolicy) -> None:
    """Domains are in lower case, each once, in one order, however they were typed."""
    assert policy.excluded_domains == ("a.example", "b.example")


@pytest.mark.parametrize(("domain", "normal"), [("@Acme.example", "acme.example"), ("x.acme.co.uk", "x.acme.co.uk")])
def test_what_may_be_excluded(domain: str, normal: str) -> None:
    """A company's own domain or one below it, also with the @ of an address before it."""
    assert excludable_domain(domain) == normal


@pytest.mark.parametrize("domain", ["com", "co.uk", "localhost", "@com"])
def test_what_may_not_be_excluded(domain: str) -> None:
    """A public suffix, or a single label; the error names what to write instead."""
    with pytest.raises(PublicSuffixError, match=r"is a public suffix: .* such as example\.(com|co\.uk|localhost)$"):
        excludable_domain(domain)
    with pytest.raises(InvalidDomainError):
        excludable_domain("no domain")


def test_the_first_covering_domain() -> None:
    """Of several that cover an address the first is named; of none, none."""
    assert covering_domain("x@eu.acme.example", ["other.example", "acme.example", "eu.acme.example"]) == "acme.example"
    assert covering_domain("x@notacme.example", ["acme.example"]) is None


def test_a_policy_starts_as_version_0() -> None:
    """A policy that nobody changed yet is the first; there is none before it."""
    assert CompanyPolicy().version == 0
    assert CompanyPolicy(version=0).version == 0
    with pytest.raises(ValidationError):
        CompanyPolicy(version=-1)
