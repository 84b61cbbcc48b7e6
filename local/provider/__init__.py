"""The development identity provider: issues any token that is asked for, and therefore runs on one machine only.

Tokens are what `docs/api.md` wants of an issuer; with ``override`` they are whatever a test wants. It refuses to start
on Cloud Run or on an address that is not loopback, and no deployed KAS has it in its list of issuers.
"""
