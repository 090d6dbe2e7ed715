"""The company's sharing policy, which overrides users' settings. An administrator sees a preview before saving it."""

from __future__ import annotations

from typing import NamedTuple

from starlette.responses import Response

from schemas.addresses import InvalidDomainError
from schemas.sharing import CompanyPolicy, Mode
from services import wording
from services.console.pages.sharing import effects
from services.console.web.forms import Form, PageError
from services.console.web.refusals import REFUSALS, page_error
from services.console.web.request_context import RequestContext
from services.usecases import company_domains
from services.usecases.company_domains import DomainChange
from services.usecases.connecting.servers import read_domains


class Opening(NamedTuple):
    """A change of the company's domains that shows mail, before it is confirmed."""

    do: str
    domain: str
    sentences: tuple[str, ...]


async def form(context: RequestContext) -> Response:
    """Show the policy."""
    return await _page(context, await context.store.company.policy())


async def change(context: RequestContext) -> Response:
    """Show a preview of the change, or save it."""
    before = await context.store.company.policy()
    try:
        policy = _read(context.form, before)
        if context.form.text("do") == "save":
            await context.store.sharing.set_company(policy, by=context.viewer)
            return context.redirect("/operations/sharing", "company")
    except REFUSALS as error:
        return await _page(context, before, wrong=page_error(error))
    preview = effects(await context.store.previewing.company(policy, by=context.viewer))
    return await _page(context, policy, effects=preview)


async def change_domain(context: RequestContext) -> Response:
    """Add, remove, open or close one of the company's domains; a change that shows mail is previewed first.

    The preview and its confirmation name a version of the policy: after another change the administrator sees a new preview.
    """
    store, do, domain = context.store, context.form.text("do"), context.form.text("domain")
    if do not in ("add", "remove", "open", "close"):
        raise PageError(400, "A domain can be added, removed, opened or closed.")
    before = await store.company.policy()
    try:
        policy = await company_domains.changed(store, DomainChange(**{do: (domain,)}))
    except InvalidDomainError as error:
        return await _page(context, before, wrong=page_error(error))
    if company_domains.opens(before, policy) and context.form.text("confirm") != str(before.version):
        shown = (await store.previewing.company(policy, by=context.viewer)).shown
        records = await store.previewing.opened_records(policy, by=context.viewer)
        sentences = wording.opening(records), wording.effect(shown, wording.SHOWN), wording.OPENING_COUNTS
        return await _page(context, before, opening=Opening(do, domain, sentences))
    await store.sharing.set_company(policy, by=context.viewer)
    return context.redirect("/operations/sharing", "company")


async def _page(
    context: RequestContext,
    policy: CompanyPolicy,
    *,
    effects: list[tuple[str, tuple[object, ...]]] | None = None,
    opening: Opening | None = None,
    wrong: PageError | None = None,
) -> Response:
    """Show a policy; or what was typed, and what is wrong with it."""
    form = context.form
    whole = wrong is not None and "default" in form  # not only one of the company's domains
    return context.render(
        "company.html",
        status=wrong.status if wrong else 200,
        policy=policy,
        domains=form.text("domains") if whole else " ".join(map(wording.readable, policy.excluded_domains)),
        allowed=form.values("allowed") if whole else [one.value for one in policy.allowed_modes],
        default=form.text("default") if whole else policy.default_mode.value,
        domain=form.text("domain") if wrong else "",
        wrong=wrong.sentence if wrong else None,
        modes=wording.MODES,
        effects=effects,
        opening=opening,
        proposed=await company_domains.proposed(context.store),
    )


def _read(form: Form, before: CompanyPolicy) -> CompanyPolicy:
    try:
        allowed = tuple(mode for mode in Mode if mode.value in form.values("allowed"))
        policy = before.replaced(
            excluded_domains=read_domains(form.text("domains")),
            default_mode=Mode(form.text("default")),
            allowed_modes=allowed,
            version=int(form.text("version", "0")),
        )
    except InvalidDomainError as error:
        raise PageError(400, str(error)) from None
    except ValueError:
        raise PageError(400, "Choose the allowed modes and the default mode.") from None
    if policy.default_mode not in policy.allowed_modes:
        raise PageError(
            400, f"The default mode {policy.default_mode.value} is not allowed. Allow it, or choose another default."
        )
    return policy
