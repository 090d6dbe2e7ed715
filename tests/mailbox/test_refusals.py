"""What servers in the world say, and what we take it for."""

# ruff: noqa: E501  the servers' own words stay unbroken

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from contextlib import suppress

import pytest

from services.mailbox import advice
from services.mailbox.connection.errors import APP_ONLY, MAX_ANSWER, TRANSIENT, Code, MailServerError, clean_answer
from services.mailbox.connection.refusal_rules import Protocol
from services.mailbox.connection.refusals import classify, passing
from services.mailbox.providers import directory
from tests.mailbox.scripted_server import at

ANSWERS: list[tuple[Protocol, str, Code]] = [
    # Google
    ("imap", "[ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)", Code.APP_PASSWORD_NEEDED),
    ("imap", "[AUTHENTICATIONFAILED] Invalid credentials (Failure)", Code.WRONG_PASSWORD),
    ("imap", "[ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)", Code.WEB_LOGIN_NEEDED),
    ("imap", "[WEBALERT https://accounts.google.com/signin/continue?sarp=1] Web login required.", Code.WEB_LOGIN_NEEDED),
    ("imap", "[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)", Code.IMAP_DISABLED),
    ("imap", "[ALERT] IMAP access is disabled for your domain. Please contact your domain administrator for questions about this feature. (Failure)", Code.IMAP_DISABLED),
    ("imap", "[ALERT] Too many simultaneous connections. (Failure)", Code.TOO_MANY_CONNECTIONS),
    ("imap", "[OVERQUOTA] Account exceeded command or bandwidth limits.", Code.THROTTLED),
    ("imap", "[ALERT] Lookup failed (Failure)", Code.UNAVAILABLE),
    ("imap", "[UNAVAILABLE] Temporary System Error", Code.UNAVAILABLE),
    ("smtp", "534 5.7.9 Application-specific password required. For more information, go to https://support.google.com/mail/?p=InvalidSecondFactor", Code.APP_PASSWORD_NEEDED),
    ("smtp", "535 5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials", Code.WRONG_PASSWORD),
    ("smtp", "534 5.7.14 Please log in via your web browser and then try again.", Code.WEB_LOGIN_NEEDED),
    ("smtp", "454 4.7.0 Too many login attempts, please try again later.", Code.THROTTLED),
    # Microsoft
    ("imap", "AUTHENTICATE failed.", Code.WRONG_PASSWORD),
    ("imap", "LOGIN failed.", Code.WRONG_PASSWORD),
    ("imap", "command: LIST => User is authenticated but not connected.", Code.WRONG_PASSWORD),
    ("imap", "Request is throttled. Suggested Backoff Time: 299980 milliseconds", Code.THROTTLED),
    ("imap", "LOGIN failed. BasicAuthBlocked", Code.OAUTH2_NEEDED),
    ("imap", "Server Unavailable. 15", Code.UNAVAILABLE),
    ("smtp", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled. [PH7P220CA0132.NAMP220.PROD.OUTLOOK.COM]", Code.OAUTH2_NEEDED),
    ("smtp", "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled", Code.SMTP_DISABLED),
    ("smtp", "535 5.7.3 Authentication unsuccessful [LO4P123CA0207.GBRP123.PROD.OUTLOOK.COM]", Code.WRONG_PASSWORD),
    ("smtp", "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.", Code.ACCOUNT_DISABLED),
    # Yahoo, AOL
    ("imap", "[AUTHENTICATIONFAILED] LOGIN Invalid credentials", Code.WRONG_PASSWORD),
    ("imap", "[LIMIT] CAPABILITY Rate limit hit.", Code.THROTTLED),
    ("imap", "[AUTHORIZATIONFAILED] Please verify your account by going to https://login.yahoo.com", Code.WEB_LOGIN_NEEDED),
    ("smtp", "535 5.7.0 (#AUTH005) Too many bad auth attempts.", Code.THROTTLED),
    # iCloud
    ("imap", "[AUTHENTICATIONFAILED] Authentication Failed", Code.WRONG_PASSWORD),
    ("smtp", "535 5.7.8 Error: authentication failed: authentication failure", Code.WRONG_PASSWORD),
    # NetEase, Tencent
    ("imap", "select failed: EXAMINE Unsafe Login. Please contact kefu@188.com for help", Code.WEB_LOGIN_NEEDED),
    ("imap", "LOGIN Login error or password error", Code.WRONG_PASSWORD),
    ("smtp", "550 User has no permission", Code.SMTP_DISABLED),
    ("smtp", "535 Error: authentication failed", Code.WRONG_PASSWORD),
    ("imap", "Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy. More information at https://help.mail.qq.com", Code.APP_PASSWORD_NEEDED),
    ("smtp", "535 Login Fail. Please enter your authorization code to login. More information in http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256", Code.APP_PASSWORD_NEEDED),
    ("smtp", "535 Error: 请使用授权码登录。详情请看: http://service.mail.qq.com", Code.APP_PASSWORD_NEEDED),
    # Zoho, Yandex, Mail.ru, Fastmail
    ("imap", "[ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)", Code.IMAP_DISABLED),
    ("imap", "[AUTHENTICATIONFAILED] Invalid credentials(Failure)", Code.WRONG_PASSWORD),
    ("imap", "[AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled sc=cYXlpv732Cg1_010534_2", Code.IMAP_DISABLED),
    ("smtp", "535 5.7.8 Error: authentication failed: This user does not have access rights to this service", Code.SMTP_DISABLED),
    ("imap", "[AUTHENTICATIONFAILED] Authentication failed. Application password is REQUIRED", Code.APP_PASSWORD_NEEDED),
    ("smtp", "535 5.7.0 NEOBHODIM parol prilozheniya https://help.mail.ru/mail/security/protection/external", Code.APP_PASSWORD_NEEDED),
    ("imap", "[AUTHENTICATIONFAILED] Incorrect username or password. You need to use an app password.", Code.APP_PASSWORD_NEEDED),
    # Dovecot, Courier, Cyrus, Exim and Postfix as companies run them
    ("imap", "[AUTHENTICATIONFAILED] Authentication failed.", Code.WRONG_PASSWORD),
    ("imap", "[UNAVAILABLE] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)", Code.TOO_MANY_CONNECTIONS),
    ("imap", "[UNAVAILABLE] Temporary authentication failure. [mail:2026-11-23 12:00:00]", Code.UNAVAILABLE),
    ("imap", "[PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.", Code.PLAINTEXT_REFUSED),
    ("imap", "[INUSE] Mailbox is locked", Code.UNAVAILABLE),
    ("imap", "Login failed.", Code.WRONG_PASSWORD),
    ("imap", "Login failed: authentication failure", Code.WRONG_PASSWORD),
    ("smtp", "535 Incorrect authentication data", Code.WRONG_PASSWORD),
    ("smtp", "530 5.7.0 Must issue a STARTTLS command first", Code.PLAINTEXT_REFUSED),
    ("smtp", "421 4.4.2 mail.example.com Error: timeout exceeded", Code.UNAVAILABLE),
    ("smtp", "454 4.7.0 Temporary authentication failure: Connection lost to authentication server", Code.UNAVAILABLE),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "answer", "code"), ANSWERS)
def test_a_refusal_is_understood(protocol: Protocol, answer: str, code: Code) -> None:
    """Each text that users of the services report means what their help pages say it means."""
    assert classify(answer, protocol=protocol, default=None) is code


def test_unknown_answers_keep_the_default() -> None:
    """A text that no row knows gives the caller's default."""
    assert classify("Ich mag nicht", protocol="imap", default=None) is None
    assert classify("", protocol="imap", default=Code.REFUSED) is Code.REFUSED


def test_an_answer_is_cleaned() -> None:
    """Answers become one bounded, printable line without the secret."""
    assert clean_answer(b"NO\tan \x1b[31m s3cret\r\nin ann s3cret", "s3cret") == "NO an [31m *** in ann ***"
    assert len(clean_answer("x" * 10_000)) == MAX_ANSWER
    assert clean_answer("a b", "") == "a b"


def test_only_time_cures_what_is_transient() -> None:
    """Time-outs and full or failing servers, and what the operator repairs, are tried again; the rest needs the owner."""
    assert {code for code in Code if MailServerError(code).transient} == TRANSIENT == {
        Code.TIMEOUT, Code.THROTTLED, Code.TOO_MANY_CONNECTIONS, Code.UNAVAILABLE, Code.APP_REFUSED, *APP_ONLY,
    }  # fmt: skip


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_sentence_that_says_what_to_do(code: Code) -> None:
    """Every code has a sentence, and every placeholder is filled."""
    text = advice.sentence(
        MailServerError(code), at(993, "tls", host="imap.example.com"), "imap", directory().by_key["gmail"]
    )
    assert text.endswith(".")
    assert "{" not in text
    assert len(text) > 40 or code is Code.REFUSED


@pytest.mark.parametrize(
    ("provider", "typed", "code"),
    [
        ("gmail", "my own password", Code.APP_PASSWORD_NEEDED),
        ("gmail", "abcd efgh ijkl mnop", Code.WRONG_PASSWORD),
        ("yahoo", "Tr0ub4dor&3", Code.APP_PASSWORD_NEEDED),
        ("icloud", "abcd-efgh-ijkl-mnop", Code.WRONG_PASSWORD),
        ("outlook", "anything", Code.OAUTH2_NEEDED),
        ("microsoft365", "anything", Code.OAUTH2_NEEDED),
        ("t-online", "anything", Code.APP_PASSWORD_NEEDED),
        ("gmx", "anything", Code.WRONG_PASSWORD),
        ("gmail", None, Code.WRONG_PASSWORD),
        (None, "anything", Code.WRONG_PASSWORD),
    ],
)
def test_invalid_credentials_mean_what_the_service_means(provider: str | None, typed: str | None, code: Code) -> None:
    """Where only app passwords or tokens are taken, a refused account password is reported as such."""
    assert advice.refine(Code.WRONG_PASSWORD, directory().by_key[provider] if provider else None, typed) is code


def test_steps_fit_the_refusal() -> None:
    """An app password's steps go with refused passwords, IMAP's with IMAP switched off, and none with a time-out."""
    gmail, proton = directory().by_key["gmail"], directory().by_key["proton-bridge"]
    assert "apppasswords" in " ".join(advice.steps(Code.APP_PASSWORD_NEEDED, gmail)[0])
    assert advice.steps(Code.IMAP_DISABLED, gmail) == (gmail.imap_steps, gmail.imap_url)
    assert advice.steps(Code.TIMEOUT, gmail) == ((), "")
    assert advice.steps(Code.APP_PASSWORD_NEEDED, None) == ((), "")
    assert "Bridge" in " ".join(advice.steps(Code.NOT_PUBLIC, proton)[0])


COMMANDS: list[tuple[str, tuple[bool, float]]] = [
    ("UID command error: BAD [b'Request is throttled. Suggested Backoff Time: 299961 milliseconds']", (True, 299.961)),
    ("System Error (Suggested Backoff Time: 300000)", (True, 300.0)),
    ("Suggested Backoff Time (ms): 250000", (True, 250.0)),
    ("Suggested Backoff Time (ms) : 250000", (True, 250.0)),
    ("Suggested backoff time = 12000 ms", (True, 12.0)),
    ("BAD Command Error. 12, try again in 5 minutes", (True, 300.0)),
    ("NO [UNAVAILABLE] Retry-After: 30", (True, 30.0)),
    ("NO [LIMIT] wait 10 seconds", (True, 10.0)),
    ("NO [UNAVAILABLE] Backend error", (True, 0.0)),
    ("NO [INUSE] Mailbox is locked by another session", (True, 0.0)),
    ("NO [SERVERBUG] Internal error occurred. Refer to server log for more information.", (True, 0.0)),
    ("NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", (True, 0.0)),
    ("NO [OVERQUOTA] Mailbox is full", (False, 0.0)),
    ("NO Service temporarily unavailable", (True, 0.0)),
    ("NO Server Unavailable. 15", (True, 0.0)),
    ("NO Timeout while waiting for lock", (True, 0.0)),
    ("BAD User is authenticated but not connected.", (True, 0.0)),
    ("NO [CONTACTADMIN] Server busy", (False, 0.0)),
    ("NO [NONEXISTENT] Unknown Mailbox: Old (Failure)", (False, 0.0)),
    ("NO [NOPERM] Permission denied", (False, 0.0)),
    ("NO Some messages could not be FETCHed (Failure)", (False, 0.0)),
    ("NO The specified message set is invalid.", (False, 0.0)),
    ("BAD Command received in Invalid state.", (False, 0.0)),
    ("", (False, 0.0)),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "meaning"), COMMANDS)
def test_a_refused_command_may_pass(answer: str, meaning: tuple[bool, float]) -> None:
    """Whether the same command may succeed later, and the seconds that the server asks to wait."""
    passes, pause = passing(answer)
    assert (passes, round(pause, 6)) == meaning


TOKEN = "ya29.a0AfB_byC-1xQ-7h3Zw9JkLmNoPqRsTuVwXyZ0123456789"
ECHOES = [
    lambda user, secret: f'BAD unknown command: LOGIN {user} "{secret}"',
    lambda user, secret: 'BAD LOGIN "' + secret.replace("\\", "\\\\").replace('"', '\\"') + '"',
    lambda user, secret: f"BAD login {user} {secret}".lower(),
    lambda user, secret: f"BAD LOGIN {user} {secret}".upper(),
    lambda user, secret: "NO AUTHENTICATE PLAIN " + b64(f"\0{user}\0{secret}"),
    lambda user, secret: "NO AUTHENTICATE PLAIN " + b64(f"{user}\0{user}\0{secret}")[:-3],
    lambda user, secret: "NO unexpected: " + b64(f"\0{user}\0{secret}")[5:],
    lambda user, secret: "NO got " + b64(secret),
    lambda user, secret: "NO XOAUTH2 " + b64(f"user={user}\1auth=Bearer {secret}\1\1"),
    lambda user, secret: "NO OAUTHBEARER " + b64(f"n,a={user},\1auth=Bearer {secret}\1\1"),
    lambda user, secret: repr([b64(f"\0{user}\0{secret}").encode()]),
]


def b64(text: str) -> str:
    """Return what SASL sends."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("secret", ["s3cret-Pass", 'qu"ote\\d', "p\u00e4ss w\u00f6rt", TOKEN])
@pytest.mark.parametrize("echo", ECHOES)
def test_no_echo_shows_a_secret(echo: Callable[[str, str], str], secret: str) -> None:
    """A server that repeats the command shows the secret neither as it is, nor quoted, nor in base64, whole or in pieces."""
    shown = clean_answer(echo("ann@firm.example", secret), secret)
    assert "***" in shown
    assert secret not in shown
    for start in range(4):
        for word in re.findall("[A-Za-z0-9+/=]{8,}", shown):
            whole = word[start:][: len(word[start:]) // 4 * 4]
            with suppress(ValueError):
                assert secret.encode()[:4] not in base64.b64decode(whole)


def test_what_is_no_secret_stays() -> None:
    """Names, addresses and identifiers are kept: they are what an operator needs."""
    answer = "NO [AUTHENTICATIONFAILED] ann@firm.example sc=kNYmTpKkVKo0 https://support.google.com/mail/answer/7126229 (Failure)"
    assert clean_answer(answer, "s3cret-Pass") == answer
