"""The rule of who sees what (DESIGN section 4), as tables and as properties against an independent reading of it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.addresses import PublicSuffixError, excludable_domain
from schemas.emails import Match
from schemas.mail import Role
from schemas.sharing import (
    CompanyPolicy,
    LiveCopy,
    Mode,
    SharingPolicy,
    Subject,
    Verdict,
    decide,
    internal_among,
    may_see,
    shares,
)

ANN, BOB, CLIENT, PARTNER = "ann@firm.example", "bob@firm.example", "carla@client.example", "paul@partner.example"
NOBODY = CompanyPolicy()
FIRM_EXCLUDED = CompanyPolicy(excluded_domains=("firm.example",))
PUBLIC, PRIVATE = SharingPolicy(mode=Mode.PUBLIC), SharingPolicy(mode=Mode.PRIVATE)


def custom(*domains: str) -> SharingPolicy:
    """Return a policy of mode custom."""
    return SharingPolicy(mode=Mode.CUSTOM, excluded_domains=domains)


def copy(policy: SharingPolicy, *, owner: str = ANN, account: str = "1" * 24, bcc: tuple[str, ...] = ()) -> LiveCopy:
    """Return a live copy in an account whose only address is its owner's."""
    return LiveCopy(account=account, owner=owner, policy=policy, own_addresses=(owner,), bcc=bcc)


def subject(people: Iterable[str], *, internal: Iterable[str] = (), attesting: Iterable[str] = (ANN, BOB)) -> Subject:
    """Return an email between people; by default its thread is attested by both colleagues."""
    return Subject(participants=frozenset(people), internal=frozenset(internal), attesting=frozenset(attesting))


TABLE = [
    # policy, company, address of the link, role, participants, verdict, domain
    (PUBLIC, NOBODY, CLIENT, Role.FROM, (CLIENT, ANN), Verdict.SHARED, None),
    (PRIVATE, NOBODY, CLIENT, Role.FROM, (CLIENT, ANN), Verdict.MODE_PRIVATE, None),
    (PUBLIC, NOBODY, CLIENT, Role.BCC, (ANN,), Verdict.BCC, None),
    (PUBLIC, NOBODY, CLIENT, Role.THREAD, (PARTNER, ANN), Verdict.SHARED, None),
    # the user's list counts for mode custom only
    (custom("client.example"), NOBODY, CLIENT, Role.TO, (CLIENT, ANN), Verdict.EXCLUDED_BY_OWNER, "client.example"),
    (custom("client.example"), NOBODY, PARTNER, Role.TO, (PARTNER, CLIENT, ANN), Verdict.SHARED, None),
    (
        SharingPolicy(mode=Mode.PUBLIC, excluded_domains=("client.example",)),
        NOBODY,
        CLIENT,
        Role.TO,
        (CLIENT, ANN),
        Verdict.SHARED,
        None,
    ),
    # the administrator's list counts for everyone and comes first
    (PUBLIC, FIRM_EXCLUDED, BOB, Role.CC, (CLIENT, ANN, BOB), Verdict.EXCLUDED_BY_COMPANY, "firm.example"),
    (custom("firm.example"), FIRM_EXCLUDED, BOB, Role.CC, (CLIENT, BOB), Verdict.EXCLUDED_BY_COMPANY, "firm.example"),
    # excluded is per link: the client's page shows the mail that a colleague is in Cc of
    (PUBLIC, FIRM_EXCLUDED, CLIENT, Role.FROM, (CLIENT, ANN, BOB), Verdict.SHARED, None),
    # the label boundary
    (
        custom("client.example"),
        NOBODY,
        "x@eu.client.example",
        Role.TO,
        ("x@eu.client.example",),
        Verdict.EXCLUDED_BY_OWNER,
        "client.example",
    ),
    (custom("client.example"), NOBODY, "x@notclient.example", Role.TO, ("x@notclient.example",), Verdict.SHARED, None),
    # internal-only: apart from the account's own addresses, everyone is in an excluded domain
    (PUBLIC, FIRM_EXCLUDED, CLIENT, Role.THREAD, (ANN, BOB), Verdict.INTERNAL_ONLY, None),
    (PUBLIC, NOBODY, CLIENT, Role.THREAD, (ANN, BOB), Verdict.SHARED, None),
    (custom("firm.example"), NOBODY, CLIENT, Role.THREAD, (ANN, BOB), Verdict.INTERNAL_ONLY, None),
    (PUBLIC, FIRM_EXCLUDED, CLIENT, Role.THREAD, (ANN, BOB, PARTNER), Verdict.SHARED, None),
    (PUBLIC, NOBODY, CLIENT, Role.THREAD, (ANN,), Verdict.INTERNAL_ONLY, None),
    # a mode that the administrator does not allow (any more) shares nothing
    (
        PUBLIC,
        CompanyPolicy(allowed_modes=(Mode.PRIVATE, Mode.CUSTOM), default_mode=Mode.PRIVATE),
        CLIENT,
        Role.FROM,
        (CLIENT, ANN),
        Verdict.MODE_NOT_ALLOWED,
        None,
    ),
]


@pytest.mark.parametrize(("policy", "company", "address", "role", "participants", "verdict", "domain"), TABLE)
def test_the_verdict_for_another_viewer(
    *,
    policy: SharingPolicy,
    company: CompanyPolicy,
    address: str,
    role: Role,
    participants: tuple[str, ...],
    verdict: Verdict,
    domain: str | None,
) -> None:
    """Each clause of the rule decides its case, and names the domain that it turned on."""
    decision = shares(copy(policy), Match(address=address, role=role), subject(participants), company)
    assert (decision.verdict, decision.domain) == (verdict, domain)


def test_only_the_owner_of_a_private_copy_sees_it() -> None:
    """(a) grants the owner access under any policy; (b) grants no one access under a private one."""
    copies, matches = [copy(PRIVATE)], [Match(address=CLIENT, role=Role.FROM)]
    assert may_see(decide({ANN}, copies, matches, subject((CLIENT, ANN)), NOBODY))
    assert not may_see(decide({BOB}, copies, matches, subject((CLIENT, ANN)), NOBODY))


def test_one_sharing_holder_is_enough() -> None:
    """Several holders: what is seen is the union over their copies."""
    copies = [copy(PRIVATE), copy(PUBLIC, owner=BOB, account="2" * 24)]
    lines = decide(
        {"zoe@firm.example"}, copies, [Match(address=CLIENT, role=Role.FROM)], subject((CLIENT, ANN, BOB)), NOBODY
    )
    assert [line.decision.verdict for line in lines] == [Verdict.MODE_PRIVATE, Verdict.SHARED]
    assert may_see(lines)


def test_a_bcc_is_known_to_the_owner_of_that_copy_only() -> None:
    """Neither other users nor other holders of the same email learn that the record was in Bcc."""
    copies = [copy(PUBLIC, bcc=(CLIENT,)), copy(PUBLIC, owner=BOB, account="2" * 24)]
    matches = [Match(address=CLIENT, role=Role.BCC, account="1" * 24)]
    assert may_see(decide({ANN}, copies, matches, subject((PARTNER, ANN)), NOBODY))
    assert not may_see(decide({BOB}, copies, matches, subject((PARTNER, ANN)), NOBODY))
    assert not may_see(decide({"zoe@firm.example"}, copies, matches, subject((PARTNER, ANN)), NOBODY))


@pytest.mark.parametrize("role", [Role.TO, Role.SENDER, Role.THREAD])
def test_a_bounce_about_someone_in_bcc_is_for_the_holder(role: Role) -> None:
    """By whatever it is on a record, because its text names them. Other mail with a Bcc is shared, and so are other bounces."""
    match, mail = Match(address=CLIENT, role=role), subject((CLIENT, ANN))
    failed = mail.model_copy(update={"bounce": True})
    assert shares(copy(PUBLIC, bcc=(PARTNER,)), match, failed, NOBODY).verdict is Verdict.BCC
    assert shares(copy(PUBLIC), match, failed, NOBODY).verdict is Verdict.SHARED
    assert shares(copy(PUBLIC, bcc=(PARTNER,)), match, mail, NOBODY).verdict is Verdict.SHARED
    assert may_see(decide({ANN}, [copy(PUBLIC, bcc=(PARTNER,))], [match], failed, NOBODY))


def test_a_bcc_of_another_copy_in_the_same_mailbox_says_nothing() -> None:
    """If the copy with the Bcc is gone or flagged as deleted, another copy without it does not show the email there."""
    matches = [Match(address=CLIENT, role=Role.BCC, account="1" * 24)]
    assert not may_see(decide({ANN}, [copy(PUBLIC)], matches, subject((PARTNER, ANN)), NOBODY))


def test_a_bcc_of_a_copy_in_another_mailbox_says_nothing() -> None:
    """A reason that another mailbox gave shows nobody the email there, even if their own copy has the same Bcc."""
    matches = [Match(address=CLIENT, role=Role.BCC, account="2" * 24)]
    assert not may_see(decide({ANN}, [copy(PUBLIC, bcc=(CLIENT,))], matches, subject((PARTNER, ANN)), NOBODY))


def test_a_bcc_makes_no_difference_to_what_others_see() -> None:
    """Internal mail stays internal whoever was in Bcc: if others saw it, they would learn of the Bcc."""
    matches = [Match(address=CLIENT, role=Role.THREAD)]
    for bcc in ((), (PARTNER,)):
        assert not may_see(
            decide({"zoe@firm.example"}, [copy(PUBLIC, bcc=bcc)], matches, subject((ANN, BOB)), FIRM_EXCLUDED)
        )


@pytest.mark.parametrize(("copies", "matches"), [([], [Match(address=CLIENT, role=Role.TO)]), ([copy(PUBLIC)], [])])
def test_without_a_live_copy_or_a_link_no_one_sees_it(copies: list[LiveCopy], matches: list[Match]) -> None:
    """No copy left, or no reason to be on the record: not even the owner sees it there."""
    assert not may_see(decide({ANN}, copies, matches, subject((CLIENT, ANN)), NOBODY))


@pytest.mark.parametrize("domain", ["com", "co.uk", "@com", "localhost", "github.io", "COM."])
def test_a_public_suffix_cannot_be_excluded(domain: str) -> None:
    """Excluding `co.uk` would exclude half of a country."""
    with pytest.raises(PublicSuffixError):
        excludable_domain(domain)


def test_excluded_domains_are_kept_in_normal_form() -> None:
    """Case, a leading @, U-labels and repetitions make no difference."""
    policy = custom("@Client.example", "client.EXAMPLE.", "Bücher.example")
    assert policy.excluded_domains == ("client.example", "xn--bcher-kva.example")


# Properties, against the rule read a second time.

POOL = ("ann@firm.example", "bob@firm.example", "carla@client.example", "di@sub.client.example", "paul@partner.example")
DOMAIN_POOL = ("firm.example", "client.example", "sub.client.example", "partner.example")
some_domains = st.lists(st.sampled_from(DOMAIN_POOL), max_size=2, unique=True).map(tuple)
some_people = st.lists(st.sampled_from(POOL), max_size=4, unique=True).map(tuple)
subjects = st.builds(
    Subject,
    participants=some_people.map(frozenset),
    internal=some_people.map(frozenset),
    attesting=some_people.map(frozenset),
)
policies = st.builds(SharingPolicy, mode=st.sampled_from(Mode), excluded_domains=some_domains)
companies = st.builds(
    CompanyPolicy,
    excluded_domains=some_domains,
    allowed_modes=st.lists(st.sampled_from(Mode), min_size=1, unique=True).map(tuple),
)
live_copies = st.lists(
    st.builds(
        LiveCopy,
        account=st.sampled_from(["1" * 24, "2" * 24, "3" * 24]),
        owner=st.sampled_from(POOL[:2]),
        policy=policies,
        own_addresses=st.sampled_from([(POOL[0],), (POOL[1],), POOL[:2]]),
        bcc=some_people,
        withdrawn=st.booleans(),
    ),
    max_size=3,
)
some_matches = st.lists(
    st.one_of(
        st.builds(Match, address=st.sampled_from(POOL), role=st.sampled_from([r for r in Role if r is not Role.BCC])),
        st.builds(
            Match,
            address=st.sampled_from(POOL),
            role=st.just(Role.BCC),
            account=st.sampled_from(["1" * 24, "2" * 24, "3" * 24]),
        ),
    ),
    max_size=3,
)


def covered(address: str, domains: tuple[str, ...]) -> bool:
    """Say whether a domain covers an address, by lists of labels."""
    labels = address.split("@")[1].split(".")
    return any(labels[-len(domain.split(".")) :] == domain.split(".") for domain in domains)


def reference(
    viewer: str, copies: list[LiveCopy], matches: list[Match], about: Subject, company: CompanyPolicy
) -> bool:
    """Say whether the viewer sees the email, sentence by sentence as in DESIGN."""
    for held, match in product(copies, matches):
        bcc = match.role == "bcc"
        if bcc and (match.account != held.account or match.address not in held.bcc):
            continue  # "Bcc is shown to the owner of the copy only"
        if held.owner == viewer and (match.role != "thread" or about.attesting):
            return True  # "(a) V owns a live copy of M", and M is linked to R: by a thread if any holder attests it
        mode = held.policy.mode
        excluded = company.excluded_domains + (held.policy.excluded_domains if mode == "custom" else ())
        others = set(about.participants) - set(held.own_addresses)
        shared = (
            mode in company.allowed_modes
            and mode in {"public", "custom"}
            and not bcc
            and not held.withdrawn  # "a holder can withdraw their own copies"
            and match.address not in about.internal  # "a link by an internal address shares nothing"
            and not (
                match.role == "thread" and held.owner not in about.attesting
            )  # "only the copies of holders for whom this is so"
            and not covered(match.address, excluded)
            and not all(other in about.internal or covered(other, excluded) for other in others)
        )
        if shared:
            return True  # "(b)"
    return False


@given(st.sampled_from([*POOL[:2], "zoe@firm.example"]), live_copies, some_matches, subjects, companies)
def test_the_rule_is_what_the_design_says(
    viewer: str, copies: list[LiveCopy], matches: list[Match], about: Subject, company: CompanyPolicy
) -> None:
    """For any copies, matches, participants and policies the decision is that of a second reading of the rule."""
    assert may_see(decide({viewer}, copies, matches, about, company)) is reference(
        viewer, copies, matches, about, company
    )


@given(live_copies, some_matches, subjects, companies, st.sampled_from(DOMAIN_POOL))
def test_excluding_one_more_domain_grants_no_one_access(
    copies: list[LiveCopy], matches: list[Match], about: Subject, company: CompanyPolicy, domain: str
) -> None:
    """A longer list of the administrator grants nothing that the shorter one did not."""
    narrower = company.model_copy(update={"excluded_domains": (*company.excluded_domains, domain)})
    for viewer in ("zoe@firm.example", *POOL[:2]):
        if may_see(decide({viewer}, copies, matches, about, narrower)):
            assert may_see(decide({viewer}, copies, matches, about, company))


@given(live_copies, some_matches, subjects, companies)
def test_making_an_account_private_hides_its_mail_from_all_but_its_owner(
    copies: list[LiveCopy], matches: list[Match], about: Subject, company: CompanyPolicy
) -> None:
    """If every policy is private, only owners see anything. What an owner sees does not depend on policies."""
    private = [held.model_copy(update={"policy": PRIVATE}) for held in copies]
    assert not may_see(decide({"zoe@firm.example"}, private, matches, about, company))
    for held in copies:
        alone = [held]
        hidden = [held.model_copy(update={"policy": PRIVATE})]
        assert may_see(decide({held.owner}, alone, matches, about, company)) is may_see(
            decide({held.owner}, hidden, matches, about, company)
        )


@given(live_copies, some_matches, subjects, companies, st.sampled_from(POOL))
def test_one_more_internal_address_grants_no_one_access(
    copies: list[LiveCopy], matches: list[Match], about: Subject, company: CompanyPolicy, address: str
) -> None:
    """A mail that was hidden because it is internal, or on a colleague's page, stays hidden."""
    narrower = about.model_copy(update={"internal": about.internal | {address}})
    for viewer in ("zoe@firm.example", *POOL[:2]):
        if may_see(decide({viewer}, copies, matches, narrower, company)):
            assert may_see(decide({viewer}, copies, matches, about, company))


def test_a_link_by_an_internal_address_shares_nothing() -> None:
    """A colleague who is also a contact opens no one's internal mail, whatever the mode."""
    about = subject((ANN, BOB, CLIENT), internal=(ANN, BOB))
    for role in (Role.FROM, Role.TO, Role.CC, Role.REPLY_TO):
        assert shares(copy(PUBLIC), Match(address=BOB, role=role), about, NOBODY).verdict is Verdict.INTERNAL
    assert shares(copy(PUBLIC), Match(address=CLIENT, role=Role.TO), about, NOBODY).verdict is Verdict.SHARED


def test_mail_among_colleagues_stays_with_its_holders() -> None:
    """Every participant is internal or in an excluded domain: only holders see it."""
    about = subject((ANN, BOB, PARTNER), internal=(ANN, BOB))
    match = Match(address=CLIENT, role=Role.THREAD)
    assert shares(copy(custom("partner.example")), match, about, NOBODY).verdict is Verdict.INTERNAL_ONLY
    assert shares(copy(PUBLIC), match, about, NOBODY).verdict is Verdict.SHARED


def test_a_thread_shares_only_where_the_owner_of_the_copy_attests_it() -> None:
    """Someone else's mailbox attests nothing for mine."""
    match, about = Match(address=CLIENT, role=Role.THREAD), subject((ANN, PARTNER), attesting=(BOB,))
    assert shares(copy(PUBLIC), match, about, NOBODY).verdict is Verdict.THREAD_NOT_ATTESTED
    assert shares(copy(PUBLIC, owner=BOB), match, about, NOBODY).verdict is Verdict.SHARED


def test_a_thread_that_no_one_attests_puts_the_email_on_no_page() -> None:
    """The page of a copy's owner included, for whom it is enough that some holder attests it."""
    match = Match(address=CLIENT, role=Role.THREAD)
    for attesting, verdict in (((), Verdict.THREAD_NOT_ATTESTED), ((BOB,), Verdict.OWN_COPY)):
        (line,) = decide({ANN}, [copy(PUBLIC)], [match], subject((ANN, PARTNER), attesting=attesting), NOBODY)
        assert line.decision.verdict is verdict


def test_a_withdrawn_copy_is_for_its_owner_only() -> None:
    """The owner keeps it private; a copy that someone else shares still grants."""
    held = copy(PUBLIC).model_copy(update={"withdrawn": True})
    match = Match(address=CLIENT, role=Role.FROM)
    assert shares(held, match, subject((CLIENT, ANN)), NOBODY).verdict is Verdict.WITHDRAWN
    assert may_see(decide({ANN}, [held], [match], subject((CLIENT, ANN)), NOBODY))
    assert not may_see(decide({BOB}, [held], [match], subject((CLIENT, ANN)), NOBODY))
    assert may_see(
        decide({"zoe@firm.example"}, [held, copy(PUBLIC, owner=BOB)], [match], subject((CLIENT, ANN)), NOBODY)
    )


@pytest.mark.parametrize(
    ("address", "company", "internal"),
    [
        (BOB, NOBODY, True),  # a colleague: a user, or a connected account's proven address
        (CLIENT, NOBODY, False),
        ("new@firm.example", CompanyPolicy(internal_domains=("firm.example",)), True),
        ("new@eu.firm.example", CompanyPolicy(internal_domains=("firm.example",)), True),
        ("new@notfirm.example", CompanyPolicy(internal_domains=("firm.example",)), False),
        (
            "new@firm.example",
            CompanyPolicy(internal_domains=("firm.example",), opened_domains=("firm.example",)),
            False,
        ),
        (BOB, CompanyPolicy(opened_domains=("firm.example",)), False),
        (
            "x@eu.firm.example",
            CompanyPolicy(internal_domains=("firm.example",), opened_domains=("eu.firm.example",)),
            False,
        ),
        # what Leadmail sends itself stays internal whatever is opened
        (
            "leadmail@firm.example",
            CompanyPolicy(senders=("leadmail@firm.example",), opened_domains=("firm.example",)),
            True,
        ),
    ],
)
def test_who_is_internal(*, address: str, company: CompanyPolicy, internal: bool) -> None:
    """Colleagues and the company's domains are internal, except in a domain that the administrator opened."""
    assert (address in internal_among([address], {BOB}, company)) is internal
