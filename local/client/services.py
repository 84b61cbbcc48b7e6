"""Several KASes behind one: whose key access object it is, and so whose signature its result must bear.

The KAS that is asked passes results of others on as they came (ACP-240 KAS-REQ-083). A client that took any of them from
any of the services would believe one nation's KAS about what is another's; so the address in the key access object, which
the client signed, says who answers. The one that was asked may answer in another's place with an error alone: that it did
not get there, or would not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from local.client.errors import AnswerInvalid
from local.client.rewrap import Json, KasKeys

_PATHS: Final = ("", "/", "/rewrap")


@dataclass(frozen=True, slots=True)
class Kas:
    """A service as a client knows it: the id in its signatures, its public base, and its keys from a source that is
    trusted for them.
    """

    kas_id: str
    base: str
    keys: KasKeys

    def has(self, url: object) -> bool:
        """Whether a key access object with this ``url`` is this one's: the same text, no more."""
        return url in {self.base + path for path in _PATHS}


@dataclass(frozen=True, slots=True)
class Services:
    """All that a client knows; ``asked`` is the one that it sends requests to."""

    asked: Kas
    others: tuple[Kas, ...] = ()

    def signer_of(self, kao: Json, result: Json) -> Kas:
        """Who must have signed the result of this key access object. Raises AnswerInvalid when another says it did."""
        signature = result.get("signature")
        named = signature.get("kas") if isinstance(signature, dict) else None
        holders = [kas for kas in self._all() if kas.has(kao.get("url"))]
        if result.get("status") == "error":
            holders.append(self.asked)
        for kas in holders:
            if kas.kas_id == named:
                return kas
        raise AnswerInvalid("the result is signed by a KAS that does not answer for this key access object")

    def _all(self) -> Iterable[Kas]:
        return (self.asked, *self.others)
