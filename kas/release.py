"""From key access objects to keys for the client, or reasons why not (ACP-240 §3, steps 8 to 15; KAS-REQ-001, 002, 060).

Of a step, only what has passed all before it: an unentitled caller costs no key operation and no call of another
service, and whatever depends on key material has one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from cryptography.hazmat.primitives import hashes

from kas.cases import Case, Work
from kas.crypto.metadata import open_metadata
from kas.crypto.wrapping import wrap_to
from kas.dataclass import dataclass
from kas.datakey import DataKey
from kas.engine import decide_about
from kas.errors import (
    ClientKeyUnbound,
    KaoRefusal,
    KaoSignatureInvalid,
    KeyMaterialRejected,
    NotSupported,
    PolicyUnavailable,
    UnknownKas,
)
from kas.jose import is_valid_signature
from kas.keys.opener import KeyOpener
from kas.keys.registry import Dialect
from kas.policy.decision import Decision
from kas.protocol.bounds import JsonBounds, check_bounds
from kas.protocol.values import (
    CoveredByRequestToken,
    LabelPolicy,
    Mode,
    Policy,
    Released,
)
from kas.recombination import combine_splits, splits_of, without_incomplete
from kas.uri import is_same_resource


class Peers(Protocol):
    """The other services, for one request."""

    def find(self, unverified_url: str) -> str | None:
        """The service that a KAO names by ``unverified_url``, None for one that is not known."""

    def demands_client_key_hash(self, peer: str | None) -> bool:
        """Whether what the request passed, or will pass on its way to ``peer``, may not be trusted with the client's key."""

    def check_agreements(self, case: Case, work: Work) -> None:
        """Raises AgreementExceeded unless every agreement that the case falls under covers its policy and its caller, and
        LabelInvalid where the label cannot be read.
        """

    def ask(self, cases: Sequence[Case], work: Work) -> Callable[[], None]:
        """Forwards the cases. What it returns waits for the answers, and gives every case its outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``own_urls`` are the normalised addresses that a KAO of ours may name, ``rsa_hash`` what RSA clients unwrap with,
    ``metadata_bounds`` those of decrypted metadata.
    """

    dialect: Dialect
    rsa_hash: hashes.HashAlgorithm
    opener: KeyOpener
    own_urls: frozenset[str]
    require_client_key_hash: bool
    metadata_bounds: JsonBounds

    def __call__(self, batch: Sequence[Case], work: Work, peers: Peers | None) -> None:
        """Decides about KAOs that are tried together, each by itself but for the splits of one key.

        8. It asks for what this KAS does; it is ours, or that of a service we know.
        9. The proven key signed it, and with it the client's key.
        10. The policy can be read, and permits; agreements with other services cover it.
        What is another's is asked of him from here on, while ours goes on.
        11–13. The budget allows a key operation, the key is ours and unwraps, the material made the policy's binding.
        14. Metadata opens under the material and is of this policy.
        15. The material goes to the client's key and nowhere else.

        The numbers are ACP-240's order of steps.
        """
        # 8, 9, 10.
        permitted = [case for case in batch if self._is_permitted(case, work, peers)]
        here = without_incomplete([case for case in permitted if case.peer is None])
        elsewhere = [case for case in permitted if case.peer is not None]
        collect = peers.ask(elsewhere, work) if peers and elsewhere else None
        try:
            self._release_ours(here, work)
        finally:
            if collect is not None:
                with work.journal.stage("forward"):
                    collect()

    def _release_ours(self, cases: Sequence[Case], work: Work) -> None:
        # 11, 12, 13.
        opened = self._open(cases, work)
        try:
            # 14.
            sound = [(case, key) for case, key in opened if self._reads_metadata(case, key, work)]
            # 15.
            self._wrap(sound, work)
        finally:
            for _, data_key in opened:
                data_key.wipe()

    def _is_permitted(self, case: Case, work: Work, peers: Peers | None) -> bool:
        try:
            # 8.
            self._place(case, work, peers)
            # 9.
            self._check_origin(case, work, peers)
            # 10.
            with work.journal.stage("decide"):
                _decide(case, work)
                if peers is not None:
                    peers.check_agreements(case, work)
        except KaoRefusal as refusal:
            case.refuse(refusal, work.journal)
            return False
        return True

    def _place(self, case: Case, work: Work, peers: Peers | None) -> None:
        """Whose it is. Splits are combined where all of them are ours, and nowhere else. Where another service forwards
        there is no mode: no signature of the client's covers it, and he asked for it there.
        """
        if not case.kao.is_supported or (case.group.mode is not Mode.EACH and work.principal.forwarding is not None):
            raise NotSupported
        if case.group.mode is Mode.ALL_OF and not all(self._is_ours(kao.url) for kao in case.group.key_accesses):
            raise NotSupported
        if not self._is_ours(case.kao.url):
            case.peer = None if peers is None else peers.find(case.kao.url)
            if case.peer is None:
                raise UnknownKas

    def _is_ours(self, unverified_url: str) -> bool:
        return is_same_resource(unverified_url, self.own_urls)

    def _check_origin(self, case: Case, work: Work, peers: Peers | None) -> None:
        """DPoP does not cover the body: the KAO's signature does, and with the hash the client's key as well.

        Without the hash, whoever ends TLS, or forwards, could put in a key of his own.
        """
        origin, key = case.kao.origin, work.principal.key
        if isinstance(origin, CoveredByRequestToken):
            # Its dialect verified the request token. Without a proven key it proves nothing, and nothing here does:
            # the authenticator admits such a caller only where the deployment says so.
            return
        if key is None or not is_valid_signature(origin.algorithm, key, origin.message, origin.signature):
            raise KaoSignatureInvalid
        is_demanded = self.require_client_key_hash or (peers is not None and peers.demands_client_key_hash(case.peer))
        if origin.client_key_hash is None and not is_demanded:
            return
        if origin.client_key_hash is None or origin.client_key_hash != work.request.client_key_hash:
            raise ClientKeyUnbound

    def _open(self, cases: Sequence[Case], work: Work) -> list[tuple[Case, DataKey]]:
        """The keys of those that open; they are ours to wipe."""
        if not cases:
            return []
        caller, journal = work.principal.caller.identity, work.journal
        with journal.stage("unwrap"):
            kaos, until = [case.kao for case in cases], work.keys_until
            found = self.opener.open_all(kaos, dialect=self.dialect, caller=caller, until=until)
        keys = []
        for case, opened in zip(cases, found, strict=True):
            case.opened = opened
            journal.spend(opened.spent)
            journal.cache_hits += opened.is_hit
            journal.cache_misses += opened.is_miss
            if isinstance(opened.outcome, KaoRefusal):
                case.refuse(opened.outcome, journal)
            else:
                keys.append((case, opened.outcome))
        return keys

    def _reads_metadata(self, case: Case, data_key: DataKey, work: Work) -> bool:
        """Whether there is nothing wrong with the metadata of a key access object, if it has any."""
        encrypted, policy = case.kao.encrypted_metadata, case.group.policy
        if encrypted is None or not isinstance(policy, LabelPolicy):
            return True
        try:
            case.metadata = open_metadata(
                data_key,
                encrypted,
                policy=policy.members,
                policy_canonical=case.kao.binding_message,
                check_bounds=partial(check_bounds, bounds=self.metadata_bounds),
            )
        except KeyMaterialRejected as refusal:
            case.refuse(refusal, work.journal)
            return False
        return True

    def _wrap(self, opened: Sequence[tuple[Case, DataKey]], work: Work) -> None:
        if not opened:
            return
        with work.journal.stage("wrap"):
            wrap = wrap_to(work.request.client_key, self.rsa_hash)
            for case, data_key in opened:
                if case.group.mode is not Mode.ALL_OF:
                    case.outcome = Released(wrap(data_key), case.metadata)
            for splits in splits_of(opened):
                combine_splits(splits, wrap, work)


def _decide(case: Case, work: Work) -> None:
    """Once per policy, however many KAOs and groups name it. Raises the Denial of a policy that does not permit,
    KeyMaterialRejected for one that cannot be read (it is not the one that was bound), and PolicyUnavailable where no
    decision can be had.
    """
    group = case.group
    if group.policy_hash not in work.decisions:
        work.decisions[group.policy_hash] = _ask(group.policy, work)
    decision = work.decisions[group.policy_hash]
    if isinstance(decision, PolicyUnavailable):
        raise decision
    case.decision = decision
    if decision.refusal is not None:
        raise decision.refusal


def _ask(policy: Policy, work: Work) -> Decision | PolicyUnavailable:
    """A failure counts for all that the policy governs: what cannot be had now is not asked for again."""
    try:
        return decide_about(work.principal, policy, work.decider, now=work.now)
    except PolicyUnavailable as refusal:
        return refusal
