"""What `speed` measures: the service with env.yaml and keys of its own process, the empty function, and users of both.

Keys in files are what differs most from a deployment: what Cloud KMS would do is done here, where its cost is seen.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from bench.asked import Asked, Document, Holder, User, ask
from bench.deployment import Deployment, deployed
from bench.floor import UnwrapKey
from bench.host import BenchFailed, Connection, Function, cpu_seconds, running
from bench.limits import RAISED
from bench.load import Load, Loaded, raw_request
from bench.memory import memory_mb
from local.client import Http, new_proof_key
from local.client.proofs import fetch_token
from local.client.rewrap import parse_kas_keys
from local.ports import free_port

_SUBJECTS: Final = tuple(f"user-{number}" for number in range(40))
_TOKEN_SECONDS: Final = 120.0  # that they are used for, less than half of what they are good for
_REST_SECONDS: Final = 0.01  # for a server to end what comes after an answer
# kid -> algorithm, dialects.
_KEYS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "acp-2048": ("RSA-2048", ["acp240"]),
    "acp-4096": ("RSA-4096", ["acp240"]),
    "tdf-2048": ("RSA-2048", ["opentdf"]),
    "tdf-4096": ("RSA-4096", ["opentdf"]),
    "ec-256": ("P-256", ["acp240", "opentdf"]),
}
EMPTY_REQUEST: Final = raw_request("GET", "/", {})


@dataclass(frozen=True, slots=True)
class Server:
    """A running function; ``log`` has its audit lines."""

    port: int
    pid: int
    log: Path
    load: Load

    def send(self, requests: Sequence[bytes], connections: int = 1, per_second: float = 0.0) -> tuple[Loaded, float]:
        """What came, and the seconds that all processes of the server worked for it."""
        before = cpu_seconds(self.pid)
        loaded = self.load.send(self.port, requests, connections, per_second)
        time.sleep(_REST_SECONDS)
        return loaded, cpu_seconds(self.pid) - before

    def nonce(self) -> str | None:
        """Past the load, which may be at work."""
        with contextlib.closing(Connection(self.port)) as connection:
            return connection("POST", "/rewrap").headers.get("DPoP-Nonce")

    def memory_mb(self) -> float:
        return memory_mb(self.pid)

    def audited(self) -> Iterator[dict[str, Any]]:
        """The lines of key access objects so far."""
        for line in self.log.read_text("utf-8").splitlines():
            event = json.loads(line)
            if event["event"] == "rewrap":
                yield event


class Users:
    """Made by ``make``, and again before their tokens end."""

    def __init__(self, make: Callable[[], Sequence[User]]) -> None:
        self._make = make
        self._made: Sequence[User] = ()
        self._made_at = 0.0

    def some(self, number: int) -> list[User]:
        """So many, beginning with any of them, each once before one comes again."""
        if not self._made or time.monotonic() > self._made_at + _TOKEN_SECONDS:
            self._made, self._made_at = self._make(), time.monotonic()
        first = secrets.randbelow(len(self._made))
        return [self._made[(first + place) % len(self._made)] for place in range(number)]


@dataclass(frozen=True, slots=True)
class Stand:
    """``threads`` is how many requests at once a server takes that says nothing else, as deployed."""

    deployment: Deployment
    holders: Mapping[str, Holder]
    users: Users
    load: Load
    folder: Path

    @property
    def threads(self) -> int:
        return int(self.deployment.kas.environment["THREADS"])

    @contextlib.contextmanager
    def serving(self, threads: int) -> Iterator[tuple[Server, Server]]:
        """The service and the empty function. With one thread the host has a worker for that which keeps no connection:
        with two it has the service's, and over one connection the second has nothing to do.
        """
        with (
            self._running(self.deployment.kas, threads) as kas,
            self._running(self.deployment.empty, max(threads, 2)) as empty,
        ):
            yield kas, empty

    @contextlib.contextmanager
    def _running(self, function: Function, threads: int) -> Iterator[Server]:
        environment = {**function.environment, "THREADS": str(threads)}
        log, port = self.folder / f"log-{secrets.token_hex(4)}", free_port()
        with (
            log.open("ab") as output,
            running(replace(function, environment=environment), port, output) as process,
            contextlib.closing(Connection(port, process)) as connection,
        ):
            connection("GET", "/health/ready")
            yield Server(port, process.pid, log, self.load)

    def ask(self, server: Server, documents: Sequence[Document]) -> list[Asked]:
        """A request for each document, each of another user."""
        nonce, users = server.nonce(), self.users.some(len(documents))
        return [ask(user, document, nonce) for user, document in zip(users, documents, strict=True)]


@contextlib.contextmanager
def standing(kids: Collection[str] = tuple(_KEYS)) -> Iterator[Stand]:
    """Everything but the servers, with these keys."""
    with tempfile.TemporaryDirectory() as name, Load() as load:
        folder = Path(name)
        private = write_keys(folder / "keys", kids)
        changes = {"KAS_KEYS": "", "KAS_KEYS_DIR": str(folder / "keys")}
        with deployed(**RAISED, **changes) as deployment:
            stand = Stand(deployment, {}, Users(partial(new_users, deployment, _SUBJECTS)), load, folder)
            with stand.serving(1) as (kas, _):
                signing = _signing(kas)
            yield replace(stand, holders={kid: Holder(kid, key, signing) for kid, key in private.items()})


def write_keys(folder: Path, kids: Collection[str]) -> dict[str, UnwrapKey]:
    """An unwrap key of each kind that is measured, and one that signs; the private unwrap keys by ``kid``."""
    folder.mkdir(mode=0o700)
    private = {kid: _generate(_KEYS[kid][0]) for kid in kids}
    for kid, key in {**private, "sig": _generate("P-256")}.items():
        (folder / f"{kid}.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / f"{kid}.pem").chmod(0o600)
    unwrap = [
        {"kid": kid, "file": f"{kid}.pem", "algorithm": algorithm, "status": "active", "dialects": dialects}
        for kid, (algorithm, dialects) in _KEYS.items()
        if kid in kids
    ]
    index = {"unwrapKeys": unwrap, "signingKeys": [{"kid": "sig", "file": "sig.pem", "status": "current"}]}
    (folder / "keys.json").write_text(json.dumps(index), "utf-8")
    return private


def _generate(algorithm: str) -> UnwrapKey:
    if algorithm == "P-256":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, int(algorithm.removeprefix("RSA-")))


def new_users(deployment: Deployment, subjects: Iterable[str]) -> list[User]:
    """Each with a key of his own, known to the issuer by that name."""
    with contextlib.closing(Http()) as http:
        base = deployment.credentials.token_url.removesuffix("/token")
        issuer = ECAlgorithm.from_jwk(http("GET", f"{base}/jwks.json").json()["keys"][0])
        if not isinstance(issuer, ec.EllipticCurvePublicKey):
            raise BenchFailed("the issuer's key is private")
        make: Callable[[str], User] = lambda subject: _user(http, deployment, issuer, subject)  # noqa: E731
        return [make(subject) for subject in subjects]


def _user(http: Http, deployment: Deployment, issuer: ec.EllipticCurvePublicKey, subject: str) -> User:
    key, extra = new_proof_key(), {"override": json.dumps({"claims": {"sub": subject}})}
    token = fetch_token(http, deployment.credentials, key, time.time(), extra)
    return User(token.text, key, issuer)


def _signing(server: Server) -> Mapping[str, dict[str, Any]]:
    loaded, _ = server.send([raw_request("GET", "/.well-known/jwks.json", {})])
    return parse_kas_keys(loaded.exchanged[0].answer().json()).signing
