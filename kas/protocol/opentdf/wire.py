"""The dialect as the rewrap uses it: parse, render, and the hash that its RSA clients unwrap with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cryptography.hazmat.primitives import hashes

from kas.crypto.wrapping import OAEP_SHA1
from kas.dataclass import dataclass
from kas.jose import PublicJwk
from kas.keys.registry import Dialect
from kas.protocol.opentdf.request import Limits, parse_request
from kas.protocol.opentdf.response import render
from kas.protocol.values import Answer, AnswerContext, GroupResult, RewrapRequest


@dataclass(frozen=True, slots=True)
class OpenTdfWire:
    """OpenTDF within limits."""

    dialect: ClassVar[Dialect] = "opentdf"
    rsa_hash: ClassVar[hashes.HashAlgorithm] = OAEP_SHA1
    limits: Limits

    def parse(self, body: bytes, *, key: PublicJwk | None, now: float) -> RewrapRequest:
        """Raises a leaf of InvalidRequest."""
        return parse_request(body, self.limits, key=key, now=now)

    def render(self, request: RewrapRequest, groups: Sequence[GroupResult], _context: AnswerContext) -> Answer:
        """The version of the answer is that of the request."""
        return render(groups, is_version_1=request.version == 1)
