"""Standing in for the OpenTDF platform: what its clients ask before they encrypt or decrypt.

Public keys, the well-known configuration, the list of key access servers, the keys for attribute values. All of it is
public and comes from configuration. Answers are in protobuf's JSON form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kas.auth.issuers import Issuer
from kas.crypto.certificate import Certificates
from kas.dataclass import dataclass
from kas.errors import AttributeUnknown, AttributeValueUnknown, ConfigError, PublicKeyUnknown
from kas.jose import ALGORITHMS, to_jwk
from kas.keys.registry import KeyRecord, KeyRegistry, KeyService
from kas.policy.attributes import Definition, Rule, parse_fqn

# OpenTDF's name of a key's algorithm -> ours, and the name in the policy service's enumeration; the preferred first.
_ALGORITHMS: Final[Mapping[str, tuple[str, str]]] = {
    "rsa:2048": ("RSA-2048", "ALGORITHM_RSA_2048"),
    "rsa:4096": ("RSA-4096", "ALGORITHM_RSA_4096"),
    "ec:secp256r1": ("P-256", "ALGORITHM_EC_P256"),
    "ec:secp384r1": ("P-384", "ALGORITHM_EC_P384"),
    "ec:secp521r1": ("P-521", "ALGORITHM_EC_P521"),
}
DEFAULT_ALGORITHM: Final = "rsa:2048"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The stand-in. ``kas_uri`` is the first public base and ``/kas``; ``base_key`` the algorithm of the key that clients
    are told to prefer, None to leave the choice to them.
    """

    kas_id: str
    kas_uri: str
    issuers: tuple[Issuer, ...]
    registry: KeyRegistry
    key_service: KeyService
    definitions: Mapping[str, Definition]
    base_key: str | None
    nonce_required: bool
    certificates: Certificates = field(default_factory=Certificates)

    def __post_init__(self) -> None:
        """Raises ConfigError: a key that clients are told to prefer is there."""
        if self.base_key is not None and self._find(self.base_key) is None:
            raise ConfigError(f"KAS_OPENTDF_BASE_KEY: no active key for OpenTDF is {self.base_key}")

    def public_key(self, algorithm: str, fmt: str, version: str) -> dict[str, str]:
        """``kas.PublicKeyResponse``: SPKI PEM, or a JWK as text. Raises PublicKeyUnknown."""
        record = self._active(algorithm or DEFAULT_ALGORITHM)
        key = self._jwk(record) if fmt == "jwk" else self._pem(record)
        if fmt not in {"", "pkcs8", "jwk"}:
            raise PublicKeyUnknown
        return {"publicKey": key} if version == "1" else {"publicKey": key, "kid": record.kid}

    def legacy_public_key(self, algorithm: str) -> str:
        """SPKI PEM of the RSA key; an EC key as the certificate that old clients expect. Raises PublicKeyUnknown."""
        record = self._active(algorithm or DEFAULT_ALGORITHM)
        if record.is_rsa:
            return self._pem(record)
        return self.certificates.of(record.kid, self.key_service.public_key(record), self.kas_id)

    def well_known(self) -> dict[str, Any]:
        """The configuration document; the first issuer is the one that clients log in with."""
        issuer = self.issuers[0]
        provider = {
            "issuer": issuer.issuer,
            "authorization_endpoint": issuer.authorization_endpoint,
            "token_endpoint": issuer.token_endpoint,
            "jwks_uri": issuer.jwks_url,
        }
        document: dict[str, Any] = {
            "platform_issuer": issuer.issuer,
            "idp": {name: value for name, value in provider.items() if value},
            "health": {"endpoint": "/health"},  # not /healthz, which Google's front end may answer itself
            "supports_dpop": True,
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "dpop_nonce_required": self.nonce_required,
        }
        if self.base_key is not None:
            document["base_key"] = {
                "kas_uri": self.kas_uri,
                "kas_id": self.kas_id,
                "public_key": self._named(self.base_key, self._active(self.base_key)),
            }
        return document

    def key_access_servers(self) -> dict[str, Any]:
        """The one server that there is."""
        return {
            "keyAccessServers": [{"id": self.kas_id, "uri": self.kas_uri, "name": self.kas_id}],
            "pagination": {"currentOffset": 0, "nextOffset": 0, "total": 1},
        }

    def key_mappings(self, fqns: tuple[str, ...]) -> dict[str, Any]:
        """``GetKeyMappingsByFqnsResponse``: for each known value its rule and our key. Unknown ones are left out."""
        found = {fqn: definition for fqn in fqns if (definition := self._definition(fqn)) is not None}
        keys = self._kas_keys()
        mappings = {fqn: {"rule": _rule(known), "keys": keys} for fqn, known in found.items()}
        return {"fqnKeyMappings": _in_both_cases(mappings)}

    def attribute_values(self, fqns: tuple[str, ...]) -> dict[str, Any]:
        """``GetAttributeValuesByFqnsResponse``: for each value its attribute. Raises AttributeValueUnknown."""
        values = {}
        for fqn in fqns:
            definition = self._definition(fqn)
            if definition is None:
                raise AttributeValueUnknown
            values[fqn] = self._attribute_and_value(fqn, definition)
        return {"fqnAttributeValues": _in_both_cases(values)}

    def _attribute_and_value(self, fqn: str, definition: Definition) -> dict[str, Any]:
        name, value = parse_fqn(fqn)
        namespace = name.removeprefix("https://").partition("/")[0]
        # Only the order of a hierarchy means something to a client; all countries for each country asked is 4 MB.
        ordered = definition.entitlements if definition.rule is Rule.HIERARCHY else (value,)
        attribute = {
            "id": name,
            "namespace": {"id": namespace, "name": namespace, "fqn": f"https://{namespace}", "active": True},
            "name": name.rpartition("/")[2],
            "rule": _rule(definition),
            "values": [_value(name, one) for one in ordered],
            "fqn": name,
            "active": True,
        }
        return {"attribute": attribute, "value": {**_value(name, value), "kasKeys": self._kas_keys()}}

    def _definition(self, fqn: str) -> Definition | None:
        try:
            name, value = parse_fqn(fqn)
        except AttributeUnknown:
            return None
        definition = self.definitions.get(name)
        return definition if definition is not None and value in definition.entitlements else None

    def _kas_keys(self) -> list[dict[str, Any]]:
        """The key to wrap to, as the policy service hands it out with attribute values; none where there is none."""
        for name in _ALGORITHMS if self.base_key is None else (self.base_key,):
            record = self._find(name)
            if record is not None:
                key = {**self._named(name, record), "algorithm": _ALGORITHMS[name][1]}
                return [{"kasUri": self.kas_uri, "kasId": self.kas_id, "publicKey": key}]
        return []

    def _named(self, name: str, record: KeyRecord) -> dict[str, str]:
        return {"algorithm": name, "kid": record.kid, "pem": self._pem(record)}

    def _active(self, name: str) -> KeyRecord:
        record = self._find(name)
        if record is None:
            raise PublicKeyUnknown
        return record

    def _find(self, name: str) -> KeyRecord | None:
        if name not in _ALGORITHMS:
            return None
        published = (record for record in self.registry.published() if "opentdf" in record.dialects)
        return next((record for record in published if record.algorithm == _ALGORITHMS[name][0]), None)

    def _pem(self, record: KeyRecord) -> str:
        key = self.key_service.public_key(record)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    def _jwk(self, record: KeyRecord) -> str:
        return json.dumps({**to_jwk(self.key_service.public_key(record)), "kid": record.kid, "use": "enc"})


def _rule(definition: Definition) -> str:
    return f"ATTRIBUTE_RULE_TYPE_ENUM_{definition.rule.value}"


def _value(name: str, value: str) -> dict[str, Any]:
    fqn = f"{name}/value/{value}"
    return {"id": fqn, "value": value, "fqn": fqn, "active": True}


def _in_both_cases(by_fqn: Mapping[str, Any]) -> dict[str, Any]:
    """Some clients look a value up as they asked for it, others in lower case."""
    return {fqn.lower(): answer for fqn, answer in by_fqn.items()} | dict(by_fqn)
