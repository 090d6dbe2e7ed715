"""Who signed in, by the identity server's own word: a verified id_token, or its userinfo."""

from __future__ import annotations

import time
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from services.mailbox.oauth.answers import Tokens
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.endpoints import Endpoints
from services.mailbox.oauth.errors import IdentityServerError

LEEWAY = 120
"""Seconds by which clocks may differ."""
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""Signatures by the server's private key only: never ``none``, never a shared secret."""
_TENANT = "{tenantid}"


async def claims_of(client: OAuthClient, tokens: Tokens, *, nonce: str | None) -> dict[str, Any]:
    """Return what the identity server says about the user who signed in.

    The id_token counts if it is signed by the issuer's keys for this application and, unless ``nonce`` is None, for this sign-in.
    What it lacks is taken from userinfo, about the same subject.

    Raises:
        IdentityServerError: it says nothing, or the id_token is not valid.
    """
    endpoints = await client.endpoints()
    claims: dict[str, Any] = {}
    if tokens.id_token is not None and endpoints.keys:
        keys = await client.get_json(endpoints.keys)
        claims = verified(tokens.id_token.get_secret_value(), keys, endpoints, client.app.client_id, nonce)
    elif nonce is not None and endpoints.keys:
        raise IdentityServerError("no-identity", "the sign-in server sent no id_token")
    if endpoints.userinfo and "email" not in claims:
        more = await client.get_json(endpoints.userinfo, bearer=tokens.access_token)
        if claims and more.get("sub") != claims["sub"]:
            raise IdentityServerError("wrong-identity", "userinfo is about another user than the id_token")
        claims = joined(claims, more)
    if not claims:
        raise IdentityServerError("no-identity", "the sign-in server does not say who signed in")
    return claims


def joined(claims: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return what an id_token says, and what userinfo says more. An address is verified only if neither says otherwise."""
    doubted = [said for said in (claims, more) if str(said.get("email_verified", True)).lower() != "true"]
    return {**more, **claims, **({"email_verified": False} if doubted else {})}


def verified(
    id_token: str, keys: dict[str, Any], endpoints: Endpoints, client_id: str, nonce: str | None
) -> dict[str, Any]:
    """Return the claims of a valid id_token (OpenID Connect Core section 3.1.3.7).

    Raises:
        IdentityServerError: signature, issuer, audience, time or nonce is wrong.
    """
    try:
        claims: dict[str, Any] = dict(
            jwt.decode(id_token, KeySet.import_key_set(_usable(keys)), list(_ALGORITHMS)).claims
        )
        issuer = endpoints.issuer.replace(_TENANT, str(claims.get("tid", "")))
        registry = jwt.JWTClaimsRegistry(
            now=lambda: int(time.time()),
            leeway=LEEWAY,
            iss={"essential": True, "value": issuer},
            sub={"essential": True},
            aud={"essential": True, "value": client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce} if nonce is not None else {},
        )
        registry.validate(claims)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise IdentityServerError("wrong-identity", f"the id_token is not valid ({type(error).__name__})") from error
    if claims.get("azp", client_id) != client_id:
        raise IdentityServerError("wrong-identity", "the id_token is for another application")
    return claims


def _usable(keys: dict[str, Any]) -> Any:
    """Return the keys of a set that can verify: some servers also publish keys for encryption, or of kinds of their own."""
    found = keys.get("keys")
    each = [key for key in found if isinstance(key, dict)] if isinstance(found, list) else []
    return {"keys": [key for key in each if key.get("use", "sig") == "sig" and key.get("kty") in {"RSA", "EC"}]}
