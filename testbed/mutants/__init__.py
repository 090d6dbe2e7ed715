"""``make mutants``: breaks each clause of the sharing rule, one at a time, and asks the tests whether they notice.

- ``operators``: every small wrong version of a module, from its syntax tree
- ``run``: runs the module's tests on a version in a separate process
- ``__main__``: the list of modules, the report
"""
