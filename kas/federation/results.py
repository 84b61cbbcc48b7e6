"""What another service answered: each of its results is verified before it is passed on (ACP-240 KAS-REQ-082, 083).

Guarantees that a result that comes out answers what was asked, once, and was signed by that service, now, for this
client's proof. It is the client who opens it: what is wrapped in it cannot be seen here, and need not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from kas.cases import Case
from kas.dataclass import dataclass
from kas.encoding import b64_decode, canonical_json
from kas.errors import InvalidRequest, KaoRefusal, PeerRefused, leaves
from kas.jose import PublicJwk, is_valid_signature
from kas.protocol.acp240.forward import AnsweredGroup
from kas.protocol.values import PassedOn

ALGORITHM: Final = "ES256"
MAX_CLOCK_DIFFERENCE_SECONDS: Final = 60

FindKey = Callable[[str], PublicJwk | None]


@dataclass(frozen=True, slots=True)
class Question:
    """What ``cases`` were asked of the service ``kas_id``, whose keys ``find_key`` finds by their kid, for the client's
    proof that hashes to ``proof_hash``; ``clock`` gives seconds since 1970.
    """

    kas_id: str
    cases: Sequence[Case]
    proof_hash: str | None
    find_key: FindKey
    clock: Callable[[], float]


def verified_results(question: Question, answered: Sequence[AnsweredGroup]) -> tuple[Mapping[str, PassedOn], bool]:
    """The sound results by ``keyAccessObjectId``, and whether there was nothing else: not one that is unsound, twice
    there, or of something else.
    """
    now = question.clock()
    cases = {case.kao.id: case for case in question.cases}
    listed = [(policy_id, result) for policy_id, results in answered for result in results]
    counts = Counter(result["keyAccessObjectId"] for _, result in listed)
    sound = {}
    for policy_id, result in listed:
        kao_id = result["keyAccessObjectId"]
        case = cases.get(kao_id)
        if case is None or counts[kao_id] > 1 or policy_id != case.group.policy_id:
            continue
        if _is_sound(result, case, question, now):
            sound[kao_id] = PassedOn(result, _refusal(result))
    return sound, len(sound) == len(cases) == len(listed)


def _is_sound(result: Mapping[str, Any], case: Case, question: Question, now: float) -> bool:
    """1. It is a success with a key, or an error with a code, and has the ``sid`` that was asked with.
    2. The service signed it, with a key of its own, for this policy and this proof.
    3. The signature was made now.
    4. It covers every member as received.
    """
    # 1.
    if not _has_outcome(result) or ("sid" in result, result.get("sid")) != (case.kao.sid is not None, case.kao.sid):
        return False
    # 2.
    signature = result.get("signature")
    if not isinstance(signature, dict):
        return False
    said = [signature.get(name) for name in ("alg", "kas", "policyId", "proof")]
    if said != [ALGORITHM, question.kas_id, case.group.policy_id, question.proof_hash]:
        return False
    # 3.
    iat = signature.get("iat")
    if not isinstance(iat, int) or abs(now - iat) > MAX_CLOCK_DIFFERENCE_SECONDS:
        return False
    # 4.
    return _is_signed(result, signature, question.find_key)


def _has_outcome(result: Mapping[str, Any]) -> bool:
    status = result.get("status")
    needed = {"success": "kasWrappedKey", "error": "code"}.get(status) if isinstance(status, str) else None
    return needed is not None and isinstance(result.get(needed), str)


def _is_signed(result: Mapping[str, Any], signature: Mapping[str, Any], find_key: FindKey) -> bool:
    kid, sig = signature.get("kid"), signature.get("sig")
    key = find_key(kid) if isinstance(kid, str) else None
    if key is None or not isinstance(sig, str):
        return False
    unsigned = {**result, "signature": {name: value for name, value in signature.items() if name != "sig"}}
    try:
        return is_valid_signature(ALGORITHM, key, canonical_json(unsigned), b64_decode(sig))
    except (ValueError, InvalidRequest):  # no base64; or deeper than can be written
        return False


def _refusal(result: Mapping[str, Any]) -> type[KaoRefusal] | None:
    """What a signed error stands for here; a code that we do not have is a refusal all the same, and so is that nothing
    was tried: it was asked for, and the modes are ours.
    """
    return None if result["status"] == "success" else _by_code().get(result["code"], PeerRefused)


@cache
def _by_code() -> Mapping[str, type[KaoRefusal]]:
    return {leaf.code: leaf for leaf in leaves(KaoRefusal) if issubclass(leaf, KaoRefusal) and leaf.status}
