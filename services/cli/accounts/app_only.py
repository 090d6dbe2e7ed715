"""Opening a mailbox in Leadmail's own name, as an administrator of the company allows at the mail service."""

from __future__ import annotations

from services.cli.accounts import login_result
from services.cli.terminal.output import USAGE, errors, fail
from services.cli.terminal.session import do, open_session
from services.mailbox.oauth.errors import IdentityServerError
from services.usecases.connecting import mailbox_sign_in
from services.usecases.connecting.mailbox_sign_in import SignedIn


def open_mailbox(key: str, address: str) -> SignedIn:
    """Open a mailbox of a service and check the login at its mail server. Exits with a sentence if it does not work."""
    return do(_open(key, address))


async def _open(key: str, address: str) -> SignedIn:
    async with open_session() as session:
        services, policy = session.sign_ins, session.policy
    if key not in services.app_only:
        known = (
            f"choose one of {', '.join(services.app_only)}" if services.app_only else "none is set up (docs/oauth.md)"
        )
        fail(f"Leadmail opens no mailboxes of {key!r} in its own name: {known}", code=USAGE)
    try:
        found = await mailbox_sign_in.in_our_name(address, key, services)
    except IdentityServerError as error:
        errors.print(mailbox_sign_in.sentence(error, services.app_only[key], app_only=address), style="red")
        fail(f"nothing was saved ({error})")
    result = await mailbox_sign_in.check(found, policy)
    if not result.ok:
        login_result.show(result, to_errors=True)
        fail("nothing was saved")
    return found
