"""An identity server for tests and the demo: OAuth2 and OpenID Connect on authlib's server classes, with faults on demand.

Its users are the mail users: they sign in with the passwords of their mailboxes, and the mail server asks it whose token it was given.

- ``part``: the server as a part of a run: start it, sign in as a user's browser does, set faults
- ``__main__``, ``app``: the process and its pages
- ``grants``, ``app_only_grants``: authlib's classes, filled in
- ``id_tokens``: who signed in
- ``state``: users, codes and tokens, in memory
"""
