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


def as_mail_error(error: IdentityServerError) -> MailServerError:
    """Return the refusal as every other refusal of a mailbox, with the pause that the server asks for."""
    number = _MICROSOFT.search(error.description)
    known = _BY_NUMBER.get(number[1]) if number else None
    code = known or _BY_ERROR.get(error.error) or (Code.UNAVAILABLE if error.transient else Code.REFUSED)
    if code is Code.OAUTH2_EXPIRED and "revoked" in error.description.casefold():
        code = Code.CONSENT_REVOKED
    pause = f"retry after {error.pause:.0f} seconds" if error.pause else ""
    answer = " ".join(part for part in (error.description, pause) if part)
    return MailServerError(code, f"the sign-in server says {error.error}", answer=answer)
