"""What answers tell of the machinery behind them: names at most, and no versions."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

from tests.host.functions import exchange
from tests.kit import Kit

MACHINERY = ("gunicorn", "flask", "werkzeug", "functions-framework", "cryptography")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/nowhere"), ("POST", "/rewrap"), ("PUT", "/rewrap")]
)
def test_no_header_has_the_version_of_anything(kit: Kit, method: str, path: str) -> None:
    answer = exchange(kit.base, f"{method} {path} HTTP/1.1\r\nHost: kas\r\nContent-Length: 0\r\n\r\n", method)
    assert answer.headers["X-Request-Id"]
    told = {
        name: value
        for name, value in answer.headers.items()
        if name.lower() not in {"date", "x-request-id", "dpop-nonce"}
    }
    text = " ".join(told.values()) + answer.body.decode()
    assert [name for name in MACHINERY if version(name) in text] == []
    assert re.findall(r"(?i)(?:gunicorn|python|flask|werkzeug)/[0-9]", text) == []
