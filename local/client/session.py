"""One caller at one KAS: keeps the token, the proof key and the nonce, and does each exchange in full.

Token and proof go to the KAS that the session was made for, whatever address a container names: a container is
a stranger's file. A session belongs to one thread; `Http` may be shared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

from local.client.container import decrypt, read_container, seal
from local.client.errors import RewrapRefused
from local.client.explain import Explanation, Policy, build_questions, read_explanations
from local.client.http import Answer, Http
from local.client.keys import ProofKey, ReceivingKey, new_proof_key, new_receiving_key
from local.client.proofs import AccessToken, Credentials, fetch_token, make_proof
from local.client.results import open_any, open_result, verify_answer, verify_answer_of_several
from local.client.rewrap import Json, KasKeys, Mode, build_request, fetch_kas_keys, post_rewrap
from local.client.services import Services

_RENEW_BEFORE_SECONDS: Final = 30


class Session:
    """``base`` is the KAS's public base, without trailing slash; ``clock`` gives seconds since 1970.

    With ``services``, of which this KAS is the one asked, key access objects may be of any of them.
    """

    def __init__(
        self,
        http: Http,
        base: str,
        credentials: Credentials,
        clock: Callable[[], float],
        *,
        key: ProofKey | None = None,
        receiving_kind: str = "P-256",
        services: Services | None = None,
    ) -> None:
        self._http = http
        self._base = base
        self._credentials = credentials
        self._clock = clock
        self._receiving_kind = receiving_kind
        self._services = services
        self._token: AccessToken | None = None
        self._keys: KasKeys | None = None
        self._nonce: str | None = None
        self.key = key or new_proof_key()

    @property
    def url(self) -> str:
        """The rewrap route, as it stands in key access objects."""
        return f"{self._base}/rewrap"

    def kas_keys(self) -> KasKeys:
        """What the KAS publishes, fetched once."""
        self._keys = self._keys or fetch_kas_keys(self._http, self._base)
        return self._keys

    def token(self) -> str:
        """An access token that lives for another half minute at least."""
        now = self._clock()
        if self._token is None or self._token.expires_at < now + _RENEW_BEFORE_SECONDS:
            self._token = fetch_token(self._http, self._credentials, self.key, now)
        return self._token.text

    def encrypt(self, data: bytes, policy: Json) -> bytes:
        """A container that the KAS opens for those whom ``policy`` admits."""
        return seal(data, policy, self.kas_keys(), self.url)

    def open(self, container: bytes) -> bytes:
        """The file in ``container``. Raises RewrapRefused, AnswerInvalid or ContainerInvalid."""
        unopened = read_container(container)
        receiving = new_receiving_key(self._receiving_kind)
        (data_key,) = self.rewrap([(unopened.policy, [unopened.key_access])], receiving)
        return decrypt(unopened, data_key)

    def rewrap(self, groups: Sequence[tuple[Json, Sequence[Json]]], receiving: ReceivingKey) -> list[bytes]:
        """The data keys of all key access objects in order. Raises RewrapRefused for the first one refused."""
        results, status = self.results(groups, receiving)
        return [open_result(result, receiving, status) for result in results.values()]

    def rewrap_any(self, policy: Json, alternatives: Sequence[Json], receiving: ReceivingKey) -> bytes:
        """The data key of the first of them that is released. Raises RewrapRefused when none is, for the first."""
        results, status = self.results([(policy, alternatives)], receiving, "anyOf")
        return open_any(results.values(), receiving, status)

    def results(
        self, groups: Sequence[tuple[Json, Sequence[Json]]], receiving: ReceivingKey, mode: Mode | None = None
    ) -> tuple[dict[str, Json], int]:
        """The verified results by ``keyAccessObjectId``, and the status of the whole. Raises RewrapRefused, AnswerInvalid."""
        request = build_request(receiving.jwk, groups, self.key, mode)
        answer, proof = self.post(json.dumps(request).encode())
        members, now = answer.json(), self._clock()
        if "responses" not in members:
            raise RewrapRefused(answer.status, str(members.get("code")), str(members.get("message")))
        if self._services is None:
            return verify_answer(members, request, proof, self.kas_keys().signing, now), answer.status
        return verify_answer_of_several(members, request, proof, self._services, now), answer.status

    def explain(self, *policies: Policy) -> list[Explanation]:
        """What the KAS would decide about each of them for this caller, and why. Raises RewrapRefused, AnswerInvalid."""
        answer, _ = self.post(build_questions(policies), "/explain")
        members = answer.json()
        if answer.status != HTTPStatus.OK:
            raise RewrapRefused(answer.status, str(members.get("code")), str(members.get("message")))
        return read_explanations(members, policies)

    def get(self, path: str) -> Json:
        """What the KAS answers at another of its paths, to this caller. Raises RewrapRefused."""
        url, token = self._base + path, self.token()
        proof = make_proof(self.key, "GET", url, self._clock(), token=token)
        answer = self._http("GET", url, [("Authorization", f"DPoP {token}"), ("DPoP", proof)])
        members = answer.json()
        if answer.status != HTTPStatus.OK:
            raise RewrapRefused(answer.status, str(members.get("code")), str(members.get("message")))
        return members

    def post(self, body: bytes, path: str = "/rewrap") -> tuple[Answer, str]:
        """Posts a body, answering one nonce challenge (RFC 9449 §9): the answer, and the proof that it is to."""
        url = self._base + path
        answer, proof = self._post_once(url, body)
        if answer.status == HTTPStatus.UNAUTHORIZED and answer.json().get("error") == "use_dpop_nonce":
            answer, proof = self._post_once(url, body)
        return answer, proof

    def _post_once(self, url: str, body: bytes) -> tuple[Answer, str]:
        token = self.token()
        proof = make_proof(self.key, "POST", url, self._clock(), token=token, nonce=self._nonce)
        # Bearer is for the rewrap, as ACP-240 writes it; elsewhere a bound token is taken under DPoP alone.
        scheme = "Bearer" if url == self.url else "DPoP"
        answer = post_rewrap(self._http, url, body, token=token, proof=proof, scheme=scheme)
        self._nonce = answer.headers.get("DPoP-Nonce", self._nonce)
        return answer, proof
