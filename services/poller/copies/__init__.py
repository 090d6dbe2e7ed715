"""Does what one mail in one folder needs: decides on it, keeps its ledger row, publishes its body, records that it is gone.

- ``account_context``: the account, lease and collaborators that all work on an account shares
- ``metrics``: the poller's metrics
- ``folder_scan``: the uids of one folder in windows, newest first
- ``headers``: participants and thread ids of a raw header block
- ``header_reader``: reads the headers of fetched messages outside the event loop, in bounded pieces
- ``delivery_reports``: reads whom bounces are about whose headers name nobody
- ``relevance``: which mail concerns a record, and the ledger rows for it
- ``threads``: whether a mail without a known participant answers mail that the owner sent about a record
- ``body_fetcher``: fetches bodies of relevant mail in batches
- ``doubts``: which mail it is that does not come, and when that is final
- ``completeness``: whether a mail came as a whole
- ``publish_tracker``: publishes mail and marks its rows
- ``removals``: records and announces copies that are gone
- ``ledger_repair``: rows of mail that came or changed unnoticed, or is not delivered
"""
