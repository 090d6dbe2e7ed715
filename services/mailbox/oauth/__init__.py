"""Signing in to mailboxes, and OAuth2 and OpenID Connect in general (RFC 6749, 7009, 7636, 8628, OpenID Connect Core).

- ``guarded_http``: HTTP through the network guard, with bounded answers
- ``errors``: what an identity server refuses
- ``endpoints``: where an identity server is asked, as configured or as its issuer publishes it
- ``answers``: tokens, codes, errors and documents, read with care
- ``client``: authorization code with PKCE, device code, client credentials, refresh, revocation
- ``own_tokens``: tokens that Leadmail gets in its own name
- ``id_tokens``: who signed in, by the issuer's keys
- ``sign_in_services``: the services that offer a sign-in to mailboxes: Google, Microsoft, and one that the operator names
- ``app_only``: the services whose mailboxes Leadmail opens in its own name
- ``refusals``: what a refusal means for a mailbox
- ``token_refresh``: tokens that are due are refreshed, by one process at a time

``guarded_http``, ``errors``, ``endpoints``, ``answers``, ``client``, ``own_tokens`` and ``id_tokens`` know nothing of mailboxes.
They load libraries that most commands do not need: import them where they are used.
"""
