"""``make mutants``: breaks each clause of the sharing rule, one at a time, and checks that the tests notice.

- ``operators``: every small wrong version of a module, from its syntax tree
- ``run``: runs the module's tests on a version in a separate process
- ``exchange``: gives a loaded module's functions the code of another version
- ``session``: runs the tests on many versions of a module, each in a fork of one pytest session
- ``targets``: the list of modules, and the versions that are no mistake
- ``__main__``: the report
"""
