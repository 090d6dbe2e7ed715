"""Leadmail's contracts: what crosses a queue, what is in MongoDB, who may see what.

Imports nothing of ours; everything else imports this.

- ``base``       the frozen model that every contract derives from
- ``addresses``  one normal form of an e-mail address and of a domain
- ``identity``   keys: of a copy, of an email, of a link; the keyed marks
- ``messages``   what crosses a queue
- ``mail``       the parts of a parsed mail, shared by messages and documents
- ``accounts``, ``records``, ``ledger``, ``emails``  what is in MongoDB
- ``sharing``    the rule of who sees what, as pure functions
- ``routes``     the map of the system: one row a route
- ``derived``    files made from the above (definitions, AsyncAPI, JSON schemas, tables)
"""
