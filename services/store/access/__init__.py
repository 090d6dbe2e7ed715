"""Who may see what, and everything that users read.

- ``users``, ``sign_ins``: users, the administrator's policy, one-time links and console sessions
- ``rights``: which records a user may read
- ``copies``, ``withdrawals``, ``guard``: the facts that the sharing rule needs, and the rule applied to links
- ``candidates``: the links that a viewer may possibly see, without a walk over hidden ones
- ``views``, ``visible_lines``, ``search_cursor``: what users get to read, made from visible links only
- ``reading``, ``email_search``, ``record_search``, ``explaining``, ``suggesting``, ``deleting``: what users do
"""
