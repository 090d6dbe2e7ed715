"""The console in a real browser: Debian's Chromium, driven by Playwright.

- ``site``: the console on a port, and the tabs of its users
- ``pages``: every page of the console, with something on it
- ``hostile``: mail whose HTML tries to run a script or to send a request
"""
