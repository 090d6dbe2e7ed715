"""Made-up mail: the demo's company with its three mailboxes, and the benchmark's mailboxes.

Everything is a function of a seed. Nothing here reads a file, a clock or the network, and only
``bench.mailbox.write_maildir`` writes files.

- ``demo_mail``: the demo's mailboxes
- ``model``: what a sample mail is, and what tests expect of it
- ``company``, ``person``: the people who write, and which of them are records
- ``correspondence``: conversations as scripts
- ``write``, ``style``: turns the scripts into mails, as mail programs write them
- ``wire``, ``files``: headers, parts and encodings; files to attach
- ``post``, ``weave``: the copies of a mail: who holds one, in which folder, with which flags
- ``odd_mail``, ``odd_headers``, ``odd_parts``: single mails, each named for its quirk
- ``bench``: the benchmark's mailboxes
"""
