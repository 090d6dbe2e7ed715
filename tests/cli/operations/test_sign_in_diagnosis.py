"""``leadmail doctor`` says whether the services at which users sign in answer, and whose tokens they refuse to refresh."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from schemas.accounts import AccountState, Trouble
from services.cli.operations import sign_in_diagnosis
from services.cli.operations.diagnosis import Check, State
from services.mailbox.connection import Code
from services.mailbox.providers import directory
from services.settings import CliSettings
from testbed.identity.part import CLIENT_ID, CLIENT_SECRET, IdentityServer
from testbed.local import LocalServers
from tests import factories, oauth
from tests.cli.fixtures import Deployment

BOTH = ("sign-in: Example", "sign-in: console")


@pytest.fixture
def deployment(
    empty: Deployment, servers: LocalServers, identity: IdentityServer, monkeypatch: pytest.MonkeyPatch
) -> Deployment:
    """A deployment with the identity server as its own sign-in service, and as the company's identity provider."""
    empty.environment |= {**oauth.settings(servers), "LEADMAIL_OIDC_ISSUER": identity.issuer}
    for name, value in empty.environment.items():
        monkeypatch.setenv(name, value)
    return empty


def found(**changes: Any) -> dict[str, Check]:
    """Return the checks of the services by name."""
    settings = CliSettings.read().model_copy(update=changes)
    return {check.name: check for check in asyncio.run(sign_in_diagnosis.services(settings))}


def test_services_that_answer(deployment: Deployment, identity: IdentityServer) -> None:
    """The doctor asks for what each publishes, and signs no one in."""
    asked = identity.asked()
    done = deployment.run("doctor", "--json")
    checks = {check["name"]: check for check in done.json()["checks"]}
    for name in (*BOTH, "sign-in: mailboxes"):
        assert checks[name]["state"] == "fine", checks[name]
    assert set(identity.asked()[len(asked) :]) <= {"configuration", "keys", "token"}


@pytest.mark.parametrize("endpoint", ["configuration", "keys", "token"])
@pytest.mark.usefixtures("deployment")
def test_services_that_fail(identity: IdentityServer, endpoint: str) -> None:
    """Any endpoint that a sign-in needs."""
    with identity.fault(endpoint, status=503):
        checks = found()
    for name in BOTH:
        assert checks[name].state is State.WRONG
        assert "answers 503" in checks[name].found
        assert "LEADMAIL_CA_FILE" in checks[name].advice


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"allow_networks": ()}, "no public address"),
        ({"oidc_issuer": "http://127.0.0.1:1"}, "cannot be reached"),
        ({"oidc_issuer": "{}/other"}, "answers 404"),
    ],
)
@pytest.mark.usefixtures("deployment")
def test_wrong_settings(identity: IdentityServer, changes: dict[str, Any], words: str) -> None:
    """A network that is not allowed, a server that is not there, and a page that is no issuer's."""
    filled = {name: value.format(identity.issuer) if value else value for name, value in changes.items()}
    check = found(**filled)["sign-in: console"]
    assert (check.state, words in check.found) == (State.WRONG, True), check


@pytest.mark.usefixtures("deployment")
def test_half_of_the_settings() -> None:
    """The sentence names what is missing; without any service there is nothing to check."""
    assert "set LEADMAIL_OAUTH_ISSUER" in found(oauth_issuer="", oidc_issuer="")["sign-in"].found
    assert found(oauth_client_id="", oidc_issuer="") == {}
    assert found(ca_file="/nowhere.pem") == {}, "that file has a check of its own"


def test_refused_tokens() -> None:
    """Mailboxes are named, with what to do; those with a password, and passing trouble, are not this check's."""
    trouble = Trouble(code=Code.APP_REFUSED, phase="connect", since=datetime.now(UTC))
    blocked = {"state": AccountState.BLOCKED, "reason": "consent-revoked"}
    fields: list[dict[str, Any]] = [
        *({"grant": "g", **blocked} for _ in range(5)),
        {"grant": "g", "trouble": trouble},
        {"grant": "g", "trouble": trouble.model_copy(update={"code": "throttled"})},
        {"grant": "g", "state": AccountState.BLOCKED, "reason": "wrong-password"},
        {"grant": "g", "state": AccountState.PAUSED, "trouble": trouble},
        blocked,
    ]
    accounts = [factories.account(f"u{number}@corp.com").model_copy(update=one) for number, one in enumerate(fields)]
    refused, revoked = sign_in_diagnosis.tokens(accounts)
    assert (refused.name, refused.state) == ("sign-in: app-refused", State.WRONG)
    assert refused.found.startswith("u5@corp.com: the mail service refuses Leadmail's own client id")
    assert (revoked.name, revoked.state) == ("sign-in: consent-revoked", State.WARNING)
    assert revoked.found.startswith("u0@corp.com, u1@corp.com, u2@corp.com and 2 more: the permission")
    assert "leadmail account login u0@corp.com" in revoked.advice
    (fine,) = sign_in_diagnosis.tokens(accounts[6:])
    assert fine.state is State.FINE


@pytest.mark.usefixtures("deployment")
def test_services_in_our_own_name(identity: IdentityServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key's service has to answer; an application's secret is tried, and the sentence says what to repair."""
    microsoft = directory().sign_ins["microsoft"].model_copy(update={"token": f"{identity.issuer}/token"})
    monkeypatch.setitem(directory().sign_ins, "microsoft", microsoft)
    application = {"microsoft_app_client_id": CLIENT_ID, "microsoft_app_tenant": "contoso"}
    right = SecretStr(CLIENT_SECRET)
    key = SecretStr(identity.service_account())
    checks = found(oauth_service_account=key, microsoft_app_client_secret=right, **application)
    assert checks["sign-in: Example, own name"].state is checks["sign-in: Microsoft, own name"].state is State.FINE
    with identity.fault("token", error="invalid_client", description="AADSTS7000222: expired", status=401):
        check = found(microsoft_app_client_secret=right, **application)["sign-in: Microsoft, own name"]
    assert (check.state, "has expired" in check.found) == (State.WRONG, True), check
    assert "LEADMAIL_MICROSOFT_APP_CLIENT_SECRET" in check.advice
