"""Coverage-guided fuzzing of everything that reads what strangers send (``make fuzz``).

- ``targets``: what is called with any bytes, and what must hold of the result
- ``mail_server``: a server's side of a connection, made of any bytes
- ``seeds``: where each target starts: the tests' own samples
- ``budget``: the CPU time that an input of some size may take
- ``one_target``: runs one target with atheris; a process of its own
- ``findings``: finds the smallest input that still fails
- ``__main__``: runs all targets, and reports
"""
