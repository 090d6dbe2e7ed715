"""What other parsers say of the corpus of real mail, and how far ours agrees.

- ``corpus``: the mails, and what other parsers are recorded to say
- ``oracles``: other parsers that are run
- ``comparison``: field by field, and the rules
- ``verdicts``: who is right in each difference
- ``agreement``: the tables
- ``bounces``: bounces that others collected
- ``replies``: samples of replies from talon's tests
- ``__main__``: the report, ``make parse-report``
"""
