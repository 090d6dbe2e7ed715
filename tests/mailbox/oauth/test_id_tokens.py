"""What an identity server says about who signed in: forged tokens, doubtful addresses, and answers of other servers."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import SecretStr

from services.mailbox.oauth.endpoints import Endpoints
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.id_tokens import joined, verified
from services.mailbox.oauth.sign_in_services import SignInService
from services.mailbox.providers import directory

ISSUER, CLIENT, SECRET = "https://id.example", "leadmail", "s3cret-of-the-application-32-bytes"
KEY, ANOTHER = (RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}) for _ in range(2))
KEYS = {"keys": [KEY.as_dict(private=False)]}
PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"


def claims(**changed: Any) -> dict[str, Any]:
    """Return what a good id_token says."""
    at = int(time.time())
    good = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "nonce": "once", "iat": at, "exp": at + 300}
    return {**good, **changed}


def encoded(part: bytes) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def by_secret(alg: str, secret: bytes) -> str:
    """Return a token that names an algorithm, signed with a secret as HS256 does; without a secret it has no signature."""
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": alg, "kid": "one"}, claims()))
    return f"{text}.{encoded(hmac.digest(secret, text.encode(), 'sha256')) if secret else ''}"


def check(id_token: str) -> dict[str, Any]:
    """Verify a token of this sign-in."""
    return verified(id_token, KEYS, Endpoints(issuer=ISSUER, keys=f"{ISSUER}/keys"), CLIENT, "once")


def signed(**changed: Any) -> str:
    """Return a token by the server's own key."""
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims(**changed), KEY)


@pytest.mark.parametrize("aud", [CLIENT, [CLIENT], ["other", CLIENT]], ids=str)
def test_a_good_token(aud: Any) -> None:
    """It may be for other applications, too."""
    assert check(signed(aud=aud))["sub"] == "1"


@pytest.mark.parametrize(
    "token",
    [
        by_secret("none", b""),
        by_secret("RS256", b""),
        by_secret("HS256", KEY.as_pem(private=False)),
        by_secret("HS256", SECRET.encode()),
        jwt.encode({"alg": "RS256", "kid": "one"}, claims(), ANOTHER),
        jwt.encode({"alg": "RS256", "kid": "one", "jwk": ANOTHER.as_dict(private=False)}, claims(), ANOTHER),
        jwt.encode({"alg": "RS256", "kid": "two"}, claims(), ANOTHER),
        signed(iss=f"{ISSUER}.evil.example"),
        signed(aud="other"),
        signed(aud=["other"]),
        signed(aud=["other", CLIENT], azp="other"),
        signed(nonce="before"),
        signed(nonce=None),
        signed(exp=int(time.time()) - 600),
        signed(iat=int(time.time()) + 600),
        signed(sub=None),
        "",
        "a.b.c",
    ],
)
def test_a_forged_token(token: str) -> None:
    """Only the issuer's own keys sign, only for this application, this sign-in and now."""
    with pytest.raises(IdentityServerError, match="wrong-identity"):
        check(token)


@pytest.mark.parametrize(
    ("id_token", "userinfo", "verified_address"),
    [
        ({"sub": "1"}, {"sub": "1", "email": "a@x.example"}, True),
        ({"sub": "1", "email_verified": True}, {"email": "a@x.example", "email_verified": "true"}, True),
        ({"sub": "1", "email_verified": True}, {"email": "a@x.example", "email_verified": False}, False),
        ({"sub": "1", "email_verified": False}, {"email": "a@x.example", "email_verified": True}, False),
    ],
)
def test_an_address_from_userinfo(
    id_token: dict[str, Any], userinfo: dict[str, Any], *, verified_address: bool
) -> None:
    """What the id_token says of another address does not make this one verified."""
    assert joined(id_token, userinfo).get("email_verified", True) in ((True, "true") if verified_address else (False,))
    assert joined({}, {}) == {}


@pytest.mark.parametrize(
    ("supported", "named", "ours"),
    [
        (True, ISSUER, True),
        (True, "", False),
        (True, "https://evil.example", False),
        (False, "", True),
        (False, f"{ISSUER}/", True),
        (False, "https://evil.example", False),
    ],
)
def test_who_answers(*, supported: bool, named: str, ours: bool) -> None:
    """A server that says that it names itself has to (RFC 9207 section 2.4): otherwise another one's code could be taken for its own."""
    document = {"issuer": ISSUER, "authorization_response_iss_parameter_supported": supported}
    assert Endpoints(issuer=ISSUER).over(Endpoints.published(document, ISSUER)).is_answered_by(named) is ours


def microsoft() -> SignInService:
    """Return Microsoft's sign-in."""
    return SignInService.listed(directory().sign_ins["microsoft"], CLIENT, SecretStr(SECRET), "common")


@pytest.mark.parametrize(
    ("name", "tenant", "good"),
    [
        ("Ann@Outlook.com", PERSONAL, True),
        ("ann@hotmail.fr", PERSONAL, True),
        ("ann@firm.example", PERSONAL, False),
        ("ann@gmail.com", PERSONAL, False),
        ("ann@firm.example", "1f2e3d4c-0000-4000-8000-000000000000", True),
        ("\N{KELVIN SIGN}im@firm.example", "1f2e3d4c-0000-4000-8000-000000000000", False),
    ],
)
def test_whose_mailbox_it_is(*, name: str, tenant: str, good: bool) -> None:
    """A personal account can have a company's address as its name, long after its owner has left; a look-alike is no one's."""
    said = {"preferred_username": name, "tid": tenant}
    if good:
        assert microsoft().address(said) == name.lower()
        return
    with pytest.raises(IdentityServerError, match="no-identity"):
        microsoft().address(said)
