"""Mail that says that other mail could not be delivered: is it one, whom it did not reach, for how long, why, and which mail it was.

What decides is in ``schemas.bounces``, which the poller reads by, too.

- ``recognition``: whether a mail is a bounce, and what it says
- ``returned``: the mail that bounced, of which a bounce has a copy
- ``kinds``: whether an address will never work, or does not work at the moment
"""
