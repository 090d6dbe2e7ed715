"""Administration.

- ``sharing``, ``previewing``: changes of sharing policies, and what a change would do
- ``attached_mail``: how much of an account's mail is on records, for its owner
- ``withdrawing``: keeping an email or a thread private, and sharing it again
- ``undoing``: deletions of emails undone
- ``removal``: disconnecting and purging accounts
- ``aliases``, ``address_codes``: further addresses of an account's owner, and codes that prove them
- ``data_subjects``, ``exported``, ``exporting``, ``erasing``: requests of data subjects
- ``key_rotation``: the deployment's secret is replaced in what is stored
- ``checkup``: the state of the database
"""
