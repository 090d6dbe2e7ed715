"""SCIM 2.0 (RFC 7643, RFC 7644): the company's identity provider adds, changes and removes users and groups.

- ``server``: routes, authentication, limits, errors as responses
- ``protocol``: errors, bodies, paging and the choice of attributes
- ``paths``, ``filters``: what PATCH operations and filters name
- ``users``, ``groups``: the two kinds of resources
- ``discovery``: what this server supports
"""
