"""The identity server's pages and endpoints, and those by which tests set it up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields
from functools import partial
from html import escape
from urllib.parse import parse_qsl

from authlib.oauth2 import OAuth2Error
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from testbed.identity.grants import FormRequest, Server
from testbed.identity.id_tokens import about
from testbed.identity.state import EndpointFault, RegisteredApp, State
from testbed.processes.users import MailUsers

_PUBLISHED = {
    "authorization_endpoint": "authorize",
    "token_endpoint": "token",
    "device_authorization_endpoint": "device_authorization",
    "revocation_endpoint": "revoke",
    "introspection_endpoint": "introspect",
    "userinfo_endpoint": "userinfo",
    "jwks_uri": "keys",
    "end_session_endpoint": "logout",
}
_WRONG = "The address or the password is wrong."
Handler = Callable[[FormRequest], Response]
_PAGE = """<!doctype html><html lang="en"><title>Sign in</title><h1>Sign in</h1><p role="alert">{wrong}</p>
<form method="post">{hidden}<label>Address <input name="user" type="email" value="{user}"></label>
<label>Password <input name="password" type="password"></label>{code}
<button name="do" value="allow">Sign in and allow</button> <button name="do" value="deny">Deny</button></form></html>"""


class Pages:
    """What the server answers, by path."""

    def __init__(self, state: State, users: MailUsers) -> None:
        self._state = state
        self._users = users
        self._server = server = Server(state)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/.well-known/openid-configuration": ("configuration", self._configuration),
            "/authorize": ("authorize", self._authorize),
            "/token": ("token", server.create_token_response),
            "/device_authorization": ("device", partial(server.create_endpoint_response, "device_authorization")),
            "/device": ("device-page", self._device),
            "/revoke": ("revoke", partial(server.create_endpoint_response, "revocation")),
            "/introspect": ("introspect", partial(server.create_endpoint_response, "introspection")),
            "/userinfo": ("userinfo", self._userinfo),
            "/keys": ("keys", self._keys),
            "/logout": ("logout", self._logout),
        }

    def app(self) -> Starlette:
        """Return the application."""
        pages = [Route(path, self._endpoint(*row), methods=["GET", "POST"]) for path, row in self._routes.items()]
        return Starlette(routes=[*pages, Route("/test", _control(self._state), methods=["GET", "POST"])])

    def _endpoint(self, name: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            asked = await _read(request)
            names = ("refresh", name) if asked.form.get("grant_type") == "refresh_token" else (name,)
            self._state.asked.append(names[0])
            faults = [self._state.faults[each] for each in names if each in self._state.faults]
            for fault in faults:
                if (answer := await _misbehave(fault)) is not None:
                    return answer
            answer = handler(asked)
            await asyncio.sleep(sum(fault.late for fault in faults))
            return answer

        return respond

    def _authorize(self, request: FormRequest) -> Response:
        try:
            grant = self._server.get_consent_grant(request, None)
        except OAuth2Error as error:
            refused: Response = self._server.handle_error_response(request, error)
            return refused
        data = request.form
        if request.method == "GET":
            return _page(data, data.get("login_hint", ""))
        user, allowed = data.get("user", "").strip().lower(), data.get("do") != "deny"
        if allowed and not self._users.check(user, data.get("password", "")):
            return _page(data, user, wrong=_WRONG)
        response: Response = self._server.create_authorization_response(
            request, grant_user=user if allowed else None, grant=grant
        )
        return response

    def _device(self, request: FormRequest) -> Response:
        data, code = request.form, request.form.get("user_code", "")
        if request.method == "GET":
            return _page({}, "", code=code)
        user = data.get("user", "").strip().lower()
        if not self._users.check(user, data.get("password", "")):
            return _page({}, user, wrong=_WRONG, code=code)
        self._state.approved[code.strip().upper()] = (user, data.get("do") != "deny")
        return HTMLResponse("<p>You can close this page.</p>")

    def _userinfo(self, request: FormRequest) -> Response:
        token = self._state.token(request.headers.get("authorization", "").removeprefix("Bearer "))
        if token is None or token.revoked or token.is_expired():
            return JSONResponse({"error": "invalid_token"}, 401)
        return JSONResponse(about(self._state, token.user))

    def _logout(self, request: FormRequest) -> Response:
        client = self._state.clients.get(request.form.get("client_id", ""))
        back = request.form.get("post_logout_redirect_uri", "")
        if client is None or not client.check_redirect_uri(back):
            return HTMLResponse("<p>You are signed out.</p>")
        return RedirectResponse(back, 303)

    def _keys(self, _: FormRequest) -> Response:
        return JSONResponse({"keys": [self._state.key.as_dict(private=False)]})

    def _configuration(self, _: FormRequest) -> Response:
        issuer = self._state.issuer
        return JSONResponse(
            {
                "issuer": issuer,
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                **{key: f"{issuer}/{path}" for key, path in _PUBLISHED.items()},
            }
        )


def _control(state: State) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint by which tests change the state, and see what was asked."""
    settable = {one.name for one in fields(State)} & {
        "lifetime",
        "rotates",
        "strict",
        "skew",
        "claims",
        "audiences",
        "app_user",
        "opens",
    }

    async def control(request: Request) -> Response:
        if request.method == "POST":
            wanted = await request.json()
            for name in settable & wanted.keys():
                setattr(state, name, wanted[name])
            for account, (key, *delegated) in wanted.get("service_accounts", {}).items():
                state.clients[account] = RegisteredApp(account, "", RSAKey.import_key(key), tuple(delegated))
            if "faults" in wanted:
                state.faults = {name: EndpointFault(**fault) for name, fault in wanted["faults"].items()}
            for user in wanted.get("revoke", ()):
                state.revoke(user)
            for user in wanted.get("expire", ()):
                state.expire(user)
        codes = [one["user_code"] for one in state.devices.values()]
        users = {one.user for one in state.tokens if not one.revoked}
        return JSONResponse({"asked": state.asked, "signed_in": sorted(users), "codes": codes})

    return control


async def _read(request: Request) -> FormRequest:
    query = dict(parse_qsl(request.url.query, keep_blank_values=True))
    body = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    return FormRequest(request.method, str(request.url), request.headers, {**query, **body})


async def _misbehave(fault: EndpointFault) -> Response | None:
    """Answer as a fault demands; None if the answer is the usual one."""
    if not fault.times:
        return None
    fault.times -= 1
    await asyncio.sleep(fault.seconds)
    if not fault.error and fault.status < 429:  # noqa: PLR2004 - only slow
        return None
    headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
    if not fault.error:
        return HTMLResponse("<h1>Sorry</h1>", fault.status, headers)
    return JSONResponse({"error": fault.error, "error_description": fault.description}, fault.status, headers)


def _page(data: dict[str, str], user: str, *, wrong: str = "", code: str | None = None) -> Response:
    kept = {name: value for name, value in data.items() if name not in {"user", "password", "do"}}
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in kept.items()
    )
    entry = "" if code is None else f'<label>Code <input name="user_code" value="{escape(code)}"></label>'
    return HTMLResponse(
        _PAGE.format(wrong=escape(wrong), hidden=hidden, user=escape(user), code=entry), 401 if wrong else 200
    )
