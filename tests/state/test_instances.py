"""Several instances on one store, as processes: each proof once, one limit, one set of kept keys; and without the store."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from local.firestore_emulator import owner_tokens
from tests.kit import policy, refused
from tests.opentdf.tdf_client import TdfAttempt
from tests.state.instances import CALLER_LIMIT, event_of, pair, sent, wait_until
from tests.state.servers import redis

PROOFS = 50
PATIENT = {"KAS_STATE_TIMEOUT_MILLISECONDS": "10000"}  # this machine's other work is no failure
READY = "/health/ready"
FOR_GBR = partial(policy, releasabilityTo=["USA", "FRA", "GBR"])


@pytest.fixture(scope="module")
def redis_pair(redis_server, tmp_path_factory):
    settings = {"KAS_REDIS_URL": redis_server.url, "KAS_REDIS_CA_PATH": str(redis_server.authority)}
    with pair(tmp_path_factory.mktemp("redis-pair"), KAS_STATE_BACKEND="redis", **settings, **PATIENT) as running:
        yield running


@pytest.fixture(scope="module")
def firestore_pair(firestore, tmp_path_factory):
    with owner_tokens() as host, pytest.MonkeyPatch.context() as patch:
        patch.setenv("GCE_METADATA_HOST", host)
        settings = {"KAS_FIRESTORE_ENDPOINT": firestore.base, "KAS_GCP_PROJECT": "kas-test"}
        folder = tmp_path_factory.mktemp("firestore-pair")
        with pair(folder, KAS_STATE_BACKEND="firestore", **settings, **PATIENT) as running:
            yield running


@pytest.fixture(params=["redis", "firestore"])
def instances(request):
    return request.getfixturevalue(f"{request.param}_pair")


def test_attack_p17_one_proof_sent_to_all_instances_at_once_is_accepted_once(instances):
    """Fifty proofs, each to three processes of two instances; a nonce of one is good for the others."""
    attempt = instances.first.attempt("usa-secret")
    with ThreadPoolExecutor(3) as pool:
        for _ in range(PROOFS):
            proof, together = attempt.make_proof(), threading.Barrier(3)

            def bring(kit, proof=proof, together=together):
                together.wait()
                return sent(attempt, kit, proof)

            answers = list(pool.map(bring, [instances.first, instances.second, instances.second]))
            assert sorted(answer.status for answer in answers) == [200, 401, 401]
            codes = [answer.json()["code"] for answer in answers if answer.status == 401]
            assert codes == ["proof_replayed"] * 2


def test_limit_holds_across_instances(instances):
    """Of one caller, wherever he asks; exactly."""
    attempt = instances.first.attempt("fra-secret")

    def ask(number):
        return sent(attempt, instances.second if number % 2 else instances.first)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(CALLER_LIMIT + 10)))
    assert [answer.status for answer in answers].count(200) == CALLER_LIMIT
    late = [answer for answer in answers if answer.status != 200]
    assert {answer.json()["code"] for answer in late} == {"rewrap_limit"}
    assert all(0 < int(answer.headers["Retry-After"]) <= 60 for answer in late)


def test_key_that_one_unwrapped_is_a_hit_of_the_other(instances):
    """And opens for the client as ever; another's policy does not open it."""
    attempt = instances.first.attempt("gbr-topsecret", policies=[FOR_GBR()])
    answer = sent(attempt, instances.first)
    assert (event_of(instances.first, answer)["cacheHit"], answer.status) == (False, 200)
    proof = attempt.make_proof()
    answer = sent(attempt, instances.second, proof)
    event = event_of(instances.second, answer)
    assert (event["cacheHit"], event["keyOperations"], event["outcome"]) == (True, 0, "released")
    attempt.proof = proof
    assert attempt.open(answer) == attempt.data_keys
    attempt.policy["dissem"]["releasabilityTo"] = ["GBR"]
    answer = sent(attempt, instances.first)
    assert event_of(instances.first, answer)["code"] == "key_material_rejected"


def test_no_plain_key_is_in_redis_and_an_altered_one_is_a_miss(redis_server, redis_pair):
    """Whoever writes to the store has nothing opened by it; the operator is told."""
    attempt = redis_pair.first.attempt("gbr-topsecret", policies=[FOR_GBR()], data_key=bytes(range(100, 132)))
    assert sent(attempt, redis_pair.first).status == 200
    client = redis_server.shared_client
    client.call("SAVE")
    dump = (redis_server.folder / "dump.rdb").read_bytes()
    assert b"kas:{kas-shared}:key:" in dump
    for data_key in attempt.data_keys.values():
        assert not any(form in dump for form in (data_key, base64.b64encode(data_key), data_key.hex().encode()))
    for name in client.call("KEYS", "kas:{kas-shared}:key:*"):
        value = bytearray(client.call("GET", name))
        value[-1] ^= 1
        client.call("SET", name, bytes(value), "PX", 60_000)
    answer = sent(attempt, redis_pair.second)
    event = event_of(redis_pair.second, answer)
    assert (answer.status, event["cacheHit"], event["keyOperations"]) == (200, False, 1)
    stderr = redis_pair.first.log.with_name("stderr-second")
    assert '"event": "state_altered"' in stderr.read_text("utf-8")


@pytest.fixture
def mortal(tmp_path):
    """A server that may be stopped, and a pair on it."""
    (tmp_path / "redis").mkdir()
    (tmp_path / "pair").mkdir()
    with redis(tmp_path / "redis") as server:
        settings = {"KAS_REDIS_URL": server.url, "KAS_REDIS_CA_PATH": str(server.authority)}
        settings |= {"KAS_STATE_TIMEOUT_MILLISECONDS": "250", "KAS_RATE_REWRAP_PER_MINUTE": "100000"}
        with pair(tmp_path / "pair", KAS_STATE_BACKEND="redis", **settings) as running:
            yield server, running


def test_store_that_is_stopped_under_load_refuses_and_comes_back(mortal):
    """Frozen, killed and full: no key without a claim, what needs none goes on, and no proof of before passes again."""
    server, instances = mortal
    kits = [instances.first, instances.second]
    attempt = instances.first.attempt()
    codes, is_over = [], threading.Event()
    accepted = attempt.make_proof()

    def load(number):
        while not is_over.is_set():
            answer = sent(attempt, kits[number % 2])
            codes.append(answer.json().get("code", answer.status))

    def saw(code):
        seen = len(codes)
        wait_until(lambda: code in codes[seen:])

    def healthy(kit):
        return kit.http("GET", f"{kit.base}/health").status == 200

    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(load, number) for number in range(4)]
        try:
            saw(200)
            assert sent(attempt, instances.first, accepted).status == 200
            for fail, code, recover in (
                (server.stop, "replay_store_unavailable", server.go_on),
                (server.kill, "replay_store_unavailable", server.start),
                (partial(server.set_memory, "1"), "replay_store_full", partial(server.set_memory, "0")),
            ):
                fail()
                saw(code)
                assert all(map(healthy, kits))
                recover()
                saw(200)
                assert {sent(attempt, kit, accepted).status for kit in kits} <= {401, 503}  # one may leave it alone yet
        finally:
            is_over.set()
            server.go_on()
        for one in running:
            one.result()
    # The server that was killed has lost its memory, and with it ended the nonces of before.
    assert set(codes) - {"nonce_invalid"} == {200, "replay_store_unavailable", "replay_store_full"}
    first, second = (instances.first.log.with_name(name).read_text("utf-8") for name in ("stderr", "stderr-second"))
    assert [first.count(f'"state_{event}"') for event in ("unavailable", "available")] == [1, 1]
    assert 1 <= (first + second).count('"state_full"') <= 3  # processes
    metrics = instances.first.http("GET", f"{instances.first.base}/metrics").body.decode()
    assert 'kas_state_failures_total{trouble="unavailable",use="replay"}' in metrics
    assert 'kas_state_failures_total{trouble="unavailable",use="limits"}' in metrics


def test_without_the_store_keys_are_unwrapped_and_limits_count_by_themselves(mortal):
    """Seen where no proof is claimed: a token that is bound to no key, on a route of OpenTDF."""
    server, instances = mortal
    attempt = TdfAttempt.good(instances.first, "rest", bound=False)

    def operations():
        answer = attempt.send()
        assert answer.status == 200, answer.body
        assert int(answer.headers["RateLimit"].rpartition('"rewrap";r=')[2].partition(";")[0]) > 0
        return event_of(instances.first, answer)["keyOperations"]

    assert operations() == 1
    wait_until(lambda: operations() == 0)
    server.kill()
    assert [operations(), operations()] == [1, 1]
    server.start()
    wait_until(lambda: operations() == 0)


def test_readiness_asks_the_store(mortal):
    """A service whose store does not answer is not ready, and says so."""
    server, instances = mortal
    server.kill()
    answer = instances.first.http("GET", f"{instances.first.base}{READY}")
    assert answer.status == 503
    refused(sent(instances.first.attempt(), instances.first), 503, "unavailable", "replay_store_unavailable")
    server.start()
