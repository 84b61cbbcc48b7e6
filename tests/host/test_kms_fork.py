"""The real host, which forks: nothing of the network lives across it, over whichever client of Cloud KMS."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kas.auth.jwks import MAX_WAITING
from local.client import Answer
from local.ports import free_port
from local.processes import ROOT, World, environment_without_settings, start_kas, stop, wait_until_answers
from tests.attacks.proof_requests import kill_worker, worker_of
from tests.host.functions import function, port_of
from tests.kit import UNLIMITED, Attempt, Kit, refused, stderr_into
from tests.kms.google_kit import DECRYPT, GoogleKit, running_google_kit

# What a transport is known by: the wire that Cloud KMS is called by, and whether the worker has loaded Google's client.
TRANSPORTS = {"http": ("http", False), "grpc": ("grpc", True), "rest": ("http", True)}
AT_ONCE = 1 + MAX_WAITING  # who fetches the issuer's keys, and who may wait for that to its end
MOST_ATTEMPTS = 40 * AT_ONCE
# A first call loads Google's client, beside those of other tests: what is tried here is no time-out.
PATIENT = {"KAS_KMS_TIMEOUT_SECONDS": "30", "KAS_KMS_DEADLINE_SECONDS": "60"}
ESTABLISHED = "01"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleKit]:
    """A provider and a stand-in, with a KAS that only makes requests for others to answer."""
    with running_google_kit(tmp_path_factory.mktemp("fork"), KAS_DEK_CACHE_SECONDS="0") as running:
        yield running


@contextlib.contextmanager
def fresh_kas(standing: GoogleKit, folder: Path, transport: str) -> Iterator[Kit]:
    """A KAS beside the one of ``standing``, same keys and public base, that has not been asked for anything."""
    log = folder / "log"
    settings = {
        **UNLIMITED,
        **PATIENT,
        "KAS_DEK_CACHE_SECONDS": "0",
        "KAS_KMS_TRANSPORT": transport,
        "KAS_PUBLIC_BASES": standing.kit.base,
    }
    env = {**environment_without_settings(), **standing.project.environment(standing.google), **settings}
    issuers = standing.kit.log.with_name("issuers.json")
    with log.open("wb") as file, stderr_into(folder / "stderr"):
        service = start_kas(free_port(), issuers, folder / "no-keys", env, file)
        try:
            wait_until_answers(service)
            kit = Kit(World(service, standing.kit.world.provider), log)
            yield kit
            kit.http.close()
        finally:
            stop(service)


def sent_to(kit: Kit, attempts: list[Attempt]) -> list[Answer]:
    """All at once, each with a proof of its own under a nonce of the KAS that is asked."""
    nonce = kit.fresh_nonce()
    for attempt in attempts:
        attempt.nonce = nonce
        attempt.proof = attempt.make_proof()
        attempt.kit = kit
    with ThreadPoolExecutor(len(attempts)) as pool:
        return list(pool.map(Attempt.send, attempts))


def connections_to(pid: int, base: str) -> int:
    """How many connections the process has to the service at ``base``."""
    port = f":{port_of(base):04X}"
    tables = [Path(f"/proc/net/{name}").read_text("ascii") for name in ("tcp", "tcp6")]
    lines = [line.split() for table in tables for line in table.splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[2].endswith(port) and line[3] == ESTABLISHED}
    return len(sockets & {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()})


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def is_bare(standing: GoogleKit, parent: int) -> bool:
    """Whether the process has no connection to Google, and no more threads than the host of a function without any."""
    bare = standing.kit.world.provider.process.pid
    return not connections_to(parent, standing.google.base) and threads_of(parent) <= threads_of(bare)


@pytest.fixture(scope="module", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fresh(standing: GoogleKit, transport: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    with fresh_kas(standing, tmp_path_factory.mktemp(transport), transport) as kit:
        yield kit


def has_googles_client(pid: int) -> bool:
    """Whether the process has loaded it, over whichever wire: gRPC comes with it."""
    return "/cygrpc." in Path(f"/proc/{pid}/maps").read_text("ascii")


def went_by(standing: GoogleKit, transport: str, operations: int, *workers: int) -> None:
    """Asserts that so many keys were opened, once each, and that they went by this transport alone, from each worker."""
    wire, is_googles = TRANSPORTS[transport]
    assert standing.control.count(DECRYPT, outcome="OK", wire=wire) == standing.control.count(DECRYPT) == operations
    assert [has_googles_client(pid) for pid in workers] == [is_googles] * len(workers)


def all_released(standing: GoogleKit, kit: Kit, transport: str) -> None:
    """Rewraps at once, the first that the worker is asked for: each key arrives, each was one operation."""
    attempts = [standing.kit.attempt() for _ in range(AT_ONCE)]
    standing.settle()
    worker = worker_of(kit.world.kas)
    assert not connections_to(worker, standing.google.base)
    assert not has_googles_client(worker)
    answers = sent_to(kit, attempts)
    for attempt, answer in zip(attempts, answers, strict=True):
        assert answer.status == 200, (answer.body, kit.log.with_name("stderr").read_text("utf-8"))
        assert attempt.open(answer) == attempt.data_keys
        (event,) = kit.events(answer.headers["X-Request-Id"])
        assert (event["outcome"], event["keyOperations"]) == ("released", 1)
    went_by(standing, transport, AT_ONCE, worker)


def test_the_parent_read_secrets_and_left_nothing_behind(standing, fresh):
    """No connection, and no thread, neither in it nor in what was forked from it."""
    parent, worker = fresh.world.kas.process.pid, worker_of(fresh.world.kas)
    assert standing.control.count("AccessSecretVersion") > 0
    assert is_bare(standing, parent)
    assert connections_to(worker, standing.google.base) == 0


def test_first_requests_at_once_are_answered(standing, fresh, transport):
    all_released(standing, fresh, transport)
    assert connections_to(worker_of(fresh.world.kas), standing.google.base) > 0


def test_the_parent_has_nothing_after_its_worker_has_worked(standing, fresh):
    assert is_bare(standing, fresh.world.kas.process.pid)
    assert not has_googles_client(fresh.world.kas.process.pid)


def test_a_worker_that_was_killed_and_forked_again_works(standing, fresh, transport):
    """Its secrets are those that the parent read; its connections are its own."""
    before = standing.control.count("AccessSecretVersion")
    kill_worker(fresh)
    assert standing.control.count("AccessSecretVersion") == before
    all_released(standing, fresh, transport)


# ---- Two workers


def two_workers_of(pid: int) -> set[int]:
    """One answers before the other is forked."""
    deadline = time.monotonic() + 15.0
    while len(found := Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()) != 2:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return {int(child) for child in found}


def test_two_workers_over_a_store_that_they_share_both_use_cloud_kms(standing, transport, tmp_path):
    """Each has taken proofs and opened keys; what one has taken, the other refuses."""
    claims = tmp_path / "claims"
    claims.touch()
    env = {
        **UNLIMITED,
        **PATIENT,
        **standing.project.environment(standing.google),
        "KAS_MODE": "local",
        "KAS_KMS_TRANSPORT": transport,
        "KAS_ISSUERS_PATH": str(standing.kit.log.with_name("issuers.json")),
        "KAS_PUBLIC_BASES": standing.kit.base,
        "KAS_REWRAP_DPOP_NONCE": "off",  # a nonce is for one process
        "KAS_DEK_CACHE_SECONDS": "0",
        "WORKERS": "2",
        "THREADS": "16",
        "TEST_REPLAY_FILE": str(claims),
    }
    with function("kas", env, source="tests/host/kms_two_workers.py", cwd=ROOT, log=tmp_path / "log") as service:
        two = two_workers_of(service.process.pid)
        attempts: list[Attempt] = []
        while {int(line.split()[0]) for line in claims.read_text("ascii").splitlines()} != two:
            assert len(attempts) < MOST_ATTEMPTS, "one worker alone does all"
            round_of = [standing.kit.attempt() for _ in range(AT_ONCE)]
            standing.settle()
            kit = Kit(World(service, standing.kit.world.provider), tmp_path / "log")
            for attempt, answer in zip(round_of, sent_to(kit, round_of), strict=True):
                assert attempt.open(answer) == attempt.data_keys
            went_by(standing, transport, AT_ONCE)
            attempts += round_of
            kit.http.close()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for answer in pool.map(Attempt.send, attempts):
                refused(answer, 401, "invalid_dpop_proof", "proof_replayed")
        went_by(standing, transport, AT_ONCE, *two)
        assert is_bare(standing, service.process.pid)
        assert not has_googles_client(service.process.pid)
