"""Everything that users read, and what they do with single emails. All of it passes the guard.

- ``candidates``: the links that a viewer may possibly see, without a walk over hidden ones
- ``threads``: which of a viewer's emails belong together
- ``failures``: which of them were not delivered
- ``visible_mail``: these together
- ``views``, ``visible_lines``, ``search_cursor``: what users get to read, made from visible links only
- ``reading``, ``email_search``, ``record_search``, ``explaining``, ``suggesting``, ``deleting``: what users do
"""
