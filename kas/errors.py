"""Every answer that is not a success: one tree, whose class attributes are the table of answers.

A class names its stable ``code``; its parent fixes the HTTP ``status`` and the ``error`` class of ACP-240 §4.
The docstring of a leaf is the sentence that the caller reads: it is constant, so no caller's text and no secret
can travel in it. What happened in detail is chained by ``raise … from``; of a 503 the edge logs it. `docs/api.md`
prints this tree and a test holds both together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, final

from kas.dataclass import dataclass


class ConfigError(Exception):
    """The service refuses to start; the text names the setting or file, the place in it and what is wrong."""


class KasError(Exception):
    """Base of all refusals. Only leaves, which have a ``code``, are raised."""

    status: ClassVar[int] = 500
    error: ClassVar[str] = "internal"
    code: ClassVar[str] = ""
    # Seconds after which the same request may succeed; None where nobody can say.
    retry_after: float | None = None

    def __init_subclass__(cls, *, code: str = "", status: int | None = None, error: str = "") -> None:
        cls.code = code
        cls.status = cls.status if status is None else status
        cls.error = error or cls.error

    @classmethod
    def message(cls) -> str:
        """The constant sentence for the caller."""
        return " ".join((cls.__doc__ or "").split())


def leaves(tree: type[KasError] = KasError) -> Iterator[type[KasError]]:
    """Every class below ``tree`` that has a code, in the order of definition."""
    for child in tree.__subclasses__():
        if child.code:
            yield child
        yield from leaves(child)


def error_members(refusal: type[KasError] | KasError, request_id: str, message: str | None = None) -> dict[str, Any]:
    """The one form of errors (ACP-240 §2); ``message`` where a dialect's clients look for another sentence."""
    return {
        "error": refusal.error,
        "code": refusal.code,
        "message": refusal.message() if message is None else message,
        "requestId": request_id,
    }


class Internal(KasError, code="internal"):
    """Something unexpected happened; nothing was released. Quote the request id when you report it."""


class InvalidRequest(KasError, status=400, error="invalid_request"):
    """The request is not one that this route can read."""


class InvalidJson(InvalidRequest, code="invalid_json"):
    """The body is not JSON in UTF-8 without a byte-order mark."""


class NotCanonical(InvalidRequest, code="not_canonical"):
    """The body is not I-JSON: duplicate member, lone surrogate, or a number outside the exact range."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One structural fault: ``field`` as in ``requests[0].keyAccessObjects[1].kid``; empty for the whole body."""

    code: str
    field: str
    message: str


@final
class InvalidStructure(InvalidRequest, code="invalid_structure"):
    """The request does not have the structure of this route's requests; the answer names what is wrong."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(", ".join(f"{fault.field}: {fault.code}" for fault in faults[:5]))
        self.faults = faults


class SignedRequestTokenInvalid(InvalidRequest, code="signed_request_token_invalid"):
    """The signedRequestToken is malformed, out of its time, or not signed by the proof-of-possession key."""


class MessageInvalid(InvalidRequest, code="message_invalid"):
    """The message does not parse."""


class Unauthenticated(KasError, status=401, error="unauthorized"):
    """The caller is not authenticated."""


class CredentialsMissing(Unauthenticated, code="credentials_missing"):
    """An access token is required in the Authorization header, scheme DPoP or Bearer."""


class InvalidToken(Unauthenticated, error="invalid_token"):
    """The access token is refused (RFC 6750 §3.1)."""


class AuthorizationMalformed(InvalidToken, code="authorization_malformed"):
    """There must be exactly one Authorization header with one scheme and one token."""


class TokenTooLong(InvalidToken, code="token_too_long"):
    """The access token is too long."""


class TokenMalformed(InvalidToken, code="token_malformed"):
    """The access token is not a strict compact JWS with JSON objects as header and claims."""


class TokenHeaderUnsupported(InvalidToken, code="token_header_unsupported"):
    """The access token's header has crit, b64 or zip."""


class TokenAlgorithmRefused(InvalidToken, code="token_alg_not_allowed"):
    """The access token's algorithm is not on the allow-list."""


class IssuerUnknown(InvalidToken, code="issuer_unknown"):
    """The access token's issuer is not one that this service trusts."""


class TokenKeyUnknown(InvalidToken, code="token_key_unknown"):
    """The access token's kid names no usable key of its issuer."""


class TokenKeyUnfit(InvalidToken, code="token_key_unfit"):
    """The issuer's key of that kid does not fit the access token's algorithm."""


class TokenSignatureInvalid(InvalidToken, code="token_signature_invalid"):
    """The access token's signature is not valid."""


class TokenClaimsMalformed(InvalidToken, code="token_claims_malformed"):
    """The access token has no exp, or its exp, nbf or iat is not a plausible time."""


class TokenExpired(InvalidToken, code="token_expired"):
    """The access token has expired."""


class TokenNotYetValid(InvalidToken, code="token_not_yet_valid"):
    """The access token is not valid yet."""


class AudienceMismatch(InvalidToken, code="token_audience_mismatch"):
    """The access token is not meant for this service."""


class TokenTypeRefused(InvalidToken, code="token_type_not_accepted"):
    """This is not an access token of a type that this service accepts from the issuer."""


class TokenSubjectMissing(InvalidToken, code="token_subject_missing"):
    """The access token has no usable subject."""


class TokenUnbound(InvalidToken, code="token_unbound"):
    """The access token is not bound to a proof-of-possession key (cnf.jkt)."""


class SchemeRefused(InvalidToken, code="token_scheme_not_accepted"):
    """This route takes a bound access token under the scheme DPoP only."""


class InvalidProof(Unauthenticated, error="invalid_dpop_proof"):
    """The DPoP proof is refused (RFC 9449 §7.1)."""


class ProofMissing(InvalidProof, code="proof_missing"):
    """A DPoP proof is required in the DPoP header."""


class ProofMultiple(InvalidProof, code="proof_multiple"):
    """There must be exactly one DPoP header."""


class ProofTooLong(InvalidProof, code="proof_too_long"):
    """The DPoP proof is too long."""


class ProofMalformed(InvalidProof, code="proof_malformed"):
    """The DPoP proof is not a strict compact JWS with JSON objects as header and claims, without crit, b64 or zip."""


class ProofTypeInvalid(InvalidProof, code="proof_type_invalid"):
    """The DPoP proof's typ is not dpop+jwt."""


class ProofAlgorithmRefused(InvalidProof, code="proof_alg_not_allowed"):
    """The DPoP proof's algorithm is not on the allow-list."""


class ProofKeyInvalid(InvalidProof, code="proof_key_invalid"):
    """The DPoP proof's jwk is not a public key that fits its algorithm."""


class ProofKeyMismatch(InvalidProof, code="proof_key_mismatch"):
    """The DPoP proof was made with another key than the access token is bound to."""


class ProofSignatureInvalid(InvalidProof, code="proof_signature_invalid"):
    """The DPoP proof's signature is not valid."""


class ProofMethodMismatch(InvalidProof, code="proof_method_mismatch"):
    """The DPoP proof's htm is not the method of this request."""


class ProofUriMismatch(InvalidProof, code="proof_uri_mismatch"):
    """The DPoP proof's htu is not a public address of this route."""


class ProofTimeInvalid(InvalidProof, code="proof_time_invalid"):
    """The DPoP proof's iat is missing or outside the accepted window."""


class ProofTokenMismatch(InvalidProof, code="proof_token_mismatch"):
    """The DPoP proof's ath is not the hash of this access token."""


class ProofIdInvalid(InvalidProof, code="proof_id_invalid"):
    """The DPoP proof's jti is missing, empty or too long."""


class ProofReplayed(InvalidProof, code="proof_replayed"):
    """This DPoP proof has been used before."""


class UseDpopNonce(Unauthenticated, error="use_dpop_nonce"):
    """The DPoP proof needs a nonce of this server (RFC 9449 §9)."""


class NonceRequired(UseDpopNonce, code="nonce_required"):
    """Repeat the request with a new DPoP proof that carries the nonce of the DPoP-Nonce header."""


class NonceInvalid(UseDpopNonce, code="nonce_invalid"):
    """The nonce is expired or not of this server: use the one of the DPoP-Nonce header in a new proof."""


class InvalidForwarding(Unauthenticated, error="invalid_forwarding"):
    """The Forwarded-KAS assertion of another Key Access Service is refused."""


class ForwardingMalformed(InvalidForwarding, code="forwarding_malformed"):
    """There must be exactly one Forwarded-KAS header with a strict compact JWS of type kas-forward+jwt under ES256."""


class ForwarderUnknown(InvalidForwarding, code="forwarder_unknown"):
    """The assertion names no service, key or first service that this one has an agreement with."""


class ForwardingSignatureInvalid(InvalidForwarding, code="forwarding_signature_invalid"):
    """The assertion's signature is not one of the forwarding service's registered keys."""


class ForwardingTimeInvalid(InvalidForwarding, code="forwarding_time_invalid"):
    """The assertion is outside its time, or lives longer than assertions may."""


class ForwardingAudienceMismatch(InvalidForwarding, code="forwarding_audience_mismatch"):
    """The assertion is meant for another service."""


class ForwardingLoop(InvalidForwarding, code="forwarding_loop"):
    """The request has passed this service, or another one twice, before."""


class ForwardingTooDeep(InvalidForwarding, code="forwarding_too_deep"):
    """The request has passed more services than the agreement allows."""


class ForwardingTokenMismatch(InvalidForwarding, code="forwarding_token_mismatch"):
    """The assertion was made for another access token or another proof-of-possession key."""


class ForwardingReplayed(InvalidForwarding, code="forwarding_replayed"):
    """This assertion has been used before."""


class ForwardingBodyMismatch(InvalidForwarding, code="forwarding_body_mismatch"):
    """The assertion was made for another body."""


class Forbidden(KasError, status=403, error="forbidden"):
    """The caller may not have this."""


class LoopbackOnly(Forbidden, code="loopback_only"):
    """This service runs in local mode and answers this machine only."""


class HttpsRequired(Forbidden, code="https_required"):
    """This service answers over HTTPS only."""


class AttributeValueUnknown(KasError, status=404, error="not_found", code="attribute_value_unknown"):
    """This service has no definition of one of the attribute values."""


class PublicKeyUnknown(KasError, status=404, error="not_found", code="public_key_unknown"):
    """This service publishes no key of that algorithm and format."""


class NotFound(KasError, status=404, error="not_found", code="not_found"):
    """There is nothing at this path."""


@final
class MethodNotAllowed(KasError, status=405, error="method_not_allowed", code="method_not_allowed"):
    """This path does not take this method; the Allow header lists those it takes."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(", ".join(allowed))
        self.allowed = allowed


class NotAcceptable(KasError, status=406, error="not_acceptable", code="not_acceptable"):
    """This route answers in application/json only."""


class RequestTimeout(KasError, status=408, error="request_timeout", code="request_timeout"):
    """The body did not arrive in time."""


class ContentTooLarge(KasError, status=413, error="content_too_large", code="content_too_large"):
    """The body is larger than this service takes."""


class UnsupportedMediaType(KasError, status=415, error="unsupported_media_type", code="unsupported_media_type"):
    """This route takes application/json without content encoding only."""


class CodecUnsupported(KasError, status=415, error="unsupported_media_type", code="codec_unsupported"):
    """This procedure takes application/json and application/proto."""


class CompressionUnsupported(KasError, status=501, error="unimplemented", code="compression_unsupported"):
    """A message may be compressed with gzip or not at all."""


class ProcedureUnknown(KasError, status=501, error="unimplemented", code="procedure_unknown"):
    """This service does not have this procedure."""


class TooManyRequests(KasError, status=429, error="too_many_requests"):
    """A limit is reached."""


class RateLimited(TooManyRequests):
    """A rate limit is reached."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"again in {retry_after:.3f} s")
        self.retry_after = retry_after


class NetworkLimit(RateLimited, code="network_limit"):
    """Too many requests from this network; the Retry-After header says when to go on."""


class GlobalLimit(RateLimited, code="global_limit"):
    """Too many requests to this service; the Retry-After header says when to go on."""


class HealthLimit(RateLimited, code="health_limit"):
    """Too many health requests from this network or by this caller; the Retry-After header says when to go on."""


class RewrapLimit(RateLimited, code="rewrap_limit"):
    """Too many rewraps and explanations by this caller; the Retry-After header says when to go on."""


class ReplayShareExhausted(TooManyRequests, code="replay_share_exhausted"):
    """This caller or key has used as many DPoP proofs as one may within the proof window."""


class Unavailable(KasError, status=503, error="unavailable"):
    """The service cannot answer now and releases nothing."""


class TooManyBodies(Unavailable, code="too_many_bodies"):
    """Too many bodies are waited for already; the Retry-After header says when to send this one again, whole."""


class ReplayStoreFull(Unavailable, code="replay_store_full"):
    """The memory of used DPoP proofs is full; try again in a minute."""


class ReplayStoreUnavailable(Unavailable, code="replay_store_unavailable"):
    """The memory of used DPoP proofs does not answer, so nothing is released; try again in a moment."""


class AuditUnavailable(Unavailable, code="audit_unavailable"):
    """The audit record cannot be written, so nothing is released."""


class NotReady(Unavailable, code="not_ready"):
    """Something that this service cannot do without is missing."""


class IssuerKeysUnavailable(Unavailable, code="issuer_keys_unavailable"):
    """The keys of the access token's issuer cannot be fetched now."""


class ForwarderKeysUnavailable(Unavailable, code="forwarder_keys_unavailable"):
    """The keys of the service that forwards cannot be fetched now."""


class KaoRefusal(KasError):
    """Why one key access object is not rewrapped. ``status`` is what the refusal stands for, 0 for none."""


class KaoInvalid(KaoRefusal, status=400, error="invalid_request"):
    """The key access object cannot be processed."""


class KeyMaterialRejected(KaoInvalid, code="key_material_rejected"):
    """The wrapped key does not open, or does not belong to this policy: possible policy tampering."""


class KaoSignatureInvalid(KaoInvalid, code="kao_signature_invalid"):
    """The signature of the key access object is not one of the proof-of-possession key over it."""


class ClientKeyUnbound(KaoInvalid, code="client_key_unbound"):
    """The clientKeyHash does not match clientPublicKey, or is missing where it is required."""


class UnknownKey(KaoInvalid, code="unknown_key"):
    """The kid names no key that this service unwraps with on this route."""


class UnknownKas(KaoInvalid, code="unknown_kas"):
    """The url names neither this service nor one that it knows."""


class NotSupported(KaoInvalid, code="not_supported"):
    """The key access object asks for something that this service does not do."""


class Denial(KaoRefusal, status=403, error="forbidden"):
    """The policy denies."""


class SubjectIncomplete(Denial, code="subject_incomplete"):
    """The access token lacks a unique id, a clearance or a valid country."""


class LabelInvalid(Denial, code="label_invalid"):
    """The policy's label is incomplete or malformed."""


class ClearanceUnknown(Denial, code="clearance_unknown"):
    """The clearance is not a term that is known for the caller's country."""


class ClearanceInsufficient(Denial, code="clearance_insufficient"):
    """The clearance is below the classification."""


class CountryNotReleasable(Denial, code="country_not_releasable"):
    """The policy does not release to the caller's country."""


class CoiNotSatisfied(Denial, code="coi_not_satisfied"):
    """The caller is not in the communities of interest that the policy demands."""


class Embargoed(Denial, code="embargoed"):
    """The policy does not release before its creation date."""


class AuthenticationTooWeak(Denial, code="authentication_too_weak"):
    """The caller's authentication is not strong enough for the classification."""


class IndustryNotReleasable(Denial, code="industry_not_releasable"):
    """The policy does not release to industry at this classification."""


class LabelIncoherent(Denial, code="label_incoherent"):
    """The policy's label contradicts itself."""


class IssuerNotForCountry(Denial, code="issuer_not_for_country"):
    """The access token's issuer may not speak for the caller's country."""


class PolicyEmpty(Denial, code="policy_empty"):
    """The policy demands nothing, and this service releases no key for such a policy."""


class AttributeUnknown(Denial, code="attribute_unknown"):
    """The policy names an attribute that this service does not know."""


class AttributeNotEntitled(Denial, code="attribute_not_entitled"):
    """The caller is not entitled to an attribute of the policy."""


class NotInDissem(Denial, code="not_in_dissem"):
    """The policy's list of recipients does not name the caller."""


class PolicyDenied(Denial, code="policy_denied"):
    """The policy decision point denies for a reason of its own."""


class AgreementExceeded(Denial, code="agreement_exceeded"):
    """The agreement between the two Key Access Services does not cover this policy or this caller."""


class PeerRefused(KaoRefusal, status=403, error="forbidden", code="peer_refused"):
    """The Key Access Service that holds this key refused the request as a whole."""


class NotAttempted(KaoRefusal, status=0, code="not_attempted"):
    """Nothing was tried: another key access object of the group has settled it."""


class KaoLimited(KaoRefusal, status=429, error="too_many_requests"):
    """A limit for key access objects is reached."""


class BudgetExhausted(KaoLimited, code="budget_exhausted"):
    """The budget of key operations is used up; nothing was unwrapped."""


class KaoUnavailable(KaoRefusal, status=503, error="unavailable"):
    """The key access object cannot be processed now."""


class KeyUnavailable(KaoUnavailable, code="key_unavailable"):
    """The key service cannot unwrap now."""


class PeerUnavailable(KaoUnavailable, code="peer_unavailable"):
    """The Key Access Service that holds this key does not answer now, or not as agreed."""


class PolicyUnavailable(KaoUnavailable, code="policy_unavailable"):
    """The policy decision cannot be had now, so nothing is released."""
