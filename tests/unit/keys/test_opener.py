"""The opening of one key: what it costs, in which order, and that a kept key gives nobody more than an unwrapped one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from kas.crypto.wrapping import OAEP_SHA256, wrap_to
from kas.datakey import DataKey
from kas.errors import BudgetExhausted, KaoRefusal, KeyMaterialRejected, KeyUnavailable, UnknownKey
from kas.keys.dek_cache import new_dek_cache
from kas.keys.opener import KeyOpener, Opened
from kas.keys.registry import MAX_LEGACY_KEYS, KeyRecord, KeyRegistry, WrappedMaterial
from kas.keys.software import SoftwareKeyService
from tests.key_operations import side_by_side

KEY = bytes(range(32))
POLICY, OTHER_POLICY = b'{"policyId":"p-1"}', b'{"policyId":"p-2"}'
TTL = 60
RSA = {kid: rsa.generate_private_key(65537, 2048) for kid in ("rsa", "tdf-1", "tdf-2", "tdf-3")}
EC = ec.generate_private_key(ec.SECP256R1())
ACP240, OPENTDF = frozenset({"acp240"}), frozenset({"opentdf"})
RECORDS = (
    KeyRecord("rsa", "RSA-2048", "active", ACP240),
    KeyRecord("ec", "P-256", "active", ACP240 | OPENTDF),
    *(KeyRecord(f"tdf-{number}", "RSA-2048", "active", OPENTDF, is_legacy=True) for number in (1, 2, 3)),
)


@dataclass(frozen=True)
class Kao:
    """The parts of a key access object that opening it takes."""

    kid: str | None
    wrapped: WrappedMaterial
    policy_binding: bytes
    binding_message: bytes = POLICY


def bind(material, message=POLICY):
    return hmac.digest(material, message, hashlib.sha256)


def wrapped_kao(kid="rsa", material=KEY, *, wrapped_for=None, digest=hashes.SHA256):
    public_key = RSA[wrapped_for or kid].public_key()
    ciphertext = public_key.encrypt(material, padding.OAEP(padding.MGF1(digest()), digest(), None))
    return Kao(kid, WrappedMaterial(ciphertext), bind(material))


def legacy_kao(wrapped_for):
    return wrapped_kao(None, wrapped_for=wrapped_for, digest=hashes.SHA1)


def sealed_kao(material=KEY):
    sealed = wrap_to(EC.public_key(), OAEP_SHA256)(DataKey(material))
    return Kao("ec", WrappedMaterial(sealed.ciphertext, sealed.ephemeral_key), bind(material))


class CountingKeys(SoftwareKeyService):
    """The real one, which remembers what it was asked and gave."""

    def __init__(self):
        super().__init__({**RSA, "ec": EC})
        self.unwrapped: list[str] = []
        self.given: list[DataKey] = []

    def unwrap(self, record, wrapped, pay):
        def begin():
            pay()
            self.unwrapped.append(record.kid)

        self.given.append(super().unwrap(record, wrapped, begin))
        return self.given[-1]


@dataclass
class Purse:
    """A budget of ``left`` operations for everybody; ``spent`` says by whom."""

    left: int = 1000
    spent: list[str] = field(default_factory=list)

    def spend(self, caller):
        if not self.left:
            raise BudgetExhausted
        self.left -= 1
        self.spent.append(caller)


@dataclass
class World:
    """An opener with its parts; ``last`` is what became of the last key."""

    now: float = 1_790_000_000.0
    keys: CountingKeys = field(default_factory=CountingKeys)
    budget: Purse | None = field(default_factory=Purse)
    registry: KeyRegistry = field(default_factory=lambda: KeyRegistry(RECORDS))
    last: Opened = None
    cache: object = None

    def __post_init__(self):
        self.cache = new_dek_cache(capacity=10, ttl_seconds=TTL, clock=lambda: self.now)

    def open(self, kao, *, dialect="acp240", caller="alice"):
        opener = KeyOpener(
            registry=self.registry,
            key_service=self.keys,
            cache=self.cache,
            budget=self.budget,
            budget_all=True,
            side_by_side=side_by_side(),
        )
        (self.last,) = opener.open_all([kao], dialect=dialect, caller=caller)
        if isinstance(self.last.outcome, KaoRefusal):
            raise self.last.outcome
        return self.last.outcome

    def reject(self, kao, **options):
        with pytest.raises(KeyMaterialRejected):
            self.open(kao, **options)

    def disable(self, kid):
        records = (replace(record, status="disabled") if record.kid == kid else record for record in RECORDS)
        self.registry = KeyRegistry(tuple(records))

    @property
    def counted(self):
        """Key operations, hits and misses of the last key."""
        return self.last.operations, int(self.last.is_hit), int(self.last.is_miss)


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize("make", [wrapped_kao, sealed_kao])
def test_a_key_is_unwrapped_once_and_then_kept(world, make):
    kao = make()
    assert world.open(kao).reveal() == KEY
    assert world.counted == (1, 0, 1)
    assert world.open(kao).reveal() == KEY
    assert world.counted == (0, 1, 0)
    assert world.keys.unwrapped == [kao.kid]


def test_without_cache_every_opening_is_an_operation(world):
    world.cache = None
    kao = wrapped_kao()
    for _ in range(2):
        assert world.open(kao).reveal() == KEY
        assert world.counted == (1, 0, 0)
    assert world.keys.unwrapped == ["rsa"] * 2


def test_a_kept_key_is_unwrapped_again_when_its_time_is_over(world):
    kao = wrapped_kao()
    world.open(kao)
    world.now += TTL
    world.open(kao)
    assert world.keys.unwrapped == ["rsa"] * 2


def test_each_receiver_may_wipe_what_he_got(world):
    kao = wrapped_kao()
    for _ in range(3):
        opened = world.open(kao)
        assert opened.reveal() == KEY
        opened.wipe()


BAD = {
    "random-wrap": lambda: replace(wrapped_kao(), wrapped=WrappedMaterial(b"\0" + secrets.token_bytes(255))),
    "short-wrap": lambda: replace(wrapped_kao(), wrapped=WrappedMaterial(bytes(255))),
    "sha1-wrap": lambda: wrapped_kao(digest=hashes.SHA1),
    "binding": lambda: replace(wrapped_kao(), policy_binding=bytes(32)),
    "policy": lambda: replace(wrapped_kao(), binding_message=OTHER_POLICY),
    "length-17": lambda: wrapped_kao(material=bytes(17)),
    "dummy-key-binding": lambda: replace(wrapped_kao(), wrapped=WrappedMaterial(b""), policy_binding=bind(bytes(32))),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_material_costs_one_operation_each_time_and_is_never_kept(world, name):
    kao = BAD[name]()
    for number in range(1, 3):
        world.reject(kao)
        assert world.counted == (1, 0, 1)
        assert world.keys.unwrapped == ["rsa"] * number
    assert world.budget.spent == ["alice"] * 2
    assert not world.cache._entries


@pytest.mark.parametrize("name", ["binding", "policy", "length-17"])
def test_material_that_does_not_pass_is_wiped(world, name):
    world.reject(BAD[name]())
    (given,) = world.keys.given
    with pytest.raises(RuntimeError):
        given.reveal()


def test_a_kept_key_too_is_held_against_the_policy_each_time(world, mocker):
    kao = wrapped_kao()
    world.open(kao)
    made = mocker.spy(DataKey, "hmac_sha256")
    world.open(kao)
    assert [call.args[1] for call in made.call_args_list] == [POLICY]


def test_a_kept_key_whose_binding_does_not_hold_is_tried_with_it_once(world, mocker):
    """And the unwrapped one once more: two HMACs, however often we look for kept keys."""
    kao = wrapped_kao()
    world.open(kao)
    made = mocker.spy(DataKey, "hmac_sha256")
    world.reject(replace(kao, policy_binding=bytes(32)))
    assert made.call_count == 2


@pytest.mark.parametrize("name", BAD)
def test_attack_r10_whatever_is_wrong_makes_one_hmac(world, mocker, name):
    kao = BAD[name]()
    made = mocker.spy(DataKey, "hmac_sha256")
    world.reject(kao)
    assert [call.args[1] for call in made.call_args_list] == [kao.binding_message]


def test_attack_c01_another_subject_s_hit_opens_nothing_under_a_policy_of_his_own(world):
    """He may read under his policy; the key was bound to another one. He pays as if nothing were kept."""
    kao = wrapped_kao()
    world.open(kao, caller="alice")
    for binding in (kao.policy_binding, bind(bytes(32), OTHER_POLICY)):
        world.reject(replace(kao, binding_message=OTHER_POLICY, policy_binding=binding), caller="mallory")
        assert world.counted == (1, 0, 1)
    assert world.budget.spent == ["alice", "mallory", "mallory"]


def test_attack_c01_what_one_subject_does_with_his_key_does_not_reach_another(world):
    kao = wrapped_kao()
    world.open(kao, caller="alice")
    of_alice, of_bob = world.open(kao, caller="alice"), world.open(kao, caller="bob")
    of_alice.wipe()
    assert of_bob.reveal() == KEY


def test_attack_c02_a_policy_that_changed_since_is_held_against_the_key_again(world):
    kao = wrapped_kao()
    world.open(kao)
    changed = replace(kao, binding_message=OTHER_POLICY)
    world.reject(changed)
    assert world.counted == (1, 0, 1)
    bound_anew = replace(changed, policy_binding=bind(KEY, OTHER_POLICY))
    assert world.open(bound_anew).reveal() == KEY
    assert world.counted == (0, 1, 0)


def test_attack_c02_a_bad_binding_does_not_evict_the_key_for_others(world):
    kao = wrapped_kao()
    world.open(kao)
    world.reject(replace(kao, policy_binding=bytes(32)))
    world.open(kao)
    assert world.counted == (0, 1, 0)


def test_attack_c03_a_key_is_kept_for_no_longer_because_it_is_asked_for(world):
    """What a caller once had, the next must be entitled to anew; and no run of callers keeps a key for ever."""
    kao = wrapped_kao()
    world.open(kao)
    for _ in range(2):
        world.now += TTL / 2
        world.open(kao)
    assert world.keys.unwrapped == ["rsa"] * 2


def test_attack_c04_a_disabled_key_is_refused_at_once_though_what_it_opened_is_kept(world):
    """The registry is asked first each time: the life of an entry does not matter."""
    kao = wrapped_kao()
    world.open(kao)
    world.disable("rsa")
    with pytest.raises(UnknownKey):
        world.open(kao)
    assert world.counted == (0, 0, 0)


def test_attack_c04_a_disabled_legacy_key_opens_nothing_that_is_kept(world):
    kao = legacy_kao("tdf-1")
    world.open(kao, dialect="opentdf")
    world.disable("tdf-1")
    world.reject(kao, dialect="opentdf")
    assert not world.last.is_hit


def test_attack_c06_the_same_ciphertext_as_another_type_is_another_key(world):
    kao = wrapped_kao()
    world.open(kao)
    with pytest.raises(UnknownKey):
        world.open(replace(kao, wrapped=replace(kao.wrapped, ephemeral_key=EC.public_key())))
    world.reject(replace(kao, kid="ec", wrapped=replace(kao.wrapped, ephemeral_key=EC.public_key())))
    assert world.counted == (1, 0, 1)


def test_attack_c06_the_same_ciphertext_under_another_ephemeral_key_is_another_key(world):
    kao = sealed_kao()
    world.open(kao)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    world.reject(replace(kao, wrapped=replace(kao.wrapped, ephemeral_key=other)))
    assert world.counted == (1, 0, 1)


def test_attack_c06_the_same_ciphertext_in_another_dialect_is_unwrapped_anew(world):
    kao = sealed_kao()
    world.open(kao, dialect="acp240")
    world.open(kao, dialect="opentdf")
    assert world.counted == (1, 0, 1)


def test_a_kept_key_costs_no_budget_and_is_had_when_there_is_none(world):
    kao = wrapped_kao()
    world.open(kao)
    world.budget.left = 0
    assert world.open(kao).reveal() == KEY
    assert world.budget.spent == ["alice"]


def test_attack_l07_without_budget_the_key_service_is_not_called(world):
    world.budget.left = 0
    with pytest.raises(BudgetExhausted):
        world.open(wrapped_kao())
    assert world.keys.unwrapped == []
    assert world.last.operations == 0


def test_without_budget_a_bad_binding_on_a_kept_key_looks_as_on_any_other(world):
    kao = wrapped_kao()
    world.open(kao)
    world.budget.left = 0
    with pytest.raises(BudgetExhausted):
        world.open(replace(kao, policy_binding=bytes(32)))


def test_operations_that_are_not_budgeted_are_still_counted(world):
    world.budget = None
    world.open(wrapped_kao())
    assert world.last.operations == 1


@pytest.mark.parametrize("left", [0, 5])
def test_a_kid_that_is_not_ours_takes_nothing_from_the_budget(world, left):
    world.budget.left = left
    for kid in ("unknown", "tdf-1", "ec"):
        with pytest.raises(UnknownKey):
            world.open(replace(wrapped_kao(), kid=kid))
    assert (world.budget.left, world.budget.spent, world.keys.unwrapped) == (left, [], [])


def test_a_key_that_cannot_be_used_now_is_unavailable_and_its_call_counted(world):
    world.keys._private_keys = {}
    with pytest.raises(KeyUnavailable):
        world.open(wrapped_kao())
    assert (world.last.operations, world.budget.spent) == (1, ["alice"])


def test_operations_are_told_by_the_key_that_they_were_made_with(world):
    """Also where one of several opened it: the others were asked, and each has a price of its own."""
    world.open(wrapped_kao())
    assert world.last.spent == {"rsa": 1}
    world.open(legacy_kao("tdf-2"), dialect="opentdf")
    assert world.last.spent == {"tdf-1": 1, "tdf-2": 1}


def test_without_kid_so_many_legacy_keys_are_tried_and_no_more(world):
    assert MAX_LEGACY_KEYS == 2
    assert world.open(legacy_kao("tdf-2"), dialect="opentdf").reveal() == KEY
    assert world.keys.unwrapped == ["tdf-1", "tdf-2"]
    assert world.counted == (2, 0, 1)
    world.reject(legacy_kao("tdf-3"), dialect="opentdf")
    assert world.keys.unwrapped == ["tdf-1", "tdf-2"] * 2
    assert world.budget.spent == ["alice"] * 4


@pytest.mark.parametrize(
    ("remote", "tried"),
    [
        ({"tdf-1", "tdf-2"}, ["tdf-1", "tdf-3"]),
        ({"tdf-2", "tdf-3"}, ["tdf-1", "tdf-2"]),
        ({"tdf-1", "tdf-2", "tdf-3"}, ["tdf-1"]),
    ],
)
def test_without_kid_one_key_in_cloud_kms_is_tried_and_no_second(world, remote, tried):
    """The index has no two; the opener does not count on that."""
    records = (replace(record, kms_version=record.kid if record.kid in remote else None) for record in RECORDS)
    world.registry = KeyRegistry(tuple(records))
    world.reject(replace(legacy_kao("tdf-1"), policy_binding=bytes(32)), dialect="opentdf")
    assert world.keys.unwrapped == tried
    assert world.counted == (len(tried), 0, 1)


def test_without_kid_a_kept_key_is_found_before_any_is_tried(world):
    kao = legacy_kao("tdf-2")
    world.open(kao, dialect="opentdf")
    assert world.open(kao, dialect="opentdf").reveal() == KEY
    assert world.counted == (0, 1, 0)


def test_without_kid_and_without_legacy_keys_nothing_opens(world):
    world.reject(replace(wrapped_kao(), kid=None), dialect="acp240")
    assert world.keys.unwrapped == []


def test_the_key_that_opened_is_named_and_none_where_none_did(world):
    world.open(legacy_kao("tdf-2"), dialect="opentdf")
    assert world.last.kid == "tdf-2"
    world.reject(legacy_kao("tdf-3"), dialect="opentdf")
    assert world.last.kid is None
    kao = wrapped_kao()
    for _ in range(2):  # unwrapped, then kept
        world.open(kao)
        assert world.last.kid == "rsa"
