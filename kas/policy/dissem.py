"""The list of recipients of an OpenTDF policy: by which names a caller may stand in it.

Guarantees that a caller has only the names that its token's issuer may give (`security.md` §7 of the specification): a
verified e-mail address of one of the issuer's domains, and its ``sub`` together with the issuer, written
``<issuer>#<sub>``. So no identity provider can mint another's users. Text that is neither names nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

MAX_RECIPIENTS: Final = 1000
_MAX_ADDRESS_CHARS: Final = 254
# RFC 5321 §4.1.2 without quoted names. No "#": what has one is a subject of an issuer, never an address.
_ADDRESS: Final = re.compile(r"([A-Za-z0-9.!$%&'*+/=?^_`{|}~-]{1,64})@([A-Za-z0-9.-]+)")


def caller_names(
    claims: Mapping[str, object], *, issuer: str, subject: str, email_domains: frozenset[str]
) -> frozenset[str]:
    """The names of a caller with verified ``claims``; never raises. ``email_domains``: the issuer's, in lower case."""
    names = set()
    # With a "#" in the issuer, two pairs of issuer and subject could read the same.
    if issuer and subject and "#" not in issuer:
        names.add(f"{issuer}#{subject}")
    address = _address(claims.get("email"))
    if address and claims.get("email_verified") is True and address.rpartition("@")[2] in email_domains:
        names.add(address)
    return frozenset(names)


def is_recipient(dissem: Sequence[str], names: frozenset[str]) -> bool:
    """One of ``names`` is in ``dissem``; nobody is in an empty or an overlong one."""
    if len(dissem) > MAX_RECIPIENTS:
        return False
    return any((_address(entry) or entry) in names for entry in dissem)


def _address(value: object) -> str | None:
    """An e-mail address with its domain in lower case. Before the ``@`` case counts: it is the mail host's to say."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) and len(value) <= _MAX_ADDRESS_CHARS else None
    return f"{match[1]}@{match[2].lower()}" if match else None
