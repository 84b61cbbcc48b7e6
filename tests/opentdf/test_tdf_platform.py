"""What stands in for the OpenTDF platform: public keys, configuration, key access servers, attributes, health."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.kit import Kit, refused
from tests.opentdf import wire
from tests.opentdf.answers import connect_error
from tests.opentdf.key_folder import ACTIVE, KeyFolder
from tests.opentdf.pieces import pem
from tests.opentdf.procedures import (
    HEALTH,
    LEGACY,
    MAPPINGS,
    PUBLIC_KEY,
    SERVERS,
    VALUES,
    WELL_KNOWN,
    get,
    post,
    success,
)

COI = "https://kas.example/attr/coi/value/nato"
SECRET = "https://kas.example/attr/classification/value/secret"
UNKNOWN = "https://kas.example/attr/classification/value/nothing"
EC_NAMES = [name for name in ACTIVE if name.startswith("ec:")]


def ask(kit: Kit, path: str, **asked: Any) -> Any:
    return json.loads(success(post(kit, path, "json", json.dumps(asked).encode()), "json"))


def ask_proto(kit: Kit, path: str, *fields: tuple[int, wire.Value]) -> dict[int, list[bytes | int]]:
    return wire.fields(success(post(kit, path, "proto", wire.message(*fields)), "proto"))


# ---- Public keys


@pytest.mark.parametrize("name", ACTIVE)
def test_public_key_gives_the_active_key_of_each_algorithm(tdf_kit: Kit, key_folder: KeyFolder, name: str) -> None:
    expected = (pem(key_folder.private[ACTIVE[name]]), ACTIVE[name])
    as_json = ask(tdf_kit, PUBLIC_KEY.path, algorithm=name)
    assert (as_json["publicKey"], as_json["kid"]) == expected
    as_proto = ask_proto(tdf_kit, PUBLIC_KEY.path, (1, name), (2, "pkcs8"))
    assert (wire.text(as_proto, 1), wire.text(as_proto, 2)) == expected
    for path in ("/kas/v2/kas_public_key", "/kas/kas_public_key"):
        answer = tdf_kit.http("GET", f"{tdf_kit.base}{path}?algorithm={name}&fmt=pkcs8&v=2")
        assert (answer.json()["publicKey"], answer.json()["kid"]) == expected


def test_without_algorithm_the_key_is_rsa_2048(tdf_kit: Kit) -> None:
    assert ask(tdf_kit, PUBLIC_KEY.path)["kid"] == ACTIVE["rsa:2048"]
    assert wire.text(ask_proto(tdf_kit, PUBLIC_KEY.path), 2) == ACTIVE["rsa:2048"]
    assert tdf_kit.http("GET", f"{tdf_kit.base}/kas/v2/kas_public_key").json()["kid"] == ACTIVE["rsa:2048"]


@pytest.mark.parametrize("name", ACTIVE)
def test_a_key_is_had_as_jwk_too(tdf_kit: Kit, key_folder: KeyFolder, name: str) -> None:
    jwk = json.loads(ask(tdf_kit, PUBLIC_KEY.path, algorithm=name, fmt="jwk")["publicKey"])
    assert (jwk["kid"], jwk["use"]) == (ACTIVE[name], "enc")
    assert jwk["kty"] == ("RSA" if name.startswith("rsa") else "EC")
    assert not {"d", "p", "q", "dp", "dq", "qi"} & jwk.keys()
    numbers = key_folder.private[ACTIVE[name]].public_key().public_numbers()
    number = numbers.n if isinstance(numbers, rsa.RSAPublicNumbers) else numbers.x
    assert int.from_bytes(_unpadded(jwk["n" if jwk["kty"] == "RSA" else "x"])) == number


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_version_1_omits_the_kid(tdf_kit: Kit) -> None:
    assert set(ask(tdf_kit, PUBLIC_KEY.path, v="1")) == {"publicKey"}
    assert set(tdf_kit.http("GET", f"{tdf_kit.base}/kas/v2/kas_public_key?v=1").json()) == {"publicKey"}
    assert set(ask_proto(tdf_kit, PUBLIC_KEY.path, (3, "1"))) == {1}


@pytest.mark.parametrize("asked", [{"algorithm": "rsa:1024"}, {"algorithm": "RSA:2048"}, {"fmt": "x509"}], ids=str)
def test_a_key_that_is_not_published_is_not_found(tdf_kit: Kit, asked: dict[str, str]) -> None:
    connect_error(post(tdf_kit, PUBLIC_KEY.path, "json", json.dumps(asked).encode()), 404, "public_key_unknown: ")
    ((name, value),) = asked.items()
    answer = tdf_kit.http("GET", f"{tdf_kit.base}/kas/v2/kas_public_key?{name}={value}")
    refused(answer, 404, "not_found", "public_key_unknown")


def test_a_kas_without_such_a_key_says_not_found(kit: Kit) -> None:
    """The default pair has no RSA-4096 key."""
    connect_error(post(kit, PUBLIC_KEY.path, "proto", wire.message((1, "rsa:4096"))), 404, "public_key_unknown: ")


@pytest.mark.parametrize("header", ["Bearer x", "DPoP", "Basic eDp5", "Bearer a.b.c"])
def test_public_procedures_tolerate_credentials(tdf_kit: Kit, header: str) -> None:
    success(post(tdf_kit, PUBLIC_KEY.path, "json", b"{}", ("Authorization", header)), "json")
    assert tdf_kit.http("GET", f"{tdf_kit.base}/kas/v2/kas_public_key", [("Authorization", header)]).status == 200


def test_legacy_public_key_of_rsa_is_a_bare_text(tdf_kit: Kit, key_folder: KeyFolder) -> None:
    expected = pem(key_folder.private[ACTIVE["rsa:2048"]])
    assert ask(tdf_kit, LEGACY.path) == expected
    assert wire.text(ask_proto(tdf_kit, LEGACY.path, (1, "rsa:2048")), 1) == expected


@pytest.mark.parametrize("name", EC_NAMES)
def test_legacy_public_key_of_ec_is_a_certificate(tdf_kit: Kit, key_folder: KeyFolder, name: str) -> None:
    for text in (ask(tdf_kit, LEGACY.path, algorithm=name), wire.text(ask_proto(tdf_kit, LEGACY.path, (1, name)), 1)):
        certificate = x509.load_pem_x509_certificate(text.encode())
        public = certificate.public_key()
        assert isinstance(public, ec.EllipticCurvePublicKey)
        assert pem(public) == pem(key_folder.private[ACTIVE[name]])
        assert certificate.not_valid_after_utc.year == 9999


def test_a_legacy_certificate_vouches_for_nothing(tdf_kit: Kit) -> None:
    """The key inside did not sign it."""
    for name in EC_NAMES:
        certificate = x509.load_pem_x509_certificate(ask(tdf_kit, LEGACY.path, algorithm=name).encode())
        with pytest.raises(InvalidSignature):
            certificate.verify_directly_issued_by(certificate)


def test_a_legacy_certificate_is_made_once(tdf_kit: Kit) -> None:
    """Making one costs a key and a signature, and anybody may ask."""
    for name in EC_NAMES:
        assert len({ask(tdf_kit, LEGACY.path, algorithm=name) for _ in range(4)}) == 1
    assert len({ask(tdf_kit, LEGACY.path, algorithm=name) for name in EC_NAMES}) == len(EC_NAMES)


# ---- Configuration


def test_the_configuration_is_one_document_by_every_way(tdf_kit: Kit) -> None:
    document = tdf_kit.http("GET", f"{tdf_kit.base}/.well-known/opentdf-configuration").json()
    issuer = tdf_kit.world.provider.base
    assert document["platform_issuer"] == document["idp"]["issuer"] == issuer
    assert document["idp"]["token_endpoint"] == f"{issuer}/token"
    assert document["idp"]["authorization_endpoint"] == f"{issuer}/authorize"
    assert document["idp"]["jwks_uri"] == f"{issuer}/jwks.json"
    assert document["health"]["endpoint"] == "/health"
    assert tdf_kit.http("GET", tdf_kit.base + document["health"]["endpoint"]).status == 200
    assert (document["supports_dpop"], document["dpop_nonce_required"]) == (True, False)
    assert "ES256" in document["dpop_signing_alg_values_supported"]
    assert "base_key" not in document
    assert ask(tdf_kit, WELL_KNOWN.path) == {"configuration": document}
    assert json.loads(success(get(tdf_kit, WELL_KNOWN.path, "json", b"{}"), "json")) == {"configuration": document}


def test_the_issuer_in_the_configuration_has_a_discovery_document(tdf_kit: Kit) -> None:
    document = tdf_kit.http("GET", f"{tdf_kit.base}/.well-known/opentdf-configuration").json()
    discovery = tdf_kit.http("GET", f"{document['platform_issuer']}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == document["platform_issuer"]
    assert discovery["token_endpoint"] == document["idp"]["token_endpoint"]


def test_the_configuration_in_protobuf_is_a_struct(tdf_kit: Kit) -> None:
    (struct,) = wire.messages(ask_proto(tdf_kit, WELL_KNOWN.path), 1)
    entries = {wire.text(entry, 1): next(iter(wire.messages(entry, 2))) for entry in wire.messages(struct, 1)}
    assert wire.text(entries["platform_issuer"], 3) == tdf_kit.world.provider.base
    assert entries["supports_dpop"] == {4: [1]}


def test_a_preferred_key_and_required_nonces_are_announced_where_set(strict_kit: Kit) -> None:
    document = strict_kit.http("GET", f"{strict_kit.base}/.well-known/opentdf-configuration").json()
    assert document["dpop_nonce_required"] is True
    base_key = document["base_key"]
    assert (base_key["kas_uri"], base_key["kas_id"]) == (f"{strict_kit.base}/kas", "kas-local")
    assert set(base_key["public_key"]) == {"algorithm", "kid", "pem"}
    assert (base_key["public_key"]["algorithm"], base_key["public_key"]["kid"]) == ("ec:secp256r1", "ec-256")
    assert isinstance(load_pem_public_key(base_key["public_key"]["pem"].encode()), ec.EllipticCurvePublicKey)


# ---- Registry, attributes, health


def test_the_one_key_access_server_is_listed(tdf_kit: Kit) -> None:
    listed = ask(tdf_kit, SERVERS.path)
    (server,) = listed["keyAccessServers"]
    assert server["uri"] == f"{tdf_kit.base}/kas"
    assert listed["pagination"]["total"] == 1
    read = ask_proto(tdf_kit, SERVERS.path)
    (as_proto,) = wire.messages(read, 1)
    assert (wire.text(as_proto, 2), wire.text(as_proto, 20)) == (server["uri"], server["name"])
    (pagination,) = wire.messages(read, 10)
    assert pagination == {3: [1]}


def test_key_mappings_name_rule_and_key_of_each_known_value(tdf_kit: Kit, key_folder: KeyFolder) -> None:
    found = ask(tdf_kit, MAPPINGS.path, fqns=[SECRET, COI, UNKNOWN])["fqnKeyMappings"]
    assert {fqn: one["rule"] for fqn, one in found.items()} == {
        SECRET: "ATTRIBUTE_RULE_TYPE_ENUM_HIERARCHY",
        COI: "ATTRIBUTE_RULE_TYPE_ENUM_ALL_OF",
    }
    (key,) = found[SECRET]["keys"]
    assert (key["kasUri"], key["publicKey"]["kid"]) == (f"{tdf_kit.base}/kas", ACTIVE["rsa:2048"])
    assert key["publicKey"]["algorithm"] == "ALGORITHM_RSA_2048"
    assert key["publicKey"]["pem"] == pem(key_folder.private[ACTIVE["rsa:2048"]])


def test_key_mappings_in_protobuf_have_the_numbers_of_the_policy_service(strict_kit: Kit) -> None:
    """HIERARCHY is 3; the preferred key of this KAS is on P-256, which is 3 as well."""
    (entry,) = wire.messages(ask_proto(strict_kit, MAPPINGS.path, (1, SECRET), (1, UNKNOWN)), 1)
    assert wire.text(entry, 1) == SECRET
    (mapping,) = wire.messages(entry, 2)
    assert mapping[1] == [3]
    (key,) = wire.messages(mapping, 2)
    assert wire.text(key, 1) == f"{strict_kit.base}/kas"
    (public,) = wire.messages(key, 2)
    assert (public[1], wire.text(public, 2)) == ([3], "ec-256")


def test_attribute_values_come_with_their_attribute(tdf_kit: Kit) -> None:
    upper = SECRET.replace("secret", "SECRET")
    found = ask(tdf_kit, VALUES.path, fqns=[upper])["fqnAttributeValues"]
    assert found[upper] == found[SECRET]
    assert set(found) == {upper, SECRET}
    one = found[upper]
    assert (one["attribute"]["fqn"], one["value"]["fqn"]) == (SECRET.partition("/value/")[0], SECRET)
    assert one["attribute"]["rule"] == "ATTRIBUTE_RULE_TYPE_ENUM_HIERARCHY"
    assert [value["value"] for value in one["attribute"]["values"]][:2] == ["top_secret", "secret"]
    assert one["attribute"]["namespace"]["fqn"] == "https://kas.example"
    (entry,) = wire.messages(ask_proto(tdf_kit, VALUES.path, (1, SECRET)), 1)
    assert wire.text(entry, 1) == SECRET
    (both,) = wire.messages(entry, 2)
    (attribute,), (value,) = wire.messages(both, 1), wire.messages(both, 2)
    assert (attribute[4], wire.text(value, 6)) == ([3], SECRET)


@pytest.mark.parametrize("path", [MAPPINGS.path, VALUES.path])
def test_more_values_than_a_hundred_at_once_are_refused(tdf_kit: Kit, path: str) -> None:
    """Anybody may ask, and the answer is a thousand times as long as the question."""
    assert post(tdf_kit, path, "json", json.dumps({"fqns": [SECRET] * 100}).encode()).status == 200
    for codec, data in (
        ("json", json.dumps({"fqns": [SECRET] * 101}).encode()),
        ("proto", wire.message(*[(1, SECRET)] * 101)),
    ):
        error = connect_error(post(tdf_kit, path, codec, data), 400, "invalid_structure: ")
        assert error["message"].endswith(" fqns: too_many")


@pytest.mark.parametrize("fqn", [UNKNOWN, "", "secret", "https://other.example/attr/a/value/b", "ü" * 600])
def test_a_value_that_nobody_defined_is_not_found(tdf_kit: Kit, fqn: str) -> None:
    """Whoever encrypted under it would lock everybody out."""
    asked = json.dumps({"fqns": [SECRET, fqn]}).encode()
    connect_error(post(tdf_kit, VALUES.path, "json", asked), 404, "attribute_value_unknown: ")
    assert ask(tdf_kit, MAPPINGS.path, fqns=[fqn]) == {"fqnKeyMappings": {}}


def test_health_is_serving_in_each_codec(tdf_kit: Kit) -> None:
    assert ask(tdf_kit, HEALTH.path) == {"status": "SERVING"}
    assert success(post(tdf_kit, HEALTH.path, "proto", b""), "proto") == b"\x08\x01"
    assert tdf_kit.http("GET", f"{tdf_kit.base}/healthz").json() == {"status": "SERVING"}
