"""The ACP-240 dialect of ``POST /rewrap``, protocol version 1.0 (ACP 240 SUPP-5 §§313–346): `request` and `response`."""
