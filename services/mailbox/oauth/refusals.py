"""What the refusal of an identity server means for a mailbox."""

from __future__ import annotations

import re

from services.mailbox.connection import Code, MailServerError
from services.mailbox.oauth.errors import THROTTLED, TIMED_OUT, IdentityServerError

_MICROSOFT = re.compile(r"AADSTS(\d{4,8})")
_BY_NUMBER: dict[str, Code] = {
    **dict.fromkeys(("65001", "65004", "65005"), Code.CONSENT_NEEDED),
    **dict.fromkeys(("90008", "90093", "90094", "90095"), Code.ADMIN_CONSENT_NEEDED),
    **dict.fromkeys(("50072", "50074", "50076", "50078", "50079", "50158", "53003"), Code.SECOND_FACTOR_NEEDED),
    **dict.fromkeys(("700016", "500011", "7000112"), Code.UNKNOWN_APP),
    **dict.fromkeys(("50173", "50132"), Code.CONSENT_REVOKED),
    **dict.fromkeys(("50034", "50053", "50057"), Code.ACCOUNT_DISABLED),
    **dict.fromkeys(("7000215", "7000218", "7000222", "700025", "700027"), Code.APP_REFUSED),
}
"""Microsoft's own numbers say more than the error of the standard, which mostly is ``invalid_grant``."""
_BY_ERROR: dict[str, Code] = {
    "invalid_grant": Code.OAUTH2_EXPIRED,
    "invalid_token": Code.OAUTH2_EXPIRED,
    "expired_token": Code.OAUTH2_EXPIRED,
    "consent_required": Code.CONSENT_NEEDED,
    "access_denied": Code.CONSENT_NEEDED,
    "interaction_required": Code.SECOND_FACTOR_NEEDED,
    "login_required": Code.OAUTH2_EXPIRED,
    "admin_policy_enforced": Code.ADMIN_CONSENT_NEEDED,
    "org_internal": Code.ADMIN_CONSENT_NEEDED,
    "unauthorized_client": Code.UNKNOWN_APP,
    **dict.fromkeys(
        (
            *("invalid_client", "deleted_client", "disabled_client", "invalid_scope", "invalid_request"),
            *("unsupported_grant_type", "unsupported", "redirect_uri_mismatch", "not-public", "insecure"),
        ),
        Code.APP_REFUSED,
    ),
    THROTTLED: Code.THROTTLED,
    TIMED_OUT: Code.TIMEOUT,
}
"""Of RFC 6749 and OpenID Connect; of Google; ours."""


_APP_ONLY: dict[str, Code] = {
    "unauthorized_client": Code.DELEGATION_MISSING,
    **dict.fromkeys(("700016", "90002", "65001", "500011"), Code.APP_NOT_IN_TENANT),
    "7000215": Code.APP_SECRET_WRONG,
    "7000222": Code.APP_SECRET_EXPIRED,
}
"""Errors of Google, and numbers of Microsoft, where Leadmail asks in its own name: only an administrator can do something."""
_NO_MAILBOX = re.compile(r"invalid (email|principal)|user id|no such user|invalid 'sub'", re.IGNORECASE)


def as_mail_error(error: IdentityServerError, *, app_only: bool = False) -> MailServerError:
    """Return the refusal as every other refusal of a mailbox, with the pause that the server asks for.

    ``app_only``: Leadmail asked in its own name.
    """
    number = _MICROSOFT.search(error.description)
    code = (_app_only_code if app_only else _code)(error, number[1] if number else "")
    pause = f"retry after {error.pause:.0f} seconds" if error.pause else ""
    answer = " ".join(part for part in (error.description, pause) if part)
    return MailServerError(code, f"the sign-in server says {error.error}", answer=answer)


def _code(error: IdentityServerError, number: str) -> Code:
    default = Code.UNAVAILABLE if error.transient else Code.REFUSED
    code = _BY_NUMBER.get(number) or _BY_ERROR.get(error.error) or default
    revoked = code is Code.OAUTH2_EXPIRED and "revoked" in error.description.casefold()
    return Code.CONSENT_REVOKED if revoked else code


def _app_only_code(error: IdentityServerError, number: str) -> Code:
    if error.transient:
        return _BY_ERROR.get(error.error, Code.UNAVAILABLE)
    if error.error == "invalid_grant" and _NO_MAILBOX.search(error.description):
        return Code.MAILBOX_NOT_GRANTED
    return _APP_ONLY.get(number) or _APP_ONLY.get("" if number else error.error) or Code.APP_REFUSED
