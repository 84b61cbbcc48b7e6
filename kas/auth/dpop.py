"""DPoP proofs (RFC 9449 §4.3): a header becomes a `VerifiedProof` or a refusal.

`verify_possession` checks the proof itself, `verify_proof` its tie to an access token as well. Neither checks the
nonce nor whether the proof was used before: those need memory and come after, in `kas.auth.authenticator`.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from kas.auth.times import LEEWAY_SECONDS, PROOF_WINDOW_SECONDS, parse_time
from kas.dataclass import dataclass
from kas.encoding import canonical_json, parse_json, sha256_b64url
from kas.errors import (
    InvalidRequest,
    ProofAlgorithmRefused,
    ProofIdInvalid,
    ProofKeyInvalid,
    ProofKeyMismatch,
    ProofMalformed,
    ProofMethodMismatch,
    ProofMissing,
    ProofMultiple,
    ProofSignatureInvalid,
    ProofTimeInvalid,
    ProofTokenMismatch,
    ProofTooLong,
    ProofTypeInvalid,
    ProofUriMismatch,
)
from kas.jose import (
    ALGORITHMS,
    CompactJws,
    PublicJwk,
    is_for_signatures,
    is_valid_signature,
    parse_compact_jws,
    parse_public_jwk,
)
from kas.uri import normalise_uri

MAX_PROOF_CHARS: Final = 8000
MAX_JTI_CHARS: Final = 256
MAX_JWK_BYTES: Final = 2048  # RSA-4096 needs 720
KNOWN_KEYS: Final = 64  # 0.2 MB


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """A genuine, current proof. ``key`` is the proof-of-possession key, ``jti`` identifies the proof, ``hash`` is
    base64url(SHA-256(the proof as sent)); ``unverified_nonce`` is whatever the proof has there.
    """

    key: PublicJwk
    jti: str
    hash: str
    unverified_nonce: object

    @property
    def jkt(self) -> str:
        return self.key.thumbprint


def verify_proof(
    unverified_proof: str | None, *, jkt: str, token_hash: str, method: str, uris: Collection[str], now: float
) -> VerifiedProof:
    """Verifies a proof for the holder of a token that is bound to ``jkt`` and hashes to ``token_hash``.

    1. Possession, as `verify_possession`, of the key that the token is bound to.
    2. ``ath`` is the hash of this token, so that a proof serves one token.
    """
    proof, claims = _prove_possession(unverified_proof, required_jkt=jkt, method=method, uris=uris, now=now)
    ath = claims.get("ath")
    if not isinstance(ath, str) or not hmac.compare_digest(ath.encode(), token_hash.encode()):
        raise ProofTokenMismatch
    return proof


def verify_possession(
    unverified_proof: str | None, *, required_jkt: str | None, method: str, uris: Collection[str], now: float
) -> VerifiedProof:
    """Verifies a proof that no token goes with, as a token endpoint does; ``uris`` are normalised.

    1. Exactly one header, bounded, strict compact JWS without extensions.
    2. ``typ`` is ``dpop+jwt``, the algorithm is on the allow-list, ``jwk`` is a public key that fits it.
    3. Its thumbprint is ``required_jkt`` (None: any): before any arithmetic with a stranger's key.
    4. The signature.
    5. ``htm``, ``htu``, ``iat``, and a ``jti`` that can be remembered.

    Raises an InvalidProof leaf for each.
    """
    return _prove_possession(unverified_proof, required_jkt=required_jkt, method=method, uris=uris, now=now)[0]


def _prove_possession(
    unverified_proof: str | None, *, required_jkt: str | None, method: str, uris: Collection[str], now: float
) -> tuple[VerifiedProof, Any]:
    # 1.
    if not unverified_proof:
        raise ProofMissing
    jws = _parse(unverified_proof)
    # 2.
    if jws.unverified_header.get("typ") != "dpop+jwt":
        raise ProofTypeInvalid
    algorithm = jws.unverified_header.get("alg")
    if algorithm not in ALGORITHMS:
        raise ProofAlgorithmRefused
    key = _embedded_key(jws, algorithm)
    # 3.
    if required_jkt is not None and not hmac.compare_digest(key.thumbprint.encode(), required_jkt.encode()):
        raise ProofKeyMismatch
    # 4.
    if not is_valid_signature(str(algorithm), key, jws.signing_input, jws.signature):
        raise ProofSignatureInvalid
    # 5.
    claims = jws.unverified_claims
    if claims.get("htm") != method:
        raise ProofMethodMismatch
    if normalise_uri(claims.get("htu")) not in uris:
        raise ProofUriMismatch
    _check_time(claims.get("iat"), now)
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARS:
        raise ProofIdInvalid
    return VerifiedProof(key, jti, sha256_b64url(unverified_proof.encode("ascii")), claims.get("nonce")), claims


def _parse(unverified_proof: str) -> CompactJws:
    # The host joins repeated headers with a comma, which no JWS contains.
    if "," in unverified_proof:
        raise ProofMultiple
    if len(unverified_proof) > MAX_PROOF_CHARS:
        raise ProofTooLong
    try:
        jws = parse_compact_jws(unverified_proof)
    except ValueError as error:
        raise ProofMalformed from error
    if jws.has_extensions:
        raise ProofMalformed
    return jws


def _embedded_key(jws: CompactJws, algorithm: object) -> PublicJwk:
    jwk: Any = jws.unverified_header.get("jwk")
    try:
        text = canonical_json(jwk)
        if len(text) > MAX_JWK_BYTES:
            raise ProofKeyInvalid
        key = _parse_key(text.decode())
    except (ValueError, InvalidRequest) as error:  # a member that nobody reads may be nested too deeply to measure
        raise ProofKeyInvalid from error
    if not key.fits(algorithm) or not is_for_signatures(jwk, algorithm):
        raise ProofKeyInvalid
    return key


@lru_cache(KNOWN_KEYS)
def _parse_key(jwk: str) -> PublicJwk:
    """The key of a JWK in canonical form: a client shows the same one with each proof. What is no key is not kept.

    As text: the bytes of `canonical_json` would be kept with the 4 KB in which they were written.
    """
    return parse_public_jwk(parse_json(jwk.encode()))


def _check_time(iat: object, now: float) -> None:
    try:
        age = now - parse_time(iat)
    except ValueError as error:
        raise ProofTimeInvalid from error
    if not -LEEWAY_SECONDS <= age <= PROOF_WINDOW_SECONDS:
        raise ProofTimeInvalid
