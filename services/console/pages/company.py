"""The company's sharing policy, which overrides users' settings. An administrator sees a preview before saving it."""

from __future__ import annotations

from starlette.responses import Response

from schemas.addresses import InvalidDomainError
from schemas.sharing import CompanyPolicy, Mode
from services import wording
from services.console.pages.sharing import effects
from services.console.web.forms import Form, PageError
from services.console.web.request_context import RequestContext
from services.usecases.servers import read_domains


async def form(context: RequestContext) -> Response:
    """Show the policy."""
    return context.render(
        "company.html", policy=await context.store.company.policy(), modes=wording.MODES, effects=None
    )


async def change(context: RequestContext) -> Response:
    """Show a preview of the change, or save it."""
    policy = _read(context.form, await context.store.company.policy())
    if context.form.text("do") == "save":
        await context.store.sharing.set_company(policy, by=context.viewer)
        return context.redirect("/operations/sharing", "company")
    preview = effects(await context.store.previewing.company(policy, by=context.viewer))
    return context.render("company.html", policy=policy, modes=wording.MODES, effects=preview)


def _read(form: Form, before: CompanyPolicy) -> CompanyPolicy:
    try:
        allowed = tuple(mode for mode in Mode if mode.value in form.values("allowed"))
        policy = CompanyPolicy(
            excluded_domains=read_domains(form.text("domains")),
            default_mode=Mode(form.text("default")),
            allowed_modes=allowed,
            internal_domains=before.internal_domains,
            opened_domains=before.opened_domains,
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
