"""Settings of a mailbox: servers and login, password, folders, and its owner's other addresses."""

from __future__ import annotations

from starlette.responses import Response

from schemas.accounts import Account, FolderRules
from schemas.addresses import normal_address
from services.console.pages.connect import SERVER_MISSING, Servers, count_login_attempt, read_servers, server_fields
from services.console.pages.mailboxes import connected_account
from services.console.web.forms import PageError
from services.console.web.refusals import REFUSALS, page_error
from services.console.web.request_context import RequestContext
from services.console.web.typed_servers import TypedServers, typed_servers
from services.mailbox.check import CheckResult
from services.mailbox.connection import password as password_credentials
from services.usecases import proving
from services.usecases.connecting.login import Login, provider_of, try_account


async def password(context: RequestContext) -> Response:
    """Ask for a new password, with the mail service's instructions."""
    return _password(context, await connected_account(context), None)


def _password(
    context: RequestContext, account: Account, result: CheckResult | None, wrong: PageError | None = None
) -> Response:
    return context.render(
        "password.html",
        status=wrong.status if wrong else 422 if result else 200,
        account=account,
        provider=provider_of(account),
        result=result,
        wrong=wrong.sentence if wrong else None,
    )


async def save_password(context: RequestContext) -> Response:
    """Save the new password if it works at both servers."""
    account = await connected_account(context)
    typed = context.form.secret("password")
    if not typed:
        return _password(context, account, None, PageError(400, "The password is empty."))
    try:
        await count_login_attempt(context)
    except PageError as error:
        return _password(context, account, None, error)
    credentials = password_credentials(typed)
    result = await try_account(account, credentials, context.console.policy)
    if not result.ok:
        return _password(context, account, result)
    await context.saver.save_password(account, credentials)
    return context.redirect(f"/mailboxes/{account.id}", "password")


async def login(context: RequestContext) -> Response:
    """Ask for other servers, another login name or another password."""
    account = await connected_account(context)
    return _login(context, account, Servers(account.incoming, account.outgoing))


def _login(
    context: RequestContext,
    account: Account,
    servers: Servers | TypedServers,
    *,
    result: CheckResult | None = None,
    wrong: PageError | None = None,
) -> Response:
    return context.render(
        "login.html",
        status=wrong.status if wrong else 422 if result else 200,
        account=account,
        address=account.address,
        provider=provider_of(account),
        result=result,
        wrong=wrong.sentence if wrong else None,
        **server_fields(
            context,
            servers,
            no_smtp=(servers.outgoing is None and servers.incoming is not None) or "no_smtp" in context.form,
        ),
    )


async def save_login(context: RequestContext) -> Response:
    """Save the login if it works at both servers. Everything else of the mailbox stays."""
    account = await connected_account(context)
    form = context.form
    try:
        incoming, outgoing = read_servers(form, account.incoming.username)
    except PageError as error:
        return _login(context, account, typed_servers(form), wrong=error)
    if incoming is None or (outgoing is None and not form.text("no_smtp")):
        return _login(context, account, typed_servers(form), wrong=PageError(422, SERVER_MISSING))
    typed = form.secret("password")
    changed = Login(incoming, outgoing, password_credentials(typed) if typed else None)
    try:
        await count_login_attempt(context)
        result = await context.saver.change_login(account, changed, context.console.tokens)
    except REFUSALS as error:
        return _login(context, account, typed_servers(form), wrong=page_error(error))
    if not result.ok:
        return _login(context, account, typed_servers(form), result=result)
    return context.redirect(f"/mailboxes/{account.id}", "login")


async def folders(context: RequestContext) -> Response:
    """Show which folders are synchronised."""
    account = await connected_account(context)
    return context.render("folders.html", account=account, folders=await context.store.folders.of(account.id))


async def save_folders(context: RequestContext) -> Response:
    """Add the changed folders to the existing rules; or clear all rules."""
    account = await connected_account(context)
    include, exclude = set(account.folders.include), set(account.folders.exclude)
    if context.form.text("do") == "by-rule":
        include, exclude = set(), set()
    else:
        chosen = set(context.form.values("folder"))
        for folder in await context.store.folders.of(account.id):
            if folder.selected == (folder.id in chosen):
                continue
            taken, left = (include, exclude) if folder.id in chosen else (exclude, include)
            left.discard(folder.name)
            taken.add(folder.name)
    rules = FolderRules(include=tuple(sorted(include)), exclude=tuple(sorted(exclude)))
    await context.store.accounts.save_folder_rules(account.id, rules, by=context.viewer)
    return context.redirect(f"/mailboxes/{account.id}", "folders")


async def addresses(context: RequestContext) -> Response:
    """Show the owner's addresses, which of them are proven, and likely further ones."""
    return await _addresses(context, await connected_account(context))


async def _addresses(context: RequestContext, account: Account, wrong: PageError | None = None) -> Response:
    """Show an account's addresses; or what was chosen and typed, and what is wrong with it."""
    saving = context.form.text("do") not in ("send", "code")
    return context.render(
        "addresses.html",
        status=wrong.status if wrong else 200,
        account=account,
        candidates=await context.store.aliases.candidates(account, by=context.viewer),
        chosen=context.form.values("address") if saving and wrong else account.aliases,
        more=context.form.text("more") if saving and wrong else "",
        code=context.form.text("code"),
        mails=context.console.post is not None,
        wrong=wrong.sentence if wrong else None,
    )


async def change_addresses(context: RequestContext) -> Response:
    """Save the addresses that the owner claims, send a code to one, or take the code that proves one."""
    account = await connected_account(context)
    doing = {"send": _send_code, "code": _enter_code}.get(context.form.text("do"), _save_addresses)
    try:
        return await doing(context, account)
    except REFUSALS as error:
        return await _addresses(context, account, page_error(error))


async def _send_code(context: RequestContext, account: Account) -> Response:
    post, sender = context.console.post, context.console.settings.mail_from
    if post is None:
        raise PageError(409, "This installation sends no mail. An administrator can confirm the address.")
    address = normal_address(context.form.text("address"))
    await proving.send_code(account, address, store=context.store, post=post, sender=sender, by=context.viewer)
    return context.redirect(f"/mailboxes/{account.id}/addresses", "code-sent")


async def _enter_code(context: RequestContext, account: Account) -> Response:
    await proving.enter_code(account, context.form.text("code"), store=context.store, by=context.viewer)
    return context.redirect(f"/mailboxes/{account.id}/addresses", "address-proven")


async def _save_addresses(context: RequestContext, account: Account) -> Response:
    """Save the addresses that the owner claims.

    Raises:
        InvalidAddressError: what was typed is no address.
        AlreadyExistsError: an address belongs to another user.
    """
    typed = [*context.form.values("address"), *context.form.text("more").replace(",", " ").split()]
    wanted = {normal_address(one) for one in typed}
    await proving.refuse_others(wanted, account.owner, store=context.store)
    saved = await context.store.accounts.save_aliases(account.id, wanted, by=context.viewer)
    return context.redirect(f"/mailboxes/{account.id}" + ("/addresses" if saved.unproven else ""), "aliases")
