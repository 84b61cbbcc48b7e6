"""What the document of the routes depends on."""

from __future__ import annotations

from kas.auth.authenticator import NonceMode
from kas.dataclass import dataclass
from kas.protocol.acp240.request import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """What of the settings a client can tell. ``rewrap_schemes`` are in lower case; ``is_federated`` says whether other
    services are known, ``decides_elsewhere`` whether another program decides.
    """

    kas_id: str
    bases: tuple[str, ...]
    is_local: bool
    limits: Limits
    rewrap_schemes: frozenset[str]
    rewrap_nonces: NonceMode
    opentdf_nonces: NonceMode
    takes_unbound: bool
    is_federated: bool
    decides_elsewhere: bool
