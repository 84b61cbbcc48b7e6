"""What the configured files say of other services, held against what we are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kas.config import Settings
from kas.errors import ConfigError
from kas.files import load_files
from kas.google.cloud import Cloud
from kas.jose import to_jwk
from kas.keys.folder import make_local_keys
from local.client.keys import new_proof_key
from tests.host.functions import ISSUERS, write_issuers

BASE = "http://127.0.0.1:8080"


def clock() -> float:
    return 0.0


def entry(keys: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "kas-usa",
        "organisation": "ours",
        "country": "USA",
        "origin": BASE,
        "rewrapUrl": f"{BASE}/rewrap",
        "status": "active",
        "timeoutSeconds": 3,
        "jwks": {"keys": keys},
    }


def environment(folder: Path) -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "KAS_MODE": "local",
        "KAS_ID": "kas-usa",
        "KAS_PUBLIC_BASES": BASE,
        "KAS_ISSUERS_PATH": str(write_issuers(folder, ISSUERS)),
        "KAS_KEYS_DIR": str(folder / "keys"),
    }


def settings(folder: Path, keys: list[dict[str, Any]]) -> Settings:
    path = folder / "federation.json"
    path.write_text(json.dumps({"kases": [entry(keys)], "agreements": []}), "utf-8")
    return Settings.from_environ({**environment(folder), "KAS_FEDERATION_CONFIG_PATH": str(path)})


def test_an_entry_of_ours_with_our_signing_key_is_taken(tmp_path: Path) -> None:
    make_local_keys(tmp_path / "keys")
    without = Settings.from_environ(environment(tmp_path))
    files = load_files(without, Cloud({}, clock, clock), clock)
    assert files.services is None
    kid, key = next(iter(files.keys.signing_keys.items()))
    jwk = {**to_jwk(key.public_key()), "kid": kid}
    services = load_files(settings(tmp_path, [jwk]), Cloud({}, clock, clock), clock).services
    assert services is not None
    assert services.kas_id == "kas-usa"


def test_an_entry_of_ours_without_our_signing_key_stops_the_start(tmp_path: Path) -> None:
    """Partners would refuse whatever we sign."""
    stranger = {**new_proof_key().jwk, "kid": "sig"}
    with pytest.raises(ConfigError, match="does not list its signing key"):
        load_files(settings(tmp_path, [stranger]), Cloud({}, clock, clock), clock)
