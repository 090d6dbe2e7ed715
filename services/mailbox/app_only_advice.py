"""What administrators read about mailboxes that Leadmail opens in its own name: what happened, and what to do."""

from __future__ import annotations

from services.mailbox.connection import Code

SENTENCES: dict[Code, str] = {
    Code.DELEGATION_MISSING: (
        "{service} does not let Leadmail open this company's mailboxes in its own name. An administrator has to add the client id of "
        "the service account, with the scope https://mail.google.com/, to the domain-wide delegation."
    ),
    Code.APP_NOT_IN_TENANT: (
        "{service} does not find Leadmail's application in the tenant. An administrator has to check the tenant and the application "
        "(client) id that are set, and to grant admin consent."
    ),
    Code.APP_SECRET_WRONG: (
        "{service} does not accept the client secret of Leadmail's application. The operator has to set the secret's value, not its id."
    ),
    Code.APP_SECRET_EXPIRED: (
        "The client secret of Leadmail's application at {service} has expired. An administrator has to create a new one, and the "
        "operator to set it."
    ),
    Code.MAILBOX_NOT_GRANTED: (
        "{service} does not let Leadmail's application open the mailbox {username}. An administrator has to check that the mailbox "
        "exists, and to give the application access to it."
    ),
}
CAUSES: dict[str, str] = {
    Code.DELEGATION_MISSING: "the mail service does not let Leadmail open the company's mailboxes in its own name",
    Code.APP_NOT_IN_TENANT: "the mail service does not find Leadmail's application in the company's tenant",
    Code.APP_SECRET_WRONG: "the mail service does not accept the client secret of Leadmail's application",
    Code.APP_SECRET_EXPIRED: "the client secret of Leadmail's application has expired",
    Code.MAILBOX_NOT_GRANTED: "the mail service does not let Leadmail's application open the mailbox",
}
ADVICE: dict[str, str] = {
    Code.DELEGATION_MISSING: (
        "In Google's admin console (Security, API controls, Domain-wide delegation), add the client id of the service account with "
        "the scope https://mail.google.com/ (docs/oauth.md)."
    ),
    Code.APP_NOT_IN_TENANT: (
        "Check LEADMAIL_MICROSOFT_APP_TENANT and LEADMAIL_MICROSOFT_APP_CLIENT_ID, and grant admin consent in Entra (docs/oauth.md)."
    ),
    Code.APP_SECRET_WRONG: (
        "Set LEADMAIL_MICROSOFT_APP_CLIENT_SECRET to the value of the secret, not to its id, and restart the pollers."
    ),
    Code.APP_SECRET_EXPIRED: (
        "Create a new client secret in Entra, set LEADMAIL_MICROSOFT_APP_CLIENT_SECRET, and restart the pollers."
    ),
    Code.MAILBOX_NOT_GRANTED: (
        "Check that the mailbox exists and has IMAP, and give the application access to it: in Exchange with Add-MailboxPermission "
        "(docs/oauth.md)."
    ),
}
