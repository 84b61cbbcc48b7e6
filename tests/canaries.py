"""What a KAS under test may not show: data keys, tokens, proofs and private keys of the kits that report here.

A kit reports what it sends and the folder where its processes write. When the run has ended, the files named ``log*``,
``stderr*`` and ``answers*`` there are searched, and a find fails the run. Those are the lines of the KAS and of the
identity provider, what both say on standard error, and what the KAS answered through `Overheard`.

Not searched: what pytest itself prints (a failed assertion shows its values), what tests read from a socket of their
own, what Schemathesis asks through the hooks of ``tests/contract``, and whatever no kit reports. Requests, and what the
provider answers, hold tokens by their nature.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.client import Answer, Http

_WINDOW = 16
_STEP = 8  # between the places that are looked at; so many windows of each secret are known
_LEAST_CHARS = _WINDOW + _STEP - 1
_LEAST_DISTINCT = 6  # of those: what tests make of one letter is no secret
_ESCAPE = re.compile(r'\\(?:u00([0-9a-fA-F]{2})|(["\\/bfnrt]))')
_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_OUTPUTS = ("log*", "stderr*", "answers*")


def forms(name: str, secret: bytes) -> dict[str, str]:
    """The texts in which bytes may show, of outputs that are read as Latin-1."""
    return {
        f"{name} in bytes": secret.decode("latin-1"),
        f"{name} in hexadecimal": secret.hex(),
        f"{name} in base64": base64.b64encode(secret).decode().rstrip("="),
        f"{name} in base64url": base64.urlsafe_b64encode(secret).decode().rstrip("="),
        f"{name} as Python shows it": repr(secret)[2:-1],
    }


def private_forms(path: Path) -> dict[str, str]:
    """The first line of a private key's file, which no public key has, and its private number."""
    text = path.read_text("ascii")
    key = serialization.load_pem_private_key(text.encode(), password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    numbers = key.private_numbers()
    secret = numbers.d if isinstance(numbers, rsa.RSAPrivateNumbers) else numbers.private_value
    data = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
    return {f"{path.name} line 1": text.splitlines()[1]} | forms(path.name, data) | {f"{path.name}": str(secret)}


def _unescaped(line: str) -> str:
    """What a line of JSON says: there, a byte may be six characters."""
    return _ESCAPE.sub(lambda found: _SHORT.get(found[2]) or chr(int(found[1] or "0", 16)), line)


def shown(answer: Answer) -> bytes:
    """Headers and body."""
    return f"{dict(answer.headers)}\n".encode() + answer.body + b"\n"


class Canaries:
    """Secrets, and the folders of the outputs that must not show them."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}  # of a secret, by its first windows
        self._folders: set[Path] = set()
        self._key_folders: set[Path] = set()
        self._heard: list[bytes] = []

    def keep_key(self, name: str, data_key: bytes) -> None:
        """A data key, however it may show."""
        for form, text in forms(f"data key {name}", data_key).items():
            self._keep(form, text)

    def keep_credentials(self, headers: Iterable[tuple[str, str]]) -> None:
        """What makes the tokens and proofs of a request usable: their signatures."""
        for name, value in headers:
            if name.lower() in {"authorization", "dpop"}:
                self._keep(f"signature in {name}", value.rpartition(".")[2])

    def watch(self, folder: Path, keys: Path | None = None) -> None:
        """The outputs in a folder, and the private keys there and in ``keys``."""
        self._folders.add(folder)
        self._key_folders |= {folder} if keys is None else {folder, keys}

    def hear(self, answer: Answer) -> None:
        """An answer that no `Overheard` saw: one that came over a socket."""
        self._heard.append(shown(answer))

    def leaks(self) -> list[str]:
        """Which secret is in which file, or in which of the answers over sockets, at which line."""
        for path in {path for folder in self._key_folders for path in folder.rglob("*.pem")}:
            if b"PRIVATE KEY" in path.read_bytes():
                for form, text in private_forms(path).items():
                    self._keep(form, text)
        found = [leak for path in self.outputs() for leak in self._leaks_in(path)]
        return found + [leak for data in self._heard for leak in self._leaks_of(data, "answers over sockets")]

    def outputs(self) -> list[Path]:
        """The files that are searched."""
        return sorted({path for folder in self._folders for form in _OUTPUTS for path in folder.glob(form)})

    def _keep(self, name: str, text: str) -> None:
        start = text[:_LEAST_CHARS]
        if len(start) == _LEAST_CHARS and len(set(start)) >= _LEAST_DISTINCT:
            self._names |= {start[place : place + _WINDOW]: name for place in range(_STEP)}

    def _leaks_in(self, path: Path) -> Iterator[str]:
        return self._leaks_of(path.read_bytes(), str(path))

    def _leaks_of(self, data: bytes, where: str) -> Iterator[str]:
        text = data.decode("latin-1")
        for place, name in self._found_in(text):
            yield f"{name}: {where}:{text.count(chr(10), 0, place) + 1}"
        for number, line in enumerate(text.split("\n"), 1):
            if "\\" in line:
                yield from (f"{name}: {where}:{number}" for _, name in self._found_in(_unescaped(line)))

    def _found_in(self, text: str) -> Iterator[tuple[int, str]]:
        for place in range(0, len(text), _STEP):
            name = self._names.get(text[place : place + _WINDOW])
            if name is not None:
                yield place, name


CANARIES = Canaries()


class Overheard:
    """An `Http` that reports the credentials it sends, and writes down what the KAS at ``base`` answers."""

    def __init__(self, http: Http, base: str, answers: Path) -> None:
        self._http = http
        self._base = base
        self._answers = answers

    def __call__(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        sent = list(headers)
        CANARIES.keep_credentials(sent)
        answer = self._http(method, url, sent, body)
        if url.startswith(self._base):
            with self._answers.open("ab") as file:
                file.write(shown(answer))
        return answer

    def close(self) -> None:
        self._http.close()


class CanaryWatch:
    """A plugin of pytest that fails the run in whose outputs a secret is."""

    def __init__(self, canaries: Canaries) -> None:
        self._canaries = canaries
        self._leaks: list[str] = []

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._leaks = self._canaries.leaks()
        if self._leaks:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._leaks:
            terminalreporter.section("secrets in the outputs", red=True)
            for leak in self._leaks[:100]:
                terminalreporter.line(leak)
