"""Who sees a mailbox's mail. The user sees a preview of a change before saving it."""

from __future__ import annotations

from starlette.responses import Response

from schemas.accounts import Account
from schemas.addresses import InvalidDomainError
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services import wording
from services.console.pages.mailboxes import connected_account
from services.console.web.forms import Form, PageError
from services.console.web.request_context import RequestContext
from services.store import NotAllowedError, Preview
from services.usecases.connecting.saving import check_allowed
from services.usecases.connecting.servers import read_domains


def modes(company: CompanyPolicy) -> list[tuple[Mode, str]]:
    """Return the modes that the company allows, each with who would see the mail."""
    return [(mode, text) for mode, text in wording.MODES.items() if mode in company.allowed_modes]


def effects(preview: Preview) -> list[tuple[str, tuple[object, ...]]]:
    """Return what a change would do: sentences, each with examples."""
    both = (preview.hidden, wording.HIDDEN), (preview.shown, wording.SHOWN)
    return [(wording.effect(one, what), one.examples) for one, what in both if one.emails] or [(wording.NO_EFFECT, ())]


def read_policy(form: Form, before: SharingPolicy | None, company: CompanyPolicy) -> SharingPolicy:
    """Return the chosen policy. Modes other than custom keep the excluded domains for later.

    Raises:
        PageError: nothing was chosen, a domain cannot be excluded, or the company does not allow the mode.
    """
    try:
        mode = Mode(form.text("mode"))
        domains = read_domains(form.text("domains"))
    except InvalidDomainError as error:
        raise PageError(400, str(error)) from None
    except ValueError:
        raise PageError(400, "Choose who may see the mail.") from None
    try:
        check_allowed(mode, company)
    except NotAllowedError as error:
        raise PageError(403, wording.sentence(str(error))) from None
    kept = domains if mode is Mode.CUSTOM else before.excluded_domains if before else ()
    return SharingPolicy(mode=mode, excluded_domains=kept)


async def form(context: RequestContext) -> Response:
    """Ask who may see the mail."""
    account = await connected_account(context)
    return await _page(context, account, account.sharing)


async def change(context: RequestContext) -> Response:
    """Show a preview of the change, or save it."""
    account = await connected_account(context)
    company = await context.store.company.policy()
    try:
        policy = read_policy(context.form, account.sharing, company)
    except PageError as error:
        return await _page(context, account, account.sharing, wrong=error)
    if context.form.text("do") == "save":
        await context.store.sharing.set_account(account.id, policy, by=context.viewer)
        return context.redirect(f"/mailboxes/{account.id}", "sharing")
    preview = effects(await context.store.previewing.account(account, policy, by=context.viewer))
    return await _page(context, account, policy, preview=preview)


async def _page(
    context: RequestContext,
    account: Account,
    policy: SharingPolicy,
    *,
    preview: list[tuple[str, tuple[object, ...]]] | None = None,
    wrong: PageError | None = None,
) -> Response:
    """Show a policy; or what was typed, and what is wrong with it."""
    company = await context.store.company.policy()
    typed = (context.form.text("mode"), context.form.text("domains"))
    mode, domains = typed if wrong else (policy.mode.value, " ".join(map(wording.readable, policy.excluded_domains)))
    return context.render(
        "sharing.html",
        status=wrong.status if wrong else 200,
        account=account,
        policy=policy,
        mode=mode,
        domains=domains,
        modes=modes(company),
        company=company,
        effects=preview,
        wrong=wrong.sentence if wrong else None,
    )
