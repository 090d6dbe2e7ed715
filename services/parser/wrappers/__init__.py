"""Mail within something else: what is inside is shown as if it had been sent plainly.

- ``opening``: puts what wrappers hold into the tree of parts
- ``tnef``: Outlook's ``winmail.dat``
- ``rtf``: the text of compressed RTF in it
- ``cms``: what S/MIME signs as a whole, and whether it is encrypted
- ``invitations``: calendar parts, told in words
- ``notes``: what is said of parts that are not shown: invitations, encrypted mail, parts of a mail, files kept elsewhere
- ``cpu_limit``: limits the CPU time of libraries
"""
