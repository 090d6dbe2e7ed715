"""Whose mailboxes are, and how that changes.

- ``handover``: a mailbox gets another owner
- ``membership``: a mailbox becomes a team's, and the members of a team change
- ``user_lifecycle``: users disabled, enabled and removed
"""
