"""No key, token or proof in any output: standard output, standard error, answers, readable forms of objects."""

from __future__ import annotations

import base64
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

import pytest

from kas.datakey import DataKey
from local.client import Answer, Http, new_proof_key
from local.processes import ROOT
from tests.canaries import CANARIES, Canaries, forms, private_forms
from tests.host.functions import exchange, head_of
from tests.kit import Attempt, Kit, policy, running_kit
from tests.opentdf.tdf_client import ROUTES, Route, TdfAttempt
from tests.requirements.production import production_kas
from tests.wrappers import published_ec_key, request_token, seal_all, send_in_token


@dataclass
class Run:
    """What one run of the pair has said, and what nobody may say."""

    kit: Kit
    stderr: Path
    answers: dict[str, Answer] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def outputs(self) -> dict[str, str]:
        said = {
            name: f"{dict(answer.headers)}\n{answer.body.decode('latin-1')}" for name, answer in self.answers.items()
        }
        return said | {"stdout": self.kit.log.read_text("utf-8"), "stderr": self.stderr.read_text("utf-8")}

    def play(self, name: str, spoil: Callable[[Attempt], object]) -> None:
        """Sends one attempt with something wrong in it, and remembers what was secret in it."""
        attempt = self.kit.attempt(receiving="RSA" if name == "released to RSA" else "P-256")
        spoil(attempt)
        self.answers[name] = attempt.send()
        for kao_id, data_key in attempt.data_keys.items():
            self.secrets |= forms(f"{name}: data key {kao_id}", data_key)
        self.secrets |= parts(f"{name}: token", attempt.token) | parts(f"{name}: proof", str(attempt.proof))
        self.secrets[f"{name}: wrapped key"] = attempt.kao["wrappedKey"][:40]

    def play_tdf(self, route: Route, name: str, spoil: Callable[[TdfAttempt], object]) -> None:
        """The same by a client of OpenTDF."""
        attempt = TdfAttempt.good(self.kit, route)
        spoil(attempt)
        where = f"{route}, {name}"
        self.answers[where] = attempt.send()
        for kao_id, data_key in attempt.data_keys.items():
            self.secrets |= forms(f"{where}: data key {kao_id}", data_key)
        self.secrets |= parts(f"{where}: token", attempt.token) | parts(f"{where}: proof", str(attempt.proof))
        self.secrets[f"{where}: wrapped key"] = attempt.kao["wrappedKey"][:40]


def parts(name: str, jws: str) -> dict[str, str]:
    """What makes a token or proof usable: both halves of its signature."""
    signature = jws.rpartition(".")[2]
    return {f"{name}, begin": signature[:40], f"{name}, end": signature[-40:]}


def leaks(secrets: dict[str, str], outputs: dict[str, str]) -> list[str]:
    """Which secret is where."""
    return [f"{name} in {where}" for name, text in secrets.items() for where, said in outputs.items() if text in said]


def sign_with_another_key(attempt: Attempt) -> None:
    attempt.resign(new_proof_key())


def change_policy(attempt: Attempt) -> None:
    attempt.policy["body"] = {"x": 1}


def name_unknown_key(attempt: Attempt) -> None:
    attempt.kao["kid"] = "nobody"
    attempt.resign()


def deny(attempt: Attempt) -> None:
    denied = attempt.kit.attempt(policies=[policy(classification="TOP_SECRET")])
    attempt.request, attempt.data_keys, attempt.key, attempt.token = (
        denied.request,
        denied.data_keys,
        denied.key,
        denied.token,
    )


def expire(attempt: Attempt) -> None:
    attempt.token = attempt.kit.access_token(key=attempt.key, override={"claims": {"exp": 1}})


def replay(attempt: Attempt) -> None:
    attempt.send()


def seal(attempt: Attempt) -> None:
    seal_all(attempt, *published_ec_key(attempt.kit))


def seal_badly(attempt: Attempt) -> None:
    seal(attempt)
    attempt.kao["ephemeralPublicKey"] = attempt.receiving.jwk
    attempt.resign()


def put_into_token(attempt: Attempt) -> None:
    send_in_token(attempt, request_token(attempt))


def put_into_token_of_another(attempt: Attempt) -> None:
    send_in_token(attempt, request_token(attempt, new_proof_key()))


SPOILS: dict[str, tuple[int, Callable[[Attempt], object]]] = {
    "released": (200, lambda _: None),
    "released to RSA": (200, lambda _: None),
    "released of sealed": (200, seal),
    "released in a token": (200, put_into_token),
    "badly sealed": (400, seal_badly),
    "token of another": (400, put_into_token_of_another),
    "denied": (403, deny),
    "policy changed": (400, change_policy),
    "another signature": (400, sign_with_another_key),
    "unknown kid": (400, name_unknown_key),
    "no structure": (400, lambda attempt: attempt.kao.pop("kid")),
    "no JSON": (400, lambda attempt: setattr(attempt, "body", b"{")),
    "too large": (413, lambda attempt: setattr(attempt, "body", b" " * (2**20 + 1))),
    "expired token": (401, expire),
    "bad token": (401, lambda attempt: setattr(attempt, "token", attempt.token[:-4] + "AAAA")),
    "another proof key": (401, lambda attempt: setattr(attempt, "proof_key", new_proof_key())),
    "no nonce": (401, lambda attempt: setattr(attempt, "nonce", None)),
    "replayed proof": (401, replay),
    "other method": (401, lambda attempt: attempt.proof_claims.update(htm="GET")),
    "private key in the proof": (
        401,
        lambda attempt: attempt.proof_header.update(jwk={**attempt.key.jwk, "d": "AAAA"}),
    ),
    "credentials twice": (401, lambda attempt: attempt.headers.append(("Authorization", f"DPoP {attempt.token}"))),
}


TDF_SPOILS: dict[str, tuple[int, Callable[[TdfAttempt], object]]] = {
    "released": (200, lambda _: None),
    "bad material": (200, lambda attempt: attempt.kao.update(wrappedKey=base64.b64encode(os.urandom(256)).decode())),
    "bad token": (401, lambda attempt: setattr(attempt, "token", attempt.token[:-4] + "AAAA")),
    "bad request token": (400, lambda attempt: setattr(attempt, "srt_key", new_proof_key())),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A pair that has answered every kind of request."""
    folder = tmp_path_factory.mktemp("canary")
    with running_kit(folder) as kit:
        played = Run(kit, folder / "stderr")
        for name, (_, spoil) in SPOILS.items():
            played.play(name, spoil)
        for route in ROUTES:
            for name, (_, change) in TDF_SPOILS.items():
                played.play_tdf(route, name, change)
        for path in sorted(folder.rglob("*.pem")):
            played.secrets |= private_forms(path)
        yield played


def test_every_kind_of_request_was_answered_as_meant(run: Run) -> None:
    """The search below covers what it says: the statuses are right, and each answer left a line with its id."""
    assert {name: answer.status for name, answer in run.answers.items()} == {
        name: status for name, (status, _) in SPOILS.items()
    } | {f"{route}, {name}": status for route in ROUTES for name, (status, _) in TDF_SPOILS.items()}
    log = run.outputs()["stdout"]
    assert all(answer.headers["X-Request-Id"] in log for answer in run.answers.values())
    assert '"subject":"usa-secret"' in log
    assert {f"{name}.pem in base64" for name in ("rsa", "tdf", "ec", "sig")} <= run.secrets.keys()


def test_every_line_of_it_is_in_the_trail(run: Run) -> None:
    """Whatever the route, the dialect and the answer."""
    assert run.kit.audit_faults() == ()


def test_attack_g02_no_secret_is_in_any_output(run: Run) -> None:
    """Data keys, tokens, proofs, private keys: in no log line and in no answer."""
    secrets = {name: text for name, text in run.secrets.items() if "wrapped key" not in name}
    assert len(secrets) > 100
    assert leaks(secrets, run.outputs()) == []


def test_fault_09_keys_are_released_wrapped_only(run: Run) -> None:
    """The client opens what came back; the key itself did not travel."""
    body = run.answers["released"].json()
    (result,) = body["responses"][0]["results"]
    wrapped = base64.b64decode(result["kasWrappedKey"])
    keys = [text for name, text in run.secrets.items() if name.startswith("released: data key") and "hexa" in name]
    assert keys
    assert all(key not in wrapped.hex() for key in keys)


def test_fault_22_bodies_are_not_logged(run: Run) -> None:
    """Not even what is encrypted in them."""
    outputs = run.outputs()
    wrapped = [text for name, text in run.secrets.items() if name.endswith("wrapped key")]
    assert len(wrapped) == len(SPOILS) + len(ROUTES) * len(TDF_SPOILS)
    assert not [text for text in wrapped if text in outputs["stdout"] or text in outputs["stderr"]]


def test_search_finds_what_is_there(run: Run) -> None:
    """One that leaks is found, in each form that a key may take."""
    key = bytes(range(200, 232))
    shown = [key.hex(), base64.b64encode(key).decode(), base64.urlsafe_b64encode(key).decode(), repr(key)]
    planted = {"log": " ".join([*shown, key.decode("latin-1")])}
    assert len(leaks(forms("key", key), planted)) == 5
    attempt = run.kit.attempt()
    assert len(leaks(parts("token", attempt.token), {"log": f"refused {attempt.token}"})) == 2


# ---- The search of the whole run's outputs (`tests/canaries.py`)


@pytest.mark.parametrize("before", range(8))
def test_a_data_key_is_found_in_every_form_and_wherever_it_begins(tmp_path: Path, before: int) -> None:
    key = bytes(range(150, 182))
    canaries = Canaries()
    canaries.watch(tmp_path)
    canaries.keep_key("planted", key)
    for number, text in enumerate(forms("", key).values()):
        (tmp_path / f"log-{number}").write_bytes(("\n" * before + text).encode("latin-1"))
    found = {leak.rpartition("/")[2] for leak in canaries.leaks()}
    assert found == {f"log-{number}:{before + 1}" for number in range(5)}


def test_a_data_key_is_found_in_the_escapes_of_json(tmp_path: Path) -> None:
    """The whole of it: a few bytes that look alike in a stranger's path are none."""
    key = bytes([*range(24, 40), *range(150, 166), *b'"\\\n\t'])
    canaries = Canaries()
    canaries.watch(tmp_path)
    canaries.keep_key("planted", key)
    (tmp_path / "log").write_text("\n" + json.dumps({"path": "/" + key.decode("latin-1")}))
    (tmp_path / "log-of-others").write_text(json.dumps({"path": "/" + key[20:24].decode("latin-1")}))
    assert {leak.rpartition("/")[2] for leak in canaries.leaks()} == {"log:2"}


def test_a_private_key_is_found_in_whichever_output(tmp_path: Path, run: Run) -> None:
    canaries = Canaries()
    canaries.watch(tmp_path, run.kit.log.parent / "keys")
    for kind, output in (("rsa", "stderr"), ("ec", "answers"), ("sig", "log")):
        (tmp_path / output).write_bytes((run.kit.log.parent / f"keys/{kind}.pem").read_bytes())
    assert {"answers:2", "log:2", "stderr:2"} <= {leak.rpartition("/")[2] for leak in canaries.leaks()}


def test_the_search_covers_what_every_kit_sends_and_writes(run: Run, tmp_path: Path) -> None:
    """Token, proof and data key of any request are known, and so are the files; none of them is empty."""
    attempt = run.kit.attempt()
    attempt.send()
    tdf = TdfAttempt.good(run.kit)
    tdf.send()
    planted = tmp_path / "log"
    texts = [attempt.token, str(attempt.proof), attempt.data_keys["kao-0-0"].hex()]
    planted.write_text("\n".join([*texts, tdf.token, str(tdf.proof), tdf.data_keys["kao-0"].hex()]), "utf-8")
    lines = {leak.rpartition(":")[2] for leak in CANARIES._leaks_in(planted)}
    assert lines == {str(line) for line in range(1, 7)}
    searched = {path.name: path.stat().st_size for path in CANARIES.outputs() if path.parent == run.kit.log.parent}
    assert searched.keys() == {"log", "stderr", "answers"}
    assert min(searched["log"], searched["answers"]) > 10_000


def test_the_search_covers_answers_over_sockets(run: Run) -> None:
    """Those that a test reads byte by byte, and the credentials that it sends so."""
    canaries, key = Canaries(), bytes(range(100, 132))
    canaries.keep_key("planted", key)
    canaries.hear(Answer(200, Message(), b"{}\n" + key.hex().encode()))
    assert canaries.leaks() == ["data key planted in hexadecimal: answers over sockets:3"]
    attempt = run.kit.attempt()
    answer = exchange(run.kit.base, head_of(attempt, "Content-Length: 0"), "POST")
    heard = Canaries()
    heard._names, heard._heard = CANARIES._names, [CANARIES._heard[-1] + str(attempt.proof).encode()]
    assert answer.headers["X-Request-Id"].encode() in heard._heard[0]
    assert heard.leaks() == ["signature in DPoP: answers over sockets:3"]


def test_the_search_covers_a_kas_in_production_mode(tmp_path: Path) -> None:
    """Its keys too."""
    with production_kas(tmp_path) as service:
        assert Http()("GET", f"{service.base}/health").status == 403
    assert {path.name for path in CANARIES.outputs() if path.parent == tmp_path} == {"log", "stderr"}
    assert tmp_path in CANARIES._key_folders


PLANTED = """
from pathlib import Path
from tests.canaries import CANARIES

def test_that_passes():
    key = bytes(range(100, 132))
    folder = Path(__file__).parent
    CANARIES.watch(folder)
    CANARIES.keep_key("planted", key)
    (folder / "log").write_text("{}" + key.hex())
"""


def test_a_run_whose_output_shows_a_secret_fails_though_its_tests_pass(tmp_path: Path) -> None:
    """With the hooks of this suite."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_configure\n", "utf-8")
    (tmp_path / "test_planted.py").write_text(PLANTED, "utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
    )
    said = ended.stdout.decode()
    assert "1 passed" in said
    assert "data key planted in hexadecimal: " in said
    assert ended.returncode == 1


@pytest.mark.parametrize("show", [repr, str, ascii, "{}".format, "{0!r}".format, "%s".__mod__, lambda key: repr([key])])
def test_attack_g02_data_key_has_no_readable_form(show: Callable[[object], str]) -> None:
    """However it is formatted, alone or within something else."""
    material = b"canary-canary-canary-canary-4711"
    shown = show(DataKey(material))
    assert "canary" not in shown
    assert not any(form in shown for form in forms("key", material).values())


def test_attack_g02_data_key_is_not_serialised() -> None:
    """It cannot leave by way of a cache or a queue."""
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(DataKey(bytes(32)), protocol)
