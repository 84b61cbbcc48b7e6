"""The table of calls: where each is found over HTTP and gRPC, what it takes, whom it asks for which permission."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.cloud import kms_v1
from google.cloud import secretmanager_v1 as sm
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.protobuf import empty_pb2

from local.google import iam, kms, kms_admin, names, secret_manager
from local.google.cloud import Cloud

Handle = Callable[[Cloud, Any], Any]

# Call, verb, suffix and body of REST, field of the name, form of the name, permission.
_KMS_CALLS: Final = """
AsymmetricDecrypt              POST   :asymmetricDecrypt     *                   name                     KEY_VERSION  cryptoKeyVersions.useToDecrypt
GetPublicKey                   GET    /publicKey             -                   name                     KEY_VERSION  cryptoKeyVersions.viewPublicKey
Encrypt                        POST   :encrypt               *                   name                     KEY          cryptoKeyVersions.useToEncrypt
Encrypt                        POST   :encrypt               *                   name                     KEY_VERSION  cryptoKeyVersions.useToEncrypt
Decrypt                        POST   :decrypt               *                   name                     KEY          cryptoKeyVersions.useToDecrypt
ListKeyRings                   GET    /keyRings              -                   parent                   LOCATION     keyRings.list
GetKeyRing                     GET    -                      -                   name                     KEY_RING     keyRings.get
CreateKeyRing                  POST   /keyRings              key_ring            parent                   LOCATION     keyRings.create
ListCryptoKeys                 GET    /cryptoKeys            -                   parent                   KEY_RING     cryptoKeys.list
GetCryptoKey                   GET    -                      -                   name                     KEY          cryptoKeys.get
CreateCryptoKey                POST   /cryptoKeys            crypto_key          parent                   KEY_RING     cryptoKeys.create
UpdateCryptoKey                PATCH  -                      crypto_key          crypto_key.name          KEY          cryptoKeys.update
UpdateCryptoKeyPrimaryVersion  POST   :updatePrimaryVersion  *                   name                     KEY          cryptoKeys.update
ListCryptoKeyVersions          GET    /cryptoKeyVersions     -                   parent                   KEY          cryptoKeyVersions.list
GetCryptoKeyVersion            GET    -                      -                   name                     KEY_VERSION  cryptoKeyVersions.get
CreateCryptoKeyVersion         POST   /cryptoKeyVersions     crypto_key_version  parent                   KEY          cryptoKeyVersions.create
UpdateCryptoKeyVersion         PATCH  -                      crypto_key_version  crypto_key_version.name  KEY_VERSION  cryptoKeyVersions.update
DestroyCryptoKeyVersion        POST   :destroy               *                   name                     KEY_VERSION  cryptoKeyVersions.destroy
RestoreCryptoKeyVersion        POST   :restore               *                   name                     KEY_VERSION  cryptoKeyVersions.restore
GetIamPolicy                   GET    :getIamPolicy          -                   resource                 KEY_RING     keyRings.getIamPolicy
GetIamPolicy                   GET    :getIamPolicy          -                   resource                 KEY          cryptoKeys.getIamPolicy
SetIamPolicy                   POST   :setIamPolicy          *                   resource                 KEY_RING     keyRings.setIamPolicy
SetIamPolicy                   POST   :setIamPolicy          *                   resource                 KEY          cryptoKeys.setIamPolicy
"""
_SECRET_CALLS: Final = """
AccessSecretVersion   GET     :access        -       name         SECRET_VERSION  versions.access
ListSecrets           GET     /secrets       -       parent       PROJECT         secrets.list
GetSecret             GET     -              -       name         SECRET          secrets.get
CreateSecret          POST    /secrets       secret  parent       PROJECT         secrets.create
UpdateSecret          PATCH   -              secret  secret.name  SECRET          secrets.update
DeleteSecret          DELETE  -              -       name         SECRET          secrets.delete
AddSecretVersion      POST    :addVersion    *       parent       SECRET          versions.add
ListSecretVersions    GET     /versions      -       parent       SECRET          versions.list
GetSecretVersion      GET     -              -       name         SECRET_VERSION  versions.get
EnableSecretVersion   POST    :enable        *       name         SECRET_VERSION  versions.enable
DisableSecretVersion  POST    :disable       *       name         SECRET_VERSION  versions.disable
DestroySecretVersion  POST    :destroy       *       name         SECRET_VERSION  versions.destroy
GetIamPolicy          GET     :getIamPolicy  -       resource     SECRET          secrets.getIamPolicy
SetIamPolicy          POST    :setIamPolicy  *       resource     SECRET          secrets.setIamPolicy
"""
# Call -> what it answers, and what does it. The request is named after the call.
_DOES: Final[Mapping[str, tuple[Any, Handle]]] = {
    "AsymmetricDecrypt": (kms_v1.AsymmetricDecryptResponse, kms.asymmetric_decrypt),
    "GetPublicKey": (kms_v1.PublicKey, kms.get_public_key),
    "Encrypt": (kms_v1.EncryptResponse, kms.encrypt),
    "Decrypt": (kms_v1.DecryptResponse, kms.decrypt),
    "ListKeyRings": (kms_v1.ListKeyRingsResponse, kms_admin.list_key_rings),
    "GetKeyRing": (kms_v1.KeyRing, kms_admin.get_key_ring),
    "CreateKeyRing": (kms_v1.KeyRing, kms_admin.create_key_ring),
    "ListCryptoKeys": (kms_v1.ListCryptoKeysResponse, kms_admin.list_crypto_keys),
    "GetCryptoKey": (kms_v1.CryptoKey, kms_admin.get_crypto_key),
    "CreateCryptoKey": (kms_v1.CryptoKey, kms_admin.create_crypto_key),
    "UpdateCryptoKey": (kms_v1.CryptoKey, kms_admin.update_crypto_key),
    "UpdateCryptoKeyPrimaryVersion": (kms_v1.CryptoKey, kms_admin.update_primary_version),
    "ListCryptoKeyVersions": (kms_v1.ListCryptoKeyVersionsResponse, kms_admin.list_versions),
    "GetCryptoKeyVersion": (kms_v1.CryptoKeyVersion, kms_admin.get_version),
    "CreateCryptoKeyVersion": (kms_v1.CryptoKeyVersion, kms_admin.create_version),
    "UpdateCryptoKeyVersion": (kms_v1.CryptoKeyVersion, kms_admin.update_version),
    "DestroyCryptoKeyVersion": (kms_v1.CryptoKeyVersion, kms_admin.destroy_version),
    "RestoreCryptoKeyVersion": (kms_v1.CryptoKeyVersion, kms_admin.restore_version),
    "AccessSecretVersion": (sm.AccessSecretVersionResponse, secret_manager.access_version),
    "ListSecrets": (sm.ListSecretsResponse, secret_manager.list_secrets),
    "GetSecret": (sm.Secret, secret_manager.get_secret),
    "CreateSecret": (sm.Secret, secret_manager.create_secret),
    "UpdateSecret": (sm.Secret, secret_manager.update_secret),
    "DeleteSecret": (empty_pb2.Empty, secret_manager.delete_secret),
    "AddSecretVersion": (sm.SecretVersion, secret_manager.add_version),
    "ListSecretVersions": (sm.ListSecretVersionsResponse, secret_manager.list_versions),
    "GetSecretVersion": (sm.SecretVersion, secret_manager.get_version),
    "EnableSecretVersion": (sm.SecretVersion, secret_manager.enable_version),
    "DisableSecretVersion": (sm.SecretVersion, secret_manager.disable_version),
    "DestroySecretVersion": (sm.SecretVersion, secret_manager.destroy_version),
    "GetIamPolicy": (policy_pb2.Policy, iam.get_policy),
    "SetIamPolicy": (policy_pb2.Policy, iam.set_policy),
}
_SERVICES: Final[Mapping[str, tuple[str, Any]]] = {
    "cloudkms": ("google.cloud.kms.v1.KeyManagementService", kms_v1),
    "secretmanager": ("google.cloud.secretmanager.v1.SecretManagerService", sm),
}
# Over gRPC, policies of keys are a service of their own; those of secrets are not.
_IAM: Final = "google.iam.v1.IAMPolicy"
_QUOTAS: Final[Mapping[str, str]] = {
    "AsymmetricDecrypt": "crypto",
    "Encrypt": "crypto",
    "Decrypt": "crypto",
    "AccessSecretVersion": "access",
}
_UNLOCKED: Final = frozenset({"GetPublicKey", *_QUOTAS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """``permissions`` are the forms of name that ``field`` may have, each with the permission that it needs.

    ``verb``, ``suffix`` and ``body`` are those of REST: the name comes between ``/v1/`` and the suffix; the body is one
    field, everything (``*``) or nothing. ``quota`` is a kind of `quotas.DEFAULTS`.
    """

    service: str
    name: str
    verb: str
    suffix: str
    body: str
    field: str
    permissions: tuple[tuple[str, str], ...]
    quota: str
    request: Any
    response: Any
    handle: Handle

    @property
    def is_locked(self) -> bool:
        """Whether it waits for changes; the calls that are many do not, and look each thing up once."""
        return self.name not in _UNLOCKED

    def resource_of(self, request: Any) -> str:
        """The name in a request."""
        for part in self.field.split("."):
            request = getattr(request, part)
        return str(request)


def _read(product: str, table: str) -> list[Method]:
    """The rows of a call in several forms of name become one method."""
    methods: dict[str, Method] = {}
    for row in table.strip().splitlines():
        name, *wire, pattern, permission = row.split()
        needs = ((str(getattr(names, pattern)), f"{product}.{permission}"),)
        if name in methods:
            methods[name] = dataclasses.replace(methods[name], permissions=methods[name].permissions + needs)
        else:
            methods[name] = _method(product, name, wire, needs)
    return list(methods.values())


def _method(product: str, name: str, wire: list[str], permissions: tuple[tuple[str, str], ...]) -> Method:
    verb, suffix, body, field = (part.removeprefix("-") for part in wire)
    service, module = _SERVICES[product]
    is_policy = name.endswith("IamPolicy")
    response, handle = _DOES[name]
    return Method(
        service=_IAM if is_policy and product == "cloudkms" else service,
        name=name,
        verb=verb,
        suffix=suffix,
        body=body,
        field=field,
        permissions=permissions,
        quota=f"{product}.{_QUOTAS.get(name, 'read' if verb == 'GET' else 'write')}",
        request=getattr(iam_policy_pb2 if is_policy else module, f"{name}Request"),
        response=response,
        handle=handle,
    )


METHODS: Final = (*_read("cloudkms", _KMS_CALLS), *_read("secretmanager", _SECRET_CALLS))
