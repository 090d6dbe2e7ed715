"""What else may be changed of a mailbox: its password, its folders, its owner's further addresses."""

from __future__ import annotations

from starlette.responses import Response

from schemas.accounts import Account, FolderRules
from schemas.addresses import normal_address
from services.console.pages.connect import may_try
from services.console.pages.mailboxes import connected
from services.console.web.forms import AnswerError
from services.console.web.request_context import RequestContext
from services.mailbox.check import CheckResult
from services.mailbox.connection import password as password_credentials
from services.usecases import connecting


async def password(visit: RequestContext) -> Response:
    """Ask for a new password, with the mail service's own steps."""
    return _password(visit, await connected(visit), None)


def _password(visit: RequestContext, account: Account, result: CheckResult | None) -> Response:
    provider = connecting.provider_of(account)
    return visit.page("password.html", status=422 if result else 200, account=account, provider=provider, result=result)


async def save_password(visit: RequestContext) -> Response:
    """Save a password that works at both servers."""
    account = await connected(visit)
    typed = visit.form.secret("password")
    if not typed:
        raise AnswerError(400, "The password is empty.")
    await may_try(visit)
    credentials = password_credentials(typed)
    result = await connecting.try_account(account, credentials, visit.console.policy)
    if not result.ok:
        return _password(visit, account, result)
    await connecting.save_password(account, credentials, store=visit.store, box=visit.console.box, by=visit.viewer)
    return visit.go(f"/mailboxes/{account.id}", "password")


async def folders(visit: RequestContext) -> Response:
    """Show which folders are synchronised."""
    account = await connected(visit)
    return visit.page("folders.html", account=account, folders=await visit.store.folders.of(account.id))


async def save_folders(visit: RequestContext) -> Response:
    """Keep what differs from what is so now, on top of what was set before; or forget all that was set."""
    account = await connected(visit)
    include, exclude = set(account.folders.include), set(account.folders.exclude)
    if visit.form.text("do") == "by-rule":
        include, exclude = set(), set()
    else:
        chosen = set(visit.form.all("folder"))
        for folder in await visit.store.folders.of(account.id):
            if folder.selected == (folder.id in chosen):
                continue
            taken, left = (include, exclude) if folder.id in chosen else (exclude, include)
            left.discard(folder.name)
            taken.add(folder.name)
    rules = FolderRules(include=tuple(sorted(include)), exclude=tuple(sorted(exclude)))
    await visit.store.accounts.save_folder_rules(account.id, rules, by=visit.viewer)
    return visit.go(f"/mailboxes/{account.id}", "folders")


async def addresses(visit: RequestContext) -> Response:
    """Show the owner's further addresses, and those that may be his, too."""
    account = await connected(visit)
    found = await visit.store.aliases.candidates(account)
    return visit.page("addresses.html", account=account, candidates=found)


async def save_addresses(visit: RequestContext) -> Response:
    """Save the addresses that the owner says are his.

    Raises:
        AnswerError: one is another user's or mailbox's.
    """
    account = await connected(visit)
    typed = [*visit.form.all("address"), *visit.form.text("more").replace(",", " ").split()]
    wanted = {normal_address(one) for one in typed}
    if others := await visit.store.accounts.own_among(wanted) - account.own_addresses:
        raise AnswerError(409, f"{', '.join(sorted(others))}: this is another user's or mailbox's address already.")
    await visit.store.accounts.save_aliases(account.id, wanted, by=visit.viewer)
    return visit.go(f"/mailboxes/{account.id}", "aliases")
