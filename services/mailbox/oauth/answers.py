"""What an identity server answers, read with care: tokens, codes, errors, documents."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import AwareDatetime, SecretStr, ValidationError

from schemas.base import Contract
from services.mailbox.connection import clean_answer
from services.mailbox.oauth.errors import UNREADABLE, IdentityServerError

with warnings.catch_warnings(record=True):  # it says that it prefers another library to httpx
    from authlib.integrations.base_client import OAuthError

_LONGEST = timedelta(days=365).total_seconds()


class Tokens(Contract):
    """What an identity server gives to one who has signed in."""

    access_token: SecretStr
    refresh_token: SecretStr | None = None
    id_token: SecretStr | None = None
    expires_at: AwareDatetime | None = None
    """By this machine's clock; None if the server does not say."""


class DeviceCode(Contract):
    """A code that a user enters at another device (RFC 8628 section 3.2)."""

    device_code: SecretStr
    user_code: str
    verification_uri: str
    expires_in: int
    interval: float = 5.0


def read_tokens(found: Any) -> Tokens:
    """Return the tokens of an answer.

    Raises:
        IdentityServerError: there are none.
    """
    if not isinstance(found, dict):
        raise IdentityServerError(UNREADABLE, "the sign-in server's answer is no JSON object")
    lasts = str(found.get("expires_in") or "")
    seconds = min(float(lasts), _LONGEST) if lasts.isdecimal() else None
    expires = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    try:
        return Tokens.model_validate({**found, "expires_at": expires})
    except ValidationError as error:
        raise IdentityServerError(UNREADABLE, "the sign-in server's answer has no token") from error


def read_device_code(document: dict[str, Any]) -> DeviceCode:
    """Return the device code of an answer.

    Raises:
        IdentityServerError: there is none.
    """
    try:
        # Google spells the first "verification_url".
        return DeviceCode.model_validate({"verification_uri": document.get("verification_url"), **document})
    except ValidationError as error:
        raise IdentityServerError(UNREADABLE, "the device code cannot be understood") from error


async def asked(answer: Awaitable[Any], *secrets: str) -> Any:
    """Return an answer; what libraries raise becomes an ``IdentityServerError`` without secrets."""
    try:
        return await answer
    except OAuthError as error:
        raise refused({"error": error.error, "error_description": error.description}, *secrets) from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise IdentityServerError(
            UNREADABLE, f"the sign-in server's answer is wrong ({type(error).__name__})"
        ) from None


def refused(document: dict[str, Any], *secrets: str) -> IdentityServerError:
    """Return the error that an answer names, without secrets (RFC 6749 section 5.2)."""
    error = clean_answer(str(document.get("error") or "refused"), *secrets)[:60]
    return IdentityServerError(error, clean_answer(str(document.get("error_description") or ""), *secrets))


def json_object(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON object of an answer.

    Raises:
        IdentityServerError: it is none.
    """
    try:
        document = answer.json()
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise IdentityServerError(UNREADABLE, f"{answer.url.host} gives no JSON object")
    return document
