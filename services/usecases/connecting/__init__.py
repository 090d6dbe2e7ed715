"""From servers and a login to a connected account.

- ``servers``: the mail servers of an address: what the user typed takes precedence over what discovery finds
- ``login``: tries a login: a new one, that of an existing account, the saved one
- ``login_names``: which mailbox a login name may open
- ``login_limit``: how many logins a user may try
- ``saving``: saves what works, and checks the sharing policy
- ``former_members``: who is left out of a shared mailbox that is connected again
- ``displacing``: whose mailbox an address is connected as, and which login takes it from whom
- ``mailbox_sign_in``: mailboxes whose owners sign in at the mail service
- ``token_revoker``: revokes tokens that no mailbox uses any more
"""
