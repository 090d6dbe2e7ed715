"""Who may see what.

- ``pending_sign_ins``: sign-ins at other services that a browser has started
- ``users``, ``sign_ins``: users, the administrator's policy, one-time links and console sessions
- ``identities``: whose account at the company's identity provider is whose
- ``scim_tokens``, ``groups``: tokens of the company's identity provider, and the groups that it manages
- ``teams``: as which owners a user holds mail: their own mailboxes and shared ones
- ``rights``: which records a user may read
- ``copies``, ``withdrawals``, ``guard``: the facts that the sharing rule needs, and the rule applied to links
- ``attesting``: who attests a thread now
"""
