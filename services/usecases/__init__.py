"""What people do with Leadmail, whether they type a command or use the pages.

- ``servers``     the servers of an address: what was typed, over what is found
- ``connecting``  a login tried, an account saved, a policy held against the company's
- ``looking``     what the operator looks at first; ``pace`` how long backfills will still take, ``stages`` who reads which queue
- ``letters``     dead letters looked into, sent again, given up
- ``html``        the HTML of a mail, made harmless

What is said to people is in ``services.wording``.
"""
