"""What people do with Leadmail, whether they use the CLI or the web console.

- ``connecting``: from servers and a login to a connected account
- ``importing``: connects many mailboxes from a table, and says why those that failed did
- ``proving``: how an address that a user claims becomes their own
- ``company_domains``: the company's own domains: proposed, confirmed, opened, closed; and which records show less for it
- ``membership``: who may change the members of a mailbox, and the change
- ``leaving``: users with their sessions and mailboxes; what a removal concerns, and the removal
- ``provisioning``: what the company's identity provider decides about users, and whom it signs in
- ``key_rotation``: which secret of the deployment is needed, and replacing it
- ``overview``: what the operator looks at first
- ``balance``: what became of each message that a mailbox holds, per folder and in all
- ``time_left``: how long backfills will still take
- ``stages``: which stage reads which queue
- ``dead_letters``: inspect, replay and drop dead letters
- ``html``: makes the HTML of a mail harmless
- ``signing``: one-time sign-in links and form tokens

The words that people read are in ``services.wording``.
"""
