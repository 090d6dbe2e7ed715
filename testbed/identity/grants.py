"""authlib's server classes, filled in with the state."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from starlette.responses import JSONResponse, Response

from testbed.identity.app_only_grants import Assertions
from testbed.identity.id_tokens import DeviceIdTokens, IdTokens
from testbed.identity.state import Code, RegisteredApp, State, Token

_METHODS = ["client_secret_basic", "client_secret_post", "none"]


class FormRequest(OAuth2Request):
    """A request whose form was read."""

    def __init__(self, method: str, uri: str, headers: Mapping[str, str], fields: dict[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self.payload = BasicOAuth2Payload(fields)
        self._fields = fields

    @property
    def args(self) -> dict[str, str]:
        """The query or the form: the app reads the one that the method has."""
        return self._fields

    @property
    def form(self) -> dict[str, str]:
        """See ``args``."""
        return self._fields


class Server(AuthorizationServer):
    """The identity server without HTTP."""

    def __init__(self, state: State) -> None:
        super().__init__()
        self.state = state
        self.register_token_generator(
            "default",
            BearerTokenGenerator(
                lambda **_: secrets.token_urlsafe(32),
                lambda **_: secrets.token_urlsafe(32),
                lambda *_: state.lifetime,
            ),
        )
        self.register_grant(CodeGrant, [CodeChallenge(required=True), IdTokens(state)])
        self.register_grant(RefreshGrant)
        self.register_grant(AppGrant)
        self.register_grant(Assertions)
        self.register_grant(DeviceGrant, [DeviceIdTokens(state)])
        for endpoint in (Devices, Revocation, Introspection):
            self.register_endpoint(endpoint)

    def query_client(self, client_id: str) -> RegisteredApp | None:
        """Return an application."""
        return self.state.clients.get(client_id)

    def save_token(self, token: dict[str, Any], request: FormRequest) -> None:
        """Keep a token. One that comes from a refresh belongs to the same sign-in."""
        before: Token | None = request.refresh_token
        refresh = token.get("refresh_token") or (before.refresh_token if before else "")
        one = Token(
            token["access_token"],
            refresh,
            request.client.client_id,
            request.user,
            token.get("scope", ""),
            time.time() + token["expires_in"],
            before.sign_in if before else secrets.token_hex(8),
        )
        if before is not None and "refresh_token" in token:
            one.replaces = before
        elif before is not None:
            before.refresh_token = ""  # found by the new one from now on
        self.state.tokens.append(one)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""

    def create_oauth2_request(self, request: FormRequest) -> FormRequest:
        """Return the request as it is."""
        return request

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:
        """Return an HTTP response."""
        if isinstance(body, dict):
            return JSONResponse(body, status, dict(headers))
        return Response(body, status, dict(headers))


class CodeGrant(grants.AuthorizationCodeGrant):
    """Authorization codes."""

    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    def save_authorization_code(self, code: str, request: FormRequest) -> None:
        """Keep a code."""
        data = request.payload.data
        self.server.state.codes[code] = Code(
            code,
            request.client.client_id,
            request.user,
            data["redirect_uri"],
            data.get("scope", ""),
            data.get("nonce"),
            data.get("code_challenge"),
            data.get("code_challenge_method"),
        )

    def query_authorization_code(self, code: str, client: RegisteredApp) -> Code | None:
        """Return a code of this application."""
        found: Code | None = self.server.state.codes.get(code)
        return found if found is not None and found.client_id == client.client_id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Use a code up."""
        self.server.state.codes.pop(authorization_code.code)

    def authenticate_user(self, authorization_code: Code) -> str:
        """Return who signed in."""
        return authorization_code.user


class RefreshGrant(grants.RefreshTokenGrant):
    """Refresh tokens, which rotate if the state says so."""

    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    @property
    def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:  # noqa: N802 - authlib's name
        """Whether a new refresh token comes with the access token."""
        return bool(self.server.state.rotates)

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        """Return the token of a refresh token. Using a new one ends the one before it."""
        found: Token | None = self.server.state.token(refresh_token)
        if self.server.state.stolen(refresh_token):
            return None
        if found is None or found.revoked or found.refresh_token != refresh_token:
            return None
        found.use()
        return found

    def authenticate_user(self, refresh_token: Token) -> str:
        """Return whose token it is."""
        return refresh_token.user

    def revoke_old_credential(self, refresh_token: Token) -> None:
        """End the old one at once where the state says so; else it ends once the new one is used."""
        if self.server.state.strict:
            refresh_token.spent, refresh_token.refresh_token = refresh_token.refresh_token, ""


class AppGrant(grants.ClientCredentialsGrant):
    """Tokens for an application itself. They open the mailbox that the state says."""

    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS[:2]

    def validate_token_request(self) -> None:
        """Note whose mailbox the token opens."""
        super().validate_token_request()
        self.request.user = self.server.state.app_user


class DeviceGrant(DeviceCodeGrant):
    """Device codes."""

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        """Return what a device code is for."""
        found = self.server.state.devices.get(device_code)
        return None if found is None else DeviceCredentialDict(found)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        """Return who entered the code, and whether they agreed."""
        found: tuple[str, bool] | None = self.server.state.approved.get(user_code)
        return found

    def should_slow_down(self, _credential: DeviceCredentialDict) -> bool:
        """Never: tests are in a hurry."""
        return False


class Devices(DeviceAuthorizationEndpoint):
    """Gives device codes out."""

    INTERVAL = 1

    def get_verification_uri(self) -> str:
        """Return where the user enters the code."""
        return f"{self.server.state.issuer}/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        """Keep a device code."""
        known = {"client_id": client_id, "scope": scope, "expires_at": time.time() + data["expires_in"], **data}
        self.server.state.devices[data["device_code"]] = known


class Revocation(RevocationEndpoint):
    """Ends a sign-in by any of its tokens."""

    CLIENT_AUTH_METHODS = _METHODS

    def query_token(self, token_string: str, _hint: str | None) -> Token | None:
        """Return the token that a text is."""
        found: Token | None = self.server.state.token(token_string)
        return found

    def revoke_token(self, token: Token, _request: FormRequest) -> None:
        """End all that belongs to the token's sign-in."""
        for one in self.server.state.tokens:
            if one.sign_in == token.sign_in:
                one.revoked, one.refresh_token = True, ""


class Introspection(IntrospectionEndpoint):
    """Tells the mail server whose token it was given."""

    def query_token(self, token_string: str, _hint: str | None) -> Token | None:
        """Return an access token."""
        found: Token | None = self.server.state.token(token_string)
        return found if found is not None and found.access_token == token_string else None

    def check_permission(self, token: Token, client: RegisteredApp, _request: FormRequest) -> bool:
        """Let the mail server ask. It asks because a client uses the token."""
        token.use()
        return client.client_id == "mail-server"

    def introspect_token(self, token: Token) -> dict[str, Any]:
        """Return whose token it is."""
        opened = self.server.state.opens.get(token.user, token.user)
        return {"active": True, "username": opened, "scope": token.scope, "exp": int(token.expires_at)}
