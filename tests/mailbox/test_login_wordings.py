"""What servers say when a login fails, and what follows: pass by itself, a wrong password, another password, a sign-in, a locked account."""

# ruff: noqa: E501  the servers' own words stay unbroken

from __future__ import annotations

import pytest

from services.mailbox.connection import Code, classify

LIMIT, THROTTLED, DOWN = Code.TOO_MANY_CONNECTIONS, Code.THROTTLED, Code.UNAVAILABLE
WRONG, APP, WEB, OAUTH = Code.WRONG_PASSWORD, Code.APP_PASSWORD_NEEDED, Code.WEB_LOGIN_NEEDED, Code.OAUTH2_NEEDED
EXPIRED, LOCKED, IMAP = Code.PASSWORD_EXPIRED, Code.ACCOUNT_DISABLED, Code.IMAP_DISABLED
PLAIN, METHOD = Code.PLAINTEXT_REFUSED, Code.UNSUPPORTED_LOGIN

WORDINGS: dict[str, list[tuple[str, Code | None]]] = {
    "Gmail": [
        ("[ALERT] Too many simultaneous connections. (Failure)", LIMIT),
        ("[ALERT] Account exceeded command or bandwidth limits. https://support.google.com/mail/answer/7126229 (Failure)", THROTTLED),
        ("[UNAVAILABLE] Temporary System Error (Failure)", DOWN),
        ("[ALERT] System Error (Failure)", DOWN),
        ("[AUTHENTICATIONFAILED] Invalid credentials (Failure)", WRONG),
        ("[AUTHENTICATIONFAILED] Empty username or password. (Failure)", WRONG),
        ("[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)", APP),
        ("[ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)", WEB),
        ("[WEBALERT https://accounts.google.com/signin/continue?sarp=1] Web login required.", WEB),
        ("[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)", IMAP),
        ("[ALERT] Invalid SASL argument. (Failure)", Code.OAUTH2_EXPIRED),
    ],
    "Microsoft 365, Exchange": [
        ("AUTHENTICATE failed.", WRONG),
        ("LOGIN failed.", WRONG),
        ("LOGIN failed. BasicAuthBlocked", OAUTH),
        ("LOGIN failed. Basic authentication is disabled", OAUTH),
        ("User is authenticated but not connected.", WRONG),
        ("Logon failure: unknown user name or bad password.", WRONG),
        ("Server Unavailable. 15", DOWN),
        ("Server Unavailable. 21", DOWN),
        ("Request is throttled. Suggested Backoff Time: 299961 milliseconds", THROTTLED),
        ("Too many invalid logon attempts", THROTTLED),
        ("The IMAP4 service is currently unavailable, please try again later", DOWN),
        ("The user account has been locked out", LOCKED),
    ],
    "Yahoo, AOL": [
        ("[AUTHENTICATIONFAILED] (#AUTH012) Incorrect username or password.", WRONG),
        ("[AUTHENTICATIONFAILED] LOGIN Invalid credentials", WRONG),
        ("[AUTHENTICATIONFAILED] LOGIN Rate limit hit.", THROTTLED),
        ("[LIMIT] LOGIN Rate limit hit.", THROTTLED),
        ("[SERVERBUG] AUTHENTICATE Server error - Please try again later", DOWN),
        ("[UNAVAILABLE] LOGIN Server error", DOWN),
        ("[TEMPFAIL] LOGIN Temporary failure on server [CODE: WBL]", DOWN),
        ("[AUTHORIZATIONFAILED] Please verify your account by going to https://login.yahoo.com", WEB),
    ],
    "iCloud": [
        ("[AUTHENTICATIONFAILED] Authentication Failed", WRONG),
        ("Service temporarily unavailable", DOWN),
        ("[ALERT] Application specific password is required", APP),
    ],
    "Zoho": [
        ("[AUTHENTICATIONFAILED] Invalid credentials(Failure)", WRONG),
        ("[ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)", IMAP),
        ("[ALERT] Too many login failures. Please try after 30 minutes", THROTTLED),
        ("[ALERT] Maximum number of connections exceeded for this account", LIMIT),
    ],
    "NetEase 163, QQ": [
        ("LOGIN Login error or password error", WRONG),
        ("SELECT Unsafe Login. Please contact kefu@188.com for help", WEB),
        ("LOGIN fail. ERR.LOGIN.REQCODE", APP),
        ("LOGIN fail. ERR.LOGIN.PASSERR", WRONG),
        ("Login fail. Please using authorized code to login. More information at http://service.mail.qq.com", APP),
        ("Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.", APP),
        ("Login fail. A secure connection is requried(such as ssl).", PLAIN),
        ("LOGIN System busy!", DOWN),
        ("登录失败,系统繁忙,请稍后再试", DOWN),
        ("登录失败,密码错误", WRONG),
    ],
    "Yandex, Mail.ru, Fastmail": [
        ("[AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled sc=cYXlpv732Cg1_010534_2", IMAP),
        ("[UNAVAILABLE] AUTHENTICATE internal server error. sc=kNYmTpKkVKo0", DOWN),
        ("[AUTHENTICATIONFAILED] Authentication failed. Application password is REQUIRED", APP),
        ("[AUTHENTICATIONFAILED] Incorrect username, password or access token", WRONG),
        ("[AUTHENTICATIONFAILED] Incorrect username or password. You need to use an app password.", APP),
    ],
    "Dovecot": [
        ("[AUTHENTICATIONFAILED] Authentication failed.", WRONG),
        ("[AUTHORIZATIONFAILED] Authorization failed", WRONG),
        ("[UNAVAILABLE] Temporary authentication failure. [mail:2026-11-23 12:00:00]", DOWN),
        ("[UNAVAILABLE] Account is temporarily unavailable.", DOWN),
        ("[UNAVAILABLE] Internal login failure. Refer to server log for more information.", DOWN),
        ("[UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", LIMIT),
        ("[SERVERBUG] Internal error occurred. Refer to server log for more information.", DOWN),
        ("[INUSE] Mailbox is locked", DOWN),
        ("[EXPIRED] Password expired.", EXPIRED),
        ("[PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", PLAIN),
        ("[ALERT] Cleartext authentication not allowed without SSL/TLS, but your client did it anyway.", PLAIN),
        ("[CONTACTADMIN] This account is disabled", LOCKED),
        ("Disconnected: Auth process broken", DOWN),
        ("Login processes are full, try again later", DOWN),
        ("Server shutting down.", DOWN),
        ("Too many invalid commands.", THROTTLED),
    ],
    "Cyrus": [
        ("Login failed: authentication failure", WRONG),
        ("Login failed: user not found", WRONG),
        ("Login failed: generic failure", DOWN),
        ("Login failed: remote authentication server unavailable", DOWN),
        ("Login failed: transient failure (e.g., weak key)", DOWN),
        ("Login failed: can't connect to saslauthd server", DOWN),
        ("Login failed: account disabled", LOCKED),
        ("Login failed: Passphrase expired, must be reset", EXPIRED),
        ("Login failed: no mechanism available", METHOD),
        ("Login only available under a layer", PLAIN),
        ("authentication failed: user exists, but no verifier for user", WRONG),
        ("Authentication failed. bad protocol / cancel: mechanism too weak for this user", METHOD),
        ("Server(s) unavailable to complete operation: login failed", DOWN),
        ("Too many open connections", LIMIT),
    ],
    "Courier": [
        ("Login failed.", WRONG),
        ("Temporary problem, please try again later", DOWN),
        ("Unable to connect to authentication daemon", DOWN),
        ("Maximum connection limit reached for ::ffff:127.0.0.1", LIMIT),
        ("LOGIN failed: authentication service is not responding", DOWN),
    ],
    "hMailServer, MDaemon, Kerio, MailEnable, Zimbra, Axigen, Domino": [
        ("Invalid user name or password. Please use full email address as user name.", WRONG),
        ("Too many invalid logon attempts.", THROTTLED),
        ("LOGIN failed - invalid user name or password", WRONG),
        ("Access denied: account is disabled", LOCKED),
        ("Authentication failed: password has expired", EXPIRED),
        ("You must change your password before you can log in", EXPIRED),
        ("[AUTHENTICATIONFAILED] AUTHENTICATE failed", WRONG),
        ("LOGIN failed: account is in maintenance mode", DOWN),
        ("cleartext logins disabled", PLAIN),
        ("IMAP access is not enabled for this user", IMAP),
        ("This mailbox has been suspended", LOCKED),
        ("User account is locked", LOCKED),
        ("Your account is temporarily locked because of too many failed attempts", THROTTLED),
        ("Unexpected error while processing the login", DOWN),
        ("LOGIN failed: database is not available", DOWN),
        ("Authentication failed: LDAP server is unreachable", DOWN),
        ("Authentication failed: could not connect to the directory", DOWN),
        ("LOGIN failed: connection to backend timed out", DOWN),
        ("authentication error: radius timeout", DOWN),
        ("LOGIN rejected: server overloaded", DOWN),
        ("LOGIN denied, server is in read-only failover", DOWN),
        ("auth failed: no space left on device", DOWN),
        ("Password login is disabled for this domain", OAUTH),
    ],
    "other languages, and words of nobody": [
        ("Anmeldung vorübergehend nicht möglich", DOWN),
        ("Connexion impossible, veuillez réessayer", DOWN),
        ("Passwort falsch", WRONG),
        ("mot de passe incorrect", WRONG),
        ("Ich mag nicht", None),
        ("[CONTACTADMIN] Server busy", Code.REFUSED),
        ("[ALERT] Go away", None),
    ],
}  # fmt: skip
ROWS = [(server, words, code) for server, rows in WORDINGS.items() for words, code in rows]


@pytest.mark.parametrize(("server", "words", "code"), ROWS)
def test_a_refused_login_is_understood(server: str, words: str, code: Code | None) -> None:
    """An outage never counts as a wrong password, and the owner hears what to do about the rest."""
    assert server
    assert classify(words, protocol="imap", default=None) is code


def test_there_are_many() -> None:
    """The table covers what the directory's services and the usual servers say."""
    assert len({words for _, words, _ in ROWS}) >= 100
