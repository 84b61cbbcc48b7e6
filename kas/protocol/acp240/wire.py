"""The dialect as the rewrap uses it: parse, render, and the hash that its RSA clients unwrap with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cryptography.hazmat.primitives import hashes

from kas.crypto.wrapping import OAEP_SHA256
from kas.dataclass import dataclass
from kas.errors import Internal
from kas.jose import PublicJwk
from kas.keys.registry import Dialect
from kas.protocol.acp240.request import RequestParser
from kas.protocol.acp240.response import Signer, render
from kas.protocol.values import Answer, AnswerContext, GroupResult, RewrapRequest


@dataclass(frozen=True, slots=True)
class Acp240Wire:
    """ACP-240 over a parser and the key that signs results."""

    dialect: ClassVar[Dialect] = "acp240"
    rsa_hash: ClassVar[hashes.HashAlgorithm] = OAEP_SHA256
    parser: RequestParser
    signer: Signer

    def parse(self, body: bytes, *, key: PublicJwk | None, now: float) -> RewrapRequest:
        """Raises a leaf of InvalidRequest. The route has a proven key always: without one there is no request."""
        if key is None:
            raise Internal
        return self.parser.parse(body, key=key, now=now)

    def render(self, _request: RewrapRequest, groups: Sequence[GroupResult], context: AnswerContext) -> Answer:
        """Every result signed."""
        return render(groups, self.signer, context)
