"""What a user reads for each code: what happened, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.accounts import Account, Phase, ServerAddress, Trouble
from services.mailbox import app_only_advice
from services.mailbox.connection import TRANSIENT, Code, MailServerError

if TYPE_CHECKING:
    from services.mailbox.providers import Provider

_SENTENCES: dict[Code, str] = {
    **app_only_advice.SENTENCES,
    Code.WRONG_PASSWORD: "{service} did not accept the user name and password. Check both: the user name here is “{username}”.",
    Code.APP_PASSWORD_NEEDED: "{service} requires an app-specific password, not the password of your account. Create one and try again.",
    Code.OAUTH2_NEEDED: "{service} accepts no passwords, only its own sign-in (OAuth2).",
    Code.OAUTH2_EXPIRED: "{service} no longer accepts the permission that you gave. Sign in to it again.",
    Code.CONSENT_REVOKED: "The permission to read this mailbox was withdrawn at {service}. Sign in again to give it.",
    Code.CONSENT_NEEDED: "{service} asks you to allow Leadmail to read this mailbox. Sign in again and accept.",
    Code.ADMIN_CONSENT_NEEDED: "An administrator of your company must allow Leadmail at {service}. Ask them, then sign in again.",
    Code.SECOND_FACTOR_NEEDED: "{service} wants you to confirm the sign-in with a second factor. Sign in again.",
    Code.UNKNOWN_APP: "{service} does not know Leadmail in your company. Ask the operator of Leadmail, then sign in again.",
    Code.APP_REFUSED: "{service} refuses Leadmail itself, not you. The operator must repair its registration there.",
    Code.PASSWORD_EXPIRED: "{service} says that the password has expired. Choose a new one there, then enter it here.",
    Code.IMAP_DISABLED: "IMAP access seems to be disabled for this mailbox. Enable it and try again.",
    Code.SMTP_DISABLED: "Sending over SMTP is disabled for this mailbox. Enable it, or ask your administrator to enable it.",
    Code.WEB_LOGIN_NEEDED: "{service} requires you to sign in once in the browser and to confirm that it is you. Do that, then try again.",
    Code.ACCOUNT_DISABLED: "{service} says that this account is locked or suspended. Sign in to it in the browser to see why.",
    Code.UNSUPPORTED_LOGIN: "{host} offers no log-in method that works with this password. Ask your mail provider which password to use.",
    Code.WRONG_SERVER: "There is no {protocol} server at {host}, port {port}. Check the name, the port and the kind of encryption.",
    Code.NOT_PUBLIC: (
        "No public mail server was found under the name {host}. Check the spelling. "
        "A server inside a private network can be used only after the operator of Leadmail has allowed it."
    ),
    Code.TLS_FAILED: (
        "No encrypted connection to {host}, port {port}, could be established. "
        "Check whether the port uses TLS from the start (993, 465) or STARTTLS (143, 587)."
    ),
    Code.CERTIFICATE: (
        "The certificate of {host} is not valid for this name, so it may be another server. "
        "Check the name: use the one that your mail provider publishes."
    ),
    Code.PLAINTEXT_REFUSED: "The password would travel to {host} without encryption. Choose TLS or STARTTLS.",
    Code.TIMEOUT: "{host}, port {port}, did not answer in time. Check the name, the port and the kind of encryption, and try again.",
    Code.TOO_MANY_CONNECTIONS: "{service} reports too many connections or log-ins for this account. Try again in a few minutes.",
    Code.THROTTLED: "{service} limits how fast this account may be used. Leadmail waits and goes on by itself.",
    Code.UNAVAILABLE: "{service} is not available at the moment. Try again later.",
    Code.REFUSED: "{service} refused the login. Check the user name and the password, or ask the server's administrator.",
}
_APP_PASSWORD_CODES = frozenset({Code.APP_PASSWORD_NEEDED, Code.WRONG_PASSWORD})
_UNREACHABLE_CODES = frozenset({Code.NOT_PUBLIC, Code.WRONG_SERVER, Code.UNAVAILABLE, Code.TIMEOUT, Code.CERTIFICATE})
_ACCESS_CODES = frozenset({Code.IMAP_DISABLED, Code.SMTP_DISABLED})


def sentence(
    error: MailServerError, server: ServerAddress, protocol: str, provider: Provider | None, *, service: str = ""
) -> str:
    """Return what happened and what to do, in one or two sentences. ``service`` is named if there is no provider."""
    text = _SENTENCES[error.code].format(
        service=provider.name if provider else service or server.host,
        host=server.host,
        port=server.port,
        username=server.username,
        protocol=protocol.upper(),
    )
    if error.code is Code.WRONG_SERVER and error.detail.startswith("The server name"):
        return error.detail
    return text


def _provider(account: Account) -> Provider | None:
    # Imported here because most advice is about no provider, and their directory is slow to load.
    from services.mailbox.providers import directory  # noqa: PLC0415

    return directory().by_key.get(account.provider or "")


def of_blocked(account: Account) -> tuple[str, tuple[str, ...], str]:
    """Return why an account is blocked, in a sentence, with the provider's own steps to fix it and the page that describes them."""
    provider = _provider(account)
    try:
        code = Code(account.reason or "")
    except ValueError:
        return f"its mail server refuses it ({account.reason or 'no reason given'}).", (), ""
    return sentence(MailServerError(code), account.incoming, "IMAP", provider), *steps(code, provider)


PHASES: dict[Phase, str] = {
    "connect": "logging in",
    "folders": "reading the list of folders",
    "backfill": "importing earlier mail",
    "live": "following new mail",
    "compare": "comparing the mailbox with what was imported",
}
"""What an account was doing when a trouble occurred."""
_CAUSES: dict[str, str] = {
    **app_only_advice.CAUSES,
    Code.WRONG_PASSWORD: "the mail server does not accept the user name and password",
    Code.APP_PASSWORD_NEEDED: "the mail server requires an app-specific password",
    Code.OAUTH2_NEEDED: "the mail server accepts no passwords, only its own sign-in",
    Code.OAUTH2_EXPIRED: "the mail server no longer accepts the owner's permission",
    Code.CONSENT_REVOKED: "the permission to read the mailbox was withdrawn",
    Code.CONSENT_NEEDED: "the mail service asks the owner to allow Leadmail to read the mailbox",
    Code.ADMIN_CONSENT_NEEDED: "an administrator has to allow Leadmail at the mail service",
    Code.SECOND_FACTOR_NEEDED: "the mail service wants the owner to sign in with a second factor",
    Code.UNKNOWN_APP: "the mail service does not know Leadmail in the owner's company",
    Code.APP_REFUSED: "the mail service refuses Leadmail's own client id or secret",
    Code.PASSWORD_EXPIRED: "the password has expired",
    Code.IMAP_DISABLED: "IMAP is disabled for the mailbox",
    Code.SMTP_DISABLED: "sending over SMTP is disabled for the mailbox",
    Code.WEB_LOGIN_NEEDED: "the mail service wants its user to sign in once in the browser",
    Code.ACCOUNT_DISABLED: "the mail service has locked or suspended the mailbox",
    Code.UNSUPPORTED_LOGIN: "the mail server offers no way to log in with a password",
    Code.WRONG_SERVER: "no mail server answers at the address",
    Code.NOT_PUBLIC: "the mail server's name leads to no public address",
    Code.TLS_FAILED: "no encrypted connection can be established",
    Code.CERTIFICATE: "the mail server's certificate is not valid for its name",
    Code.PLAINTEXT_REFUSED: "the password would travel without encryption",
    Code.TIMEOUT: "the mail server does not answer in time",
    Code.TOO_MANY_CONNECTIONS: "the mail server reports too many connections or log-ins",
    Code.THROTTLED: "the mail server limits how fast the mailbox may be used",
    Code.UNAVAILABLE: "the mail server is not available at the moment",
    Code.REFUSED: "the mail server refuses the login",
    "wrong-secret-key": "no secret of the pollers opens the stored password",
    "connection-lost": "the connection to the mail server breaks again and again",
    "folder-changed": "a folder changes again and again while it is read",
    "command-refused": "the mail server refuses a command that the work needs",
    "internal-error": "Leadmail itself fails",
    "empty-folder-contradicted": "the mail server calls a folder empty that holds mail by its other answers",
    "count-contradicted": "the mail server names fewer or more messages than it says that a folder holds",
    "many-gone": "the mail server suddenly lists only a small part of a folder",
    "empty-list": "the mail server lists no folder at all",
    "list-contradicted": "the mail server lists other folders each time it is asked",
    "no-inbox": "the mail server's list of folders lacks the inbox",
    "no-uidvalidity": "the mail server does not say which message numbers are valid",
    "no-uidnext": "the mail server holds messages and numbers none of them",
    "unreadable-answer": "the mail server's answers cannot be understood",
    "too-much-data": "the mail server sends more than any answer needs",
}
"""Who reads this may be the owner, a colleague or an operator."""
_OUT_OF_RANGE = "the mail server sends a number that cannot be"
_WAIT = "Leadmail keeps trying and continues by itself."
_ADVICE: dict[str, str] = {
    **dict.fromkeys(TRANSIENT, _WAIT),
    **app_only_advice.ADVICE,
    Code.APP_REFUSED: "Check the client id and secret of the service's sign-in (docs/oauth.md): a secret may have expired.",
    "connection-lost": _WAIT,
    "folder-changed": _WAIT,
    "wrong-secret-key": "Set LEADMAIL_SECRET_KEY, or LEADMAIL_SECRET_KEYS_OLD, to the secret that sealed it, and restart the pollers.",
    "internal-error": "The pollers' log names the error. Please report it.",
    "command-refused": "Leadmail keeps trying. Ask the mail server's administrator if it lasts.",
}
_CONTRADICTION = "Leadmail believes no such answer and asks again. If it lasts, the mail server's administrator must repair the mailbox."


def cause(code: str) -> str:
    """Return what a code of a trouble means, as a clause without a full stop."""
    known = _CAUSES.get(code)
    return known or (_OUT_OF_RANGE if code.endswith("-out-of-range") else code.replace("-", " "))


def what_to_do(code: str) -> str:
    """Return what an operator can do about a trouble, in sentences."""
    if code in _ADVICE:
        return _ADVICE[code]
    return "Its owner must act, or whoever runs the mail server. " + _WAIT if code in set(Code) else _CONTRADICTION


def trouble_words(trouble: Trouble, folder: str | None = None) -> str:
    """Return what hinders an account and at what, as one clause; ``folder`` is the name of the folder that it is about."""
    return f"{cause(trouble.code)}, while {PHASES[trouble.phase]}{f' in the folder {folder}' if folder else ''}"


def of_trouble(account: Account, trouble: Trouble) -> tuple[str, tuple[str, ...], str]:
    """Return what hinders an active account, in sentences, with the provider's own steps and the page that describes them."""
    provider = _provider(account)
    try:
        code = Code(trouble.code)
    except ValueError:
        words = trouble_words(trouble)
        said = f" ({trouble.detail})" if trouble.detail else ""
        return f"{words[:1].upper()}{words[1:]}{said}.", (), ""
    return sentence(MailServerError(code), account.incoming, "IMAP", provider), *steps(code, provider)


def steps(code: Code, provider: Provider | None) -> tuple[tuple[str, ...], str]:
    """Return the provider's own steps to fix this refusal, and the page that describes them; empty if it has none."""
    if provider is None:
        return (), ""
    if code in _APP_PASSWORD_CODES or (code in _UNREACHABLE_CODES and "local" in provider.quirks):
        return provider.app_password, provider.app_password_url
    if code in _ACCESS_CODES:
        return provider.imap_steps, provider.imap_url
    if code is Code.OAUTH2_NEEDED and provider.note:
        return (provider.note,), ""
    return (), ""


def refine(code: Code, provider: Provider | None, typed: str | None) -> Code:
    """Return what a refused password means at this provider: many answer only "invalid credentials".

    ``typed`` is the refused password, None for tokens.
    """
    if code is not Code.WRONG_PASSWORD or provider is None or typed is None or provider.takes_account_password:
        return code
    if "app-password" not in provider.auth:
        return Code.OAUTH2_NEEDED
    return code if provider.is_app_password(typed) else Code.APP_PASSWORD_NEEDED
