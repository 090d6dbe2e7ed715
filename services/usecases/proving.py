"""How an address that a user claims becomes their own: by a code in its mail, or an administrator's confirmation."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from email.message import EmailMessage

from schemas.accounts import Account, ProofKind
from services.mailbox.connection import MailServerError
from services.mailbox.outgoing_mail import build_mail
from services.store import AlreadyExistsError, NotAllowedError, Store

SendMail = Callable[[EmailMessage, str], Awaitable[None]]
"""Sends a mail to an address; raises ``MailServerError`` or ``RejectedError``."""
LASTS = timedelta(hours=1)
"""How long a code is valid."""
MOST_CODES, MOST_TO_ADDRESS, MOST_OF_ALL, MOST_TYPED, WITHIN = 10, 3, 12, 20, timedelta(hours=1)
"""At most so many codes for one user, of these to one address, to one address of all users, and entered by one user within this time."""
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Without those that look alike."""
_GROUPS, _IN_GROUP = 3, 4

_TEXT = """Hello,

{owner} says that {address} is their address, or that of a mailbox of theirs, and asked Leadmail to confirm
it. If this was you, enter this code in Leadmail, under My mailboxes, {account}, My other addresses:

    {code}

It works once, within {minutes} minutes.

If this was not you, ignore this email and give the code to no one: anyone who enters it is taken for the
owner of {address}.
"""


def new_code() -> str:
    """Return a new code: 60 random bits, in groups."""
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(_IN_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


async def refuse_others(addresses: Iterable[str], owner: str, *, store: Store) -> None:
    """Refuse a claim to the address that names another user.

    Raises:
        AlreadyExistsError: one of the addresses does.
    """
    for address in sorted(addresses):
        if await store.address_proofs.is_another_users(address, owner):
            raise AlreadyExistsError(f"{address} already belongs to another user")


async def send_code(account: Account, address: str, *, store: Store, post: SendMail, sender: str, by: str) -> None:
    """Send a code to an address that an account claims.

    The mail names no recipient: if the address is a contact's, the mail must not be on the contact's page.

    Args:
        account: whose owner asks for it.
        address: one of its unproven addresses.
        store: keeps a hash of the code.
        post: sends it.
        sender: the value of ``LEADMAIL_MAIL_FROM``.
        by: the account's owner, or a member who asks for it.

    Raises:
        NotAllowedError: the address is not claimed or needs no code, too many codes were sent, or the mail was not accepted.
        AlreadyExistsError: the address is another user's.
    """
    # Imported here because few commands send mail.
    from services.mailbox.smtp import RejectedError  # noqa: PLC0415

    if address not in account.unproven:
        raise NotAllowedError(f"{address} is not an unproven address of {account.address}")
    if await store.address_proofs.is_another_users(address, account.owner):
        raise AlreadyExistsError(f"{address} is the address of another user")
    await _refuse_list(account, address, store=store)
    limits = {f"codes/{by}": MOST_CODES, f"codes-to/{address}/{by}": MOST_TO_ADDRESS}
    for what, most in {**limits, f"codes-to/{address}": MOST_OF_ALL}.items():
        if not await store.sign_ins.attempt(what, most=most, within=WITHIN):
            raise NotAllowedError("too many codes were sent: try again in an hour")
    code = new_code()
    await store.address_codes.offer(account.id, address, code, lasts=LASTS, by=by)
    minutes = int(LASTS.total_seconds() // 60)
    text = _TEXT.format(owner=by, address=address, account=account.address, code=code, minutes=minutes)
    mail = build_mail(
        sender=sender,
        to=(),
        subject="Confirm your address for Leadmail",
        text=text,
    )
    try:
        await post(mail, address)
    except (MailServerError, RejectedError) as error:
        raise NotAllowedError(f"the code could not be sent to {address}: try again later") from error


async def enter_code(account: Account, code: str, *, store: Store, by: str) -> tuple[Account, str]:
    """Enter a code that was sent to an address. Returns the account and the address, which is proven now.

    Raises:
        NotAllowedError: the code is wrong or no longer valid, or too many were entered.
        AlreadyExistsError: the address is another user's, or another account has proven it at least as well.
    """
    if not await store.sign_ins.attempt(f"codes-typed/{by}", most=MOST_TYPED, within=WITHIN):
        raise NotAllowedError("too many codes were entered: try again in an hour")
    for address in account.unproven:
        await _refuse_list(account, address, store=store)
    return await store.address_codes.enter(account.id, code, by=by)


async def _refuse_list(account: Account, address: str, *, store: Store) -> None:
    """Refuse a code for a list's address: it reaches everyone on the list."""
    if await store.address_codes.is_list(account.id, address):
        raise NotAllowedError(
            f"{address} is a mailing list: others read its mail, too, so a code proves nothing. An administrator can confirm it"
        )


async def confirm(account: Account, address: str, *, store: Store, by: str) -> Account:
    """Let an administrator confirm that an address belongs to an account's owner. The audit log says who did.

    Raises:
        NotFoundError: there is no such active user ``by``.
        NotAllowedError: the user is not an administrator.
        AlreadyExistsError: the address is another user's, or another account has proven it at least as well.
    """
    administrator = await store.users.administrator(by)
    return await store.address_proofs.prove(account.id, address, ProofKind.ADMINISTRATOR, by=administrator.email)
