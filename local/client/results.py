"""What a client must check before it believes an answer (ACP-240 §2, result signature).

Every result, success or error, is signed by the KAS over all of its members. The signature names the policy, the
time and the proof that asked, so an answer to another question, or of yesterday, does not pass as this one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from jwt import PyJWTError
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from local.client.encoding import canonical, from_b64, sha256_b64url
from local.client.errors import AnswerInvalid, RewrapRefused
from local.client.keys import ReceivingKey, arithmetic
from local.client.rewrap import Json
from local.client.services import Services

# A key access object and its result to the keys, by ``kid``, one of which must have signed it.
FindSigning = Callable[[Json, Json], Mapping[str, Json]]

MAX_CLOCK_DIFFERENCE_SECONDS: Final = 60
_RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVE_OF_ALGORITHM: Final = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def verify_answer(members: Json, request: Json, proof: str, signing: Mapping[str, Json], now: float) -> dict[str, Json]:
    """The verified results by ``keyAccessObjectId``: one for each key access object of ``request``, none other.

    Raises AnswerInvalid unless there is one response per group, and the results are in the order asked, each with the
    ``sid`` it was asked with and a valid signature by a key of ``signing``.
    """
    return _verify(members, request, proof, lambda _kao, _result: signing, now)


def verify_answer_of_several(
    members: Json, request: Json, proof: str, services: Services, now: float
) -> dict[str, Json]:
    """`verify_answer`, where key access objects are of several KASes: each result is signed by the KAS whose it is, or,
    if it is an error, by the one that was asked.
    """

    def signing(kao: Json, result: Json) -> Mapping[str, Json]:
        return services.signer_of(kao, result).keys.signing

    return _verify(members, request, proof, signing, now)


def _verify(members: Json, request: Json, proof: str, signing: FindSigning, now: float) -> dict[str, Json]:
    groups, responses = request["requests"], members.get("responses")
    if not isinstance(responses, list) or len(responses) != len(groups):
        raise AnswerInvalid("not one response for each policy")
    verified: dict[str, Json] = {}
    for group, response in zip(groups, responses, strict=True):
        policy_id = policy_id_of(group["policy"])
        kaos, results = group["keyAccessObjects"], _results(response, policy_id)
        if [_identity(kao) for kao in kaos] != [_identity(result) for result in results]:
            raise AnswerInvalid("not one result for each key access object")
        for kao, result in zip(kaos, results, strict=True):
            verify_result(result, policy_id, proof, signing(kao, result), now)
            verified[result["keyAccessObjectId"]] = result
    return verified


def policy_id_of(policy: Json) -> str:
    """The policy's own id, or the one that is derived where it has none."""
    own = policy.get("policyId")
    return own if isinstance(own, str) else sha256_b64url(canonical(policy))


def _results(response: object, policy_id: str) -> list[Json]:
    results = response.get("results") if isinstance(response, dict) and response.get("policyId") == policy_id else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise AnswerInvalid("the response is not one for this policy")
    return results


def _identity(kao_or_result: Json) -> tuple[Any, bool, Any]:
    return kao_or_result.get("keyAccessObjectId"), "sid" in kao_or_result, kao_or_result.get("sid")


def verify_result(result: Json, policy_id: str, proof: str, signing: Mapping[str, Json], now: float) -> None:
    """Verifies one result on its own. Raises AnswerInvalid.

    1. It carries a signature by a key that the KAS publishes for signing, under an algorithm of that key.
    2. The signature is for this policy and answers this proof.
    3. It was made now.
    4. It covers every member as received.
    """
    signature = result.get("signature")
    if not isinstance(signature, dict) or not isinstance(signature.get("kas"), str):
        raise AnswerInvalid("the result is not signed")
    alg, jwk = signature.get("alg"), signing.get(str(signature.get("kid")))
    if not isinstance(alg, str) or jwk is None or not _fits(alg, jwk):
        raise AnswerInvalid("the result is signed by an unknown key")
    expected_proof = sha256_b64url(proof.encode("ascii"))
    if signature.get("policyId") != policy_id or signature.get("proof") != expected_proof:
        raise AnswerInvalid("the result answers another question")
    iat = signature.get("iat")
    if not isinstance(iat, int) or abs(now - iat) > MAX_CLOCK_DIFFERENCE_SECONDS:
        raise AnswerInvalid("the result is of another time")
    unsigned = {**result, "signature": {name: value for name, value in signature.items() if name != "sig"}}
    if not _is_signed(unsigned, alg, jwk, signature.get("sig")):
        raise AnswerInvalid("the result's signature is not valid")


def _fits(alg: str, jwk: Json) -> bool:
    if jwk.get("use") != "sig" or jwk.get("alg", alg) != alg:
        return False
    if alg in _RSA_ALGORITHMS:
        return jwk.get("kty") == "RSA"
    return alg in _CURVE_OF_ALGORITHM and (jwk.get("kty"), jwk.get("crv")) == ("EC", _CURVE_OF_ALGORITHM[alg])


def _is_signed(unsigned: Json, alg: str, jwk: Json, sig: object) -> bool:
    try:
        key = RSAAlgorithm.from_jwk(jwk) if alg in _RSA_ALGORITHMS else ECAlgorithm.from_jwk(jwk)
        return arithmetic(alg).verify(canonical(unsigned), key, from_b64(sig))
    except (PyJWTError, ValueError, TypeError):
        return False


def open_result(result: Json, receiving: ReceivingKey, status: int = 200) -> bytes:
    """The data key of a verified result.

    Raises RewrapRefused with the KAS's reason when it is a refusal, AnswerInvalid when it is not for ``receiving``.
    """
    if result.get("status") != "success":
        raise RewrapRefused(status, str(result.get("code")), str(result.get("error")))
    try:
        wrapped = from_b64(result.get("kasWrappedKey"))
    except ValueError as error:
        raise AnswerInvalid("the wrapped key is not base64") from error
    return receiving.open(result.get("wrapAlg"), wrapped, result.get("ephemeralPublicKey"))


def open_any(results: Iterable[Json], receiving: ReceivingKey, status: int = 200) -> bytes:
    """The data key of verified results for alternatives: of the one that was released.

    Raises RewrapRefused with the reason of the first when none was.
    """
    tried = list(results)
    released = [result for result in tried if result.get("status") == "success"]
    return open_result((released or tried)[0], receiving, status)
