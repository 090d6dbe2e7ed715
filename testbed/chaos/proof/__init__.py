"""The independent proof: what servers and database hold, and the verdict. Shares no code with the services.

- ``mailbox``, ``reader``: a mailbox as its owner's phone uses it, and what is in it
- ``reference``, ``expected``: the state that must follow from that
- ``stored``, ``observer``, ``history``: the state that is stored, and in which order things happened
- ``findings``, ``verdict``, ``owed``: the differences
"""
