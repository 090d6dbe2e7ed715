"""What other parsers say of the corpus of real mail, and how far ours agrees.

- ``corpus``: the mails, and what other parsers expect
- ``comparison``: field by field
- ``__main__``: the report, ``make parse-report``
"""
