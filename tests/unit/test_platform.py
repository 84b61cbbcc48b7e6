"""What OpenTDF clients ask besides, with few keys or none: they are told what there is."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.auth.issuers import Issuer
from kas.errors import ConfigError, PublicKeyUnknown
from kas.keys.registry import KeyRecord, KeyRegistry
from kas.keys.software import SoftwareKeyService, UnwrapPrivateKey
from kas.platform import Platform
from kas.policy.attributes import load_attributes
from local.processes import ROOT

OPENTDF, ACP240 = frozenset({"opentdf"}), frozenset({"acp240"})
SECRET = "https://kas.example/attr/classification/value/secret"
KEYS: dict[str, UnwrapPrivateKey] = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "rsa-big": rsa.generate_private_key(65537, 4096),
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "ec-big": ec.generate_private_key(ec.SECP521R1()),
}
RECORDS = {
    "rsa": KeyRecord("rsa", "RSA-2048", "active", OPENTDF),
    "rsa-big": KeyRecord("rsa-big", "RSA-4096", "active", OPENTDF),
    "ec": KeyRecord("ec", "P-256", "active", ACP240 | OPENTDF),
    "ec-big": KeyRecord("ec-big", "P-521", "active", OPENTDF),
    "rsa-old": KeyRecord("rsa", "RSA-2048", "decrypt-only", OPENTDF),
    "rsa-other": KeyRecord("rsa", "RSA-2048", "active", ACP240),
}
ISSUER = Issuer("https://idp.example", "https://idp.example/jwks", "kas", frozenset(), {}, {}, frozenset())


def platform(*records: str, base_key: str | None = None, issuer: Issuer = ISSUER) -> Platform:
    return Platform(
        kas_id="kas",
        kas_uri="https://kas.example/kas",
        issuers=(issuer,),
        registry=KeyRegistry(tuple(RECORDS[name] for name in records)),
        key_service=SoftwareKeyService(KEYS),
        definitions=load_attributes(ROOT / "config" / "attributes.json"),
        base_key=base_key,
        nonce_required=False,
    )


def mapped_kids(asked: Platform) -> tuple[list[str], list[str]]:
    """The keys that both answers about attribute values name."""

    def kids(keys: list[dict[str, Any]]) -> list[str]:
        return [key["publicKey"]["kid"] for key in keys]

    mapping = asked.key_mappings((SECRET,))["fqnKeyMappings"][SECRET]
    value = asked.attribute_values((SECRET,))["fqnAttributeValues"][SECRET]["value"]
    return kids(mapping["keys"]), kids(value["kasKeys"])


@pytest.mark.parametrize(
    ("records", "kids"),
    [
        (["ec-big", "ec", "rsa-big", "rsa"], ["rsa"]),
        (["ec-big", "ec", "rsa-big"], ["rsa-big"]),
        (["ec-big", "ec", "rsa-old", "rsa-other"], ["ec"]),
        (["ec-big"], ["ec-big"]),
        (["rsa-old", "rsa-other"], []),
        ([], []),
    ],
    ids=str,
)
def test_attribute_values_name_the_first_active_key_of_opentdf_or_none(records, kids):
    assert mapped_kids(platform(*records)) == (kids, kids)


def test_attribute_values_name_the_preferred_key():
    assert mapped_kids(platform("rsa", "ec", base_key="ec:secp256r1")) == (["ec"], ["ec"])


@pytest.mark.parametrize("records", [[], ["ec"], ["rsa-old", "ec"], ["rsa-other", "ec"]], ids=str)
def test_a_public_key_without_algorithm_stays_rsa_2048(records):
    """An old client takes whatever it gets for that."""
    with pytest.raises(PublicKeyUnknown):
        platform(*records).public_key("", "", "")
    assert platform(*records, "rsa").public_key("", "", "")["kid"] == "rsa"


@pytest.mark.parametrize("records", [[], ["ec"], ["rsa-old", "ec"], ["rsa-other", "ec"]], ids=str)
def test_a_preferred_key_that_is_not_active_for_opentdf_is_a_fault_of_configuration(records):
    with pytest.raises(ConfigError, match="KAS_OPENTDF_BASE_KEY: no active key for OpenTDF is rsa:2048"):
        platform(*records, base_key="rsa:2048")


def test_an_issuer_without_endpoints_has_none_in_the_configuration():
    """An empty address would be asked."""
    idp = platform().well_known()["idp"]
    assert idp == {"issuer": "https://idp.example", "jwks_uri": "https://idp.example/jwks"}
    whole = dataclasses.replace(ISSUER, authorization_endpoint="https://a.example", token_endpoint="https://t.example")
    assert platform(issuer=whole).well_known()["idp"] == idp | {
        "authorization_endpoint": "https://a.example",
        "token_endpoint": "https://t.example",
    }


def test_each_kas_makes_its_certificates_once():
    asked = platform("ec", "rsa")
    first = asked.legacy_public_key("ec:secp256r1")
    assert first.startswith("-----BEGIN CERTIFICATE-----")
    assert asked.legacy_public_key("ec:secp256r1") == first
    assert asked.legacy_public_key("").startswith("-----BEGIN PUBLIC KEY-----")
