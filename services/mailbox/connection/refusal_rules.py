"""What the words of a refusal mean: a table whose first matching row decides.

The texts are those that users of the services report; the tests have an example of each.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from services.mailbox.connection.errors import Code

Protocol = Literal["imap", "smtp"]


class Rule(NamedTuple):
    """A case-insensitive pattern, what it means, and in which protocol (None: both)."""

    pattern: re.Pattern[str]
    code: Code
    protocol: Protocol | None


def _rule(code: Code, pattern: str, protocol: Protocol | None = None) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE), code, protocol)


LIMITS = (
    # First, because Dovecot sends them as [UNAVAILABLE] and others in a refused log-in.
    _rule(
        Code.TOO_MANY_CONNECTIONS,
        r"too many (simultaneous |concurrent |open |imap |smtp |active )*(connections?|sessions?|users|clients|log-?ins\b(?! fail))"
        r"|maximum (number of )?(allowed )?(connections|sessions|log-?ins)|connections? limit|(sessions|connections) (limit|exceeded)",
    ),
    _rule(
        Code.THROTTLED,
        r"too many (\w{1,20} ){0,3}(log-?ins?|logons?|auth\w{0,20}|attempts|commands|requests|failures|errors)"
        r"|rate.?limit|throttl|suggested backoff|bandwidth (limit|quota)|exceeded command or bandwidth|frequency (is )?limit"
        r"|temporarily (locked|blocked|disabled|suspended|banned)|log-?in (rate|frequency)|slow down",
    ),
)
OUTAGES = (
    _rule(
        Code.UNAVAILABLE,
        r"temporar|transient|try (again |it )?(later|in \d|after)|server (is )?(too |currently )?busy"
        r"|system (is )?(error|busy|problem|overload)|internal (server |login |auth\w{0,20} )?(service )?(error|failure)"
        r"|service (is )?(currently )?(not |un)available|server(s|\(s\))? (is |are )?(currently )?(unavailable|down|error)"
        r"|backend (error|failure)"
        r"|lookup failed|shutting down|\[TEMPFAIL\]",
    ),
    _rule(Code.UNAVAILABLE, r"^4\d\d\b", "smtp"),
)
_LOGIN_OUTAGE = _rule(
    Code.UNAVAILABLE,
    r"(can'?t|cannot|can not|could ?n.t|could not|unable to|failed to|failure to) "
    r"(connect|contact|reach|access|open|lock|bind|initiali[sz]e|allocate|start|fork|load|query|communicate)"
    r"|(database|ldap|sql|directory|backend|mail ?store|storage|radius|pam|proxy|upstream) (error|failure|timeout)"
    r"|(database|ldap|sql|directory|auth|authentication|authenticator|backend|mail ?store|storage|radius|pam|proxy|upstream)"
    r"( server| service| process| daemon| host)?s? (is |are |was )?"
    r"(down|unavailable|not (available|responding|running|reachable)|broken|offline|unreachable|timed? ?out)"
    r"|remote authentication|generic failure|maintenance|timed? ?out|time-?out|connection (was )?(lost|refused|reset|dropped)"
    r"|overload|out of memory|disk full|no space|i/o error|input/output|restarting|starting up|not ready"
    r"|unexpected (error|exception)|unknown error|fatal error"
    r"|exception|deferred|standby|failover|read-?only|server is full|busy|vor\u00fcbergehend|tempor\u00e4r"
    r"|sp\u00e4ter (noch|erneut|wieder)"
    r"|r\u00e9essayer|plus tard|m\u00e1s tarde|mais tarde|pi\u00f9 tardi|\u7cfb\u7edf\u7e41\u5fd9|\u7a0d\u540e",
)
"""Words that mean an outage in the refusal of a login; in the refusal of a command they may be about its folder."""
_DISABLED = r"(disabled|suspended|locked|locked out|blocked|deactivated|inactive|expired|frozen|not active|not enabled|closed|terminated)"
RULES: tuple[Rule, ...] = (
    # Tencent names every reason that it knows.
    _rule(Code.APP_PASSWORD_NEEDED, r"account is abnormal, service is not open"),
    *LIMITS,
    # The account is right, the kind of password is wrong.
    _rule(
        Code.APP_PASSWORD_NEEDED,
        r"app(lication)?[- ]?(specific)?[- ]?password|invalidsecondfactor|authoriz(ation|ed) code|\u6388\u6743\u7801"
        r"|parol prilozheniya|ERR\.LOGIN\.REQCODE",
    ),
    _rule(
        Code.OAUTH2_NEEDED,
        r"basic ?auth(entication)?( is)? ?(disabled|blocked)|basicauthblocked|modern auth\w{0,20}"
        r"|(x?oauth2?|oauthbearer) (is )?required"
        r"|less secure app|password (login|auth\w{0,20}) (is |has been )?(disabled|no longer supported|not (supported|allowed))",
    ),
    _rule(
        Code.OAUTH2_EXPIRED,
        r"(access )?token.{0,40}(expired|invalid|revoked|rejected)|(expired|invalid|revoked) (access |oauth2? )?token"
        r"|invalid_token|invalid_grant|invalid sasl argument",
    ),
    _rule(
        Code.WEB_LOGIN_NEEDED,
        r"via (your|a) web browser|web ?login required|\[WEBALERT|unsafe log-?in|verify your (account|identity)|login\.yahoo\.com"
        r"|(sign|log) in (to|at|through|via) (the )?(web|https?:)|unusual (activity|sign-?in)|suspicious (activity|log-?in)|captcha",
    ),
    _rule(
        Code.PASSWORD_EXPIRED,
        r"(password|passphrase|credentials?) (has |have |is |are )?expired"
        r"|(must|need to|has to) (change|reset) (your |the )?(password|passphrase)"
        r"|password must be (changed|reset)",
    ),
    # The account is right, this protocol is disabled for it.
    _rule(
        Code.SMTP_DISABLED,
        r"smtp.{0,80}(disabled|not (been )?(enabled|activated|allowed))",
        "smtp",
    ),
    _rule(Code.SMTP_DISABLED, r"user has no permission|does not have access rights to this service", "smtp"),
    _rule(
        Code.IMAP_DISABLED,
        r"(imap|pop3?/imap|external access|third.?party)4?\b.{0,60}(disabled|deactivated|not (been )?(enabled"
        r"|activated|allowed|permitted|open))"
        r"|not (been )?(enabled|activated|allowed|permitted) (for|to use) .{0,20}imap|yet to enable imap|(enable|activate) .{0,30}imap"
        r"|does not have (access rights to this service|imap access)|no imap access|imap access denied",
        "imap",
    ),
    _rule(
        Code.ACCOUNT_DISABLED,
        r"(account|mailbox|user)( has been| have been| is|:)? (currently |permanently )?"
        + _DISABLED
        + r"|"
        + _DISABLED[:-1]
        + r") (account|mailbox|user)\b",
    ),
    _rule(
        Code.PLAINTEXT_REFUSED,
        r"\[PRIVACYREQUIRED\]|(plain|clear)-?text (auth\w{0,20}|log-?ins?|passwords?) (are |is )?(disallowed|disabled"
        r"|not allowed|forbidden)"
        r"|must issue a starttls|(encryption|tls|ssl) (is )?(required|needed)|under a layer|secure connection is requ"
        r"|starttls first|use (ssl|tls) first",
    ),
    _rule(
        Code.UNSUPPORTED_LOGIN,
        r"mechanism (too weak|not (supported|available))|no mechanism available|unsupported auth|unknown (auth\w{0,20} )?mechanism",
    ),
    *OUTAGES,
    _LOGIN_OUTAGE,
    # Exchange accepts some wrong passwords (a good user with a bad alias, a mailbox without licence) and then answers only this.
    _rule(Code.WRONG_PASSWORD, r"authenticated but not connected"),
    _rule(
        Code.WRONG_PASSWORD,
        r"\[AUTHENTICATIONFAILED\]|\[AUTHORIZATIONFAILED\]|invalid (\w{1,20} ){0,2}(credentials|log-?in|user|user ?name|password)"
        r"|(log-?in|logon|sign-?in) (is )?(fail\w{0,20}|error|denied|incorrect|refused|rejected|invalid)"
        r"|auth\w{0,20} (has |was )?(fail\w{0,20}|unsuccessful|error|rejected|denied|refused|invalid)"
        r"|(incorrect|wrong|bad|invalid|unknown) (user ?name|user|account|log-?in|password|credentials|e-?mail)"
        r"|password (is )?(error|incorrect|wrong|invalid|mismatch|does not match)|not accepted|failed to authenticate"
        r"|ERR\.LOGIN\.PASSERR"
        r"|user (does not exist|doesn't exist|not found|unknown)|no such user|no verifier|authorization fail"
        r"|passwor[td] falsch|mot de passe incorrect"
        r"|contrase\u00f1a incorrecta|\u5bc6\u7801\u9519\u8bef",
    ),
    _rule(Code.WRONG_PASSWORD, r"^535\b", "smtp"),
)
