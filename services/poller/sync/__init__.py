"""Keeps the ledger in step with one mailbox, from the first import on.

- ``background_sync``: the order of background work: backfill, waiting bodies, comparison
- ``backfill``: opens an epoch, walks its folders, seals it
- ``comparison``: compares a folder with its rows by other commands than those that made them
- ``command_pace``: how many commands a mailbox may cost when they bring nothing
- ``reconcile``: compares all folders with their rows now and then
- ``mark_renewal``: reads headers again whose marks another key made
- ``mailbox_watcher``: notices changes by IDLE, NOTIFY or in rounds
- ``folder_check``: finds the folders that changed, all at once or in rounds
- ``folder_rounds``: which folders are asked about in a round
- ``folder_sync``: whether a folder changed, and its synchronisation
- ``sent_watcher``: idles on Sent while the second connection is free
- ``live_sync``: new mail, flags and expunges of one folder
- ``folder_changes``: folders that appear or disappear
- ``folder_snapshot``: how a folder looked when it was last synchronised
"""
