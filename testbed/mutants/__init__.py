"""``make mutants``: breaks each clause of the sharing rule, one at a time, and asks the tests whether they notice.

- ``operators``: every small wrong version of a module, from its syntax tree
- ``run``: a version in a process of its own, under the module's tests
- ``__main__``: the list of modules, the report
"""
