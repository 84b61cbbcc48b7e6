"""Settings of shared stores: how Redis is named, and that nothing starts with half of one."""

from __future__ import annotations

import time

import pytest

from kas.config import Settings
from kas.encoding import b64url_encode
from kas.errors import ConfigError
from kas.google.cloud import Cloud
from kas.state_settings import RedisServer, parse_redis_url
from kas.stores import Stores
from tests.interop.tls_front import make_certificates
from tests.unit.test_config import PRODUCTION

SECRET, OTHER = b64url_encode(b"n" * 32), b64url_encode(b"o" * 32)
REDIS = {
    "KAS_STATE_BACKEND": "redis",
    "KAS_REDIS_URL": "rediss://:hunter2@redis.example:6380/2",
    "KAS_NONCE_SECRET": SECRET,
    "KAS_STATE_KEY": f"{SECRET},{OTHER}",
}
FIRESTORE = {
    "KAS_STATE_BACKEND": "firestore",
    "KAS_GCP_PROJECT": "my-project",
    "KAS_NONCE_SECRET": SECRET,
    "KAS_STATE_KEY": SECRET,
}


def read(**changes):
    return Settings.from_environ({**PRODUCTION, **changes})


def test_redis_is_named_by_one_address():
    """Nothing of it shows where settings are shown."""
    settings = read(**REDIS)
    assert settings.redis == RedisServer("redis.example", 6380, True, 2, ("hunter2",))
    assert settings.state_keys == (b"n" * 32, b"o" * 32)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(settings.redis)
    assert parse_redis_url("rediss://me:a%40b@[::1]") == RedisServer("::1", 6379, True, 0, ("me", "a@b"))
    assert parse_redis_url("redis://127.0.0.1") == RedisServer("127.0.0.1", 6379, False, 0, ())
    assert parse_redis_url("") is None


@pytest.mark.parametrize(
    "url",
    [
        "redis.example",
        "https://:hunter2@redis.example",
        "rediss://redis.example",
        "rediss://name@redis.example",
        "rediss://:hunter2@",
        "rediss://:hunter2@redis.example/16",
        "rediss://:hunter2@redis.example/x",
        "rediss://:hunter2@redis.example/1/2",
        "rediss://:hunter2@redis.example?db=1",
        "rediss://:hunter2@redis.example#1",
        "rediss://:hunter2@redis.example:0",
        "rediss://:secrét@redis.example",
        "redis://:hunter2@redis.example",
        "redis://10.0.0.1",
    ],
)
def test_other_addresses_are_refused_and_not_shown(url):
    """Without a password, without TLS beyond this machine, or with what nobody reads."""
    with pytest.raises(ConfigError, match=r"^KAS_REDIS_URL: must be ") as caught:
        read(**{**REDIS, "KAS_REDIS_URL": url})
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    ("base", "missing", "named"),
    [
        (REDIS, "KAS_REDIS_URL", "KAS_REDIS_URL"),
        (REDIS, "KAS_NONCE_SECRET", "KAS_NONCE_SECRET"),
        (REDIS, "KAS_STATE_KEY", "KAS_STATE_KEY"),
        (FIRESTORE, "KAS_GCP_PROJECT", "KAS_GCP_PROJECT"),
        (FIRESTORE, "KAS_NONCE_SECRET", "KAS_NONCE_SECRET"),
        (FIRESTORE, "KAS_STATE_KEY", "KAS_STATE_KEY"),
    ],
)
def test_half_a_store_is_refused(base, missing, named):
    """Each part that it needs is named."""
    assert read(**base).state_backend != "memory"
    with pytest.raises(ConfigError, match=f"^{named}: "):
        read(**{name: value for name, value in base.items() if name != missing})


def test_no_key_is_needed_where_no_keys_are_kept():
    """For proofs and limits alone."""
    changes = {**REDIS, "KAS_STATE_KEY": "", "KAS_DEK_CACHE_SECONDS": "0"}
    assert read(**changes).state_keys == ()


@pytest.mark.parametrize("more", [{}, {"K_SERVICE": "kas"}])
def test_redis_without_tls_is_for_local_mode(more):
    """Chosen or not, and never on Cloud Run."""
    with pytest.raises(ConfigError, match=r"^KAS_REDIS_URL: must be rediss://"):
        read(KAS_REDIS_URL="redis://127.0.0.1:6379", **more)
    local = {"KAS_MODE": "local", "HOST": "127.0.0.1", "KAS_REDIS_URL": "redis://127.0.0.1:6379"}
    assert read(**local, KAS_PUBLIC_BASES="http://127.0.0.1:8080").redis is not None


@pytest.mark.parametrize("keys", ["x", b64url_encode(b"k" * 31), b64url_encode(b"k" * 33), ",".join([SECRET] * 3)])
def test_state_keys_are_keys_of_aes_256(keys):
    """One, or two while one is changed for another."""
    with pytest.raises(ConfigError, match=r"^KAS_STATE_KEY: must be "):
        read(**{**REDIS, "KAS_STATE_KEY": keys})


@pytest.mark.parametrize("name", ["nowhere.pem", "empty.pem"])
def test_authorities_that_cannot_be_read_stop_the_start(tmp_path, name):
    """Nobody would vouch for the server, and nothing would ever be claimed."""
    (tmp_path / "empty.pem").touch()
    settings = read(**REDIS, KAS_REDIS_CA_PATH=str(tmp_path / name))
    stores = Stores(settings, time.time, time.monotonic, Cloud({}, time.time, time.monotonic), [].append)
    with pytest.raises(ConfigError, match=r"^KAS_REDIS_CA_PATH: "):
        _ = stores.shared


def stores_of(told, **settings) -> Stores:
    return Stores(read(**settings), time.time, time.monotonic, Cloud({}, time.time, time.monotonic), told.append)


def test_authorities_may_stand_in_the_setting_itself(redis_server, tmp_path):
    """As for Memorystore, whose authorities are the server's own: they are believed, and no others."""
    told: list[dict[str, object]] = []
    server = {**REDIS, "KAS_REDIS_URL": redis_server.url}
    assert stores_of(told, **server, KAS_REDIS_CA=redis_server.authority.read_text("ascii")).shared
    assert told == []
    other, _ = make_certificates(tmp_path)
    assert stores_of(told, **server, KAS_REDIS_CA=other.read_text("ascii")).shared
    assert [line["event"] for line in told] == ["state_unchecked"]


@pytest.mark.parametrize(
    "text",
    ["config/ca.pem", "-----BEGIN CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----"],
)
def test_what_is_no_certificate_is_no_authority(text):
    with pytest.raises(ConfigError, match=r"^KAS_REDIS_CA: must be PEM"):
        read(**REDIS, KAS_REDIS_CA=text)


def test_a_certificate_that_cannot_be_read_stops_the_start():
    text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(ConfigError, match=r"^KAS_REDIS_CA: "):
        _ = stores_of([], **REDIS, KAS_REDIS_CA=text).shared


def test_authorities_stand_in_one_place(redis_server):
    path, text = redis_server.authority, redis_server.authority.read_text("ascii")
    with pytest.raises(ConfigError, match=r"^KAS_REDIS_CA: must be empty where KAS_REDIS_CA_PATH is set"):
        read(**REDIS, KAS_REDIS_CA=text, KAS_REDIS_CA_PATH=str(path))


@pytest.mark.parametrize("name", ["", "(other)", "Kas", "kas/x", "a" * 64])
def test_database_has_a_name(name):
    """As Firestore names them."""
    assert read(**FIRESTORE, KAS_FIRESTORE_DATABASE="kas-usa").firestore_database == "kas-usa"
    with pytest.raises(ConfigError, match=r"^KAS_FIRESTORE_DATABASE: "):
        read(**FIRESTORE, KAS_FIRESTORE_DATABASE=name)


def test_several_workers_need_a_shared_store():
    """As many as there may be."""
    assert read(**REDIS, WORKERS="4").state_backend == "redis"
    for workers in ("0", "65", "", "auto"):
        with pytest.raises(ConfigError, match=r"^WORKERS: "):
            read(**REDIS, WORKERS=workers)
