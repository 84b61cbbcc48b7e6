"""Who may do what: roles on resources, inherited from the key ring and the project as Google inherits them.

The roles are those that a deployment of the KAS gives, with the permissions that the stand-in asks for.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from threading import Lock
from typing import Final

from google.iam.v1 import policy_pb2

from local.google.names import with_ancestors
from local.google.status import GoogleError, invalid, not_stood_in_for

_KMS_READS: Final = frozenset(
    f"cloudkms.{kind}.{verb}" for kind in ("keyRings", "cryptoKeys", "cryptoKeyVersions") for verb in ("get", "list")
)
_DECRYPTS: Final = frozenset({"cloudkms.cryptoKeyVersions.useToDecrypt"})
_ENCRYPTS: Final = frozenset({"cloudkms.cryptoKeyVersions.useToEncrypt"})
_SECRET_READS: Final = frozenset(
    {f"secretmanager.{kind}.{verb}" for kind in ("secrets", "versions") for verb in ("get", "list")}
    | {"secretmanager.secrets.getIamPolicy"}
)
_ACCESSES: Final = frozenset({"secretmanager.versions.access"})
_ADDS: Final = frozenset({"secretmanager.versions.add"})
_KMS_ADMIN: Final = _KMS_READS | {
    f"cloudkms.{kind}.{verb}"
    for kind, verbs in {
        "keyRings": ("create", "getIamPolicy", "setIamPolicy"),
        "cryptoKeys": ("create", "update", "getIamPolicy", "setIamPolicy"),
        "cryptoKeyVersions": ("create", "update", "destroy", "restore"),
    }.items()
    for verb in verbs
}
_VERSION_MANAGER: Final = _ADDS | {
    f"secretmanager.versions.{v}" for v in ("get", "list", "enable", "disable", "destroy")
}
_SECRET_ADMIN: Final = (
    _SECRET_READS
    | _ACCESSES
    | _VERSION_MANAGER
    | {f"secretmanager.secrets.{verb}" for verb in ("create", "delete", "update", "setIamPolicy")}
)
_PUBLIC_KEYS: Final = frozenset({"cloudkms.cryptoKeyVersions.viewPublicKey"})
ROLES: Final[Mapping[str, frozenset[str]]] = {
    # Administration without any use of a key: duties are separate.
    "roles/cloudkms.admin": _KMS_ADMIN,
    "roles/cloudkms.viewer": _KMS_READS,
    "roles/cloudkms.publicKeyViewer": _PUBLIC_KEYS,
    "roles/cloudkms.cryptoKeyDecrypter": _DECRYPTS,
    "roles/cloudkms.cryptoKeyEncrypter": _ENCRYPTS,
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": _DECRYPTS | _ENCRYPTS,
    "roles/secretmanager.admin": _SECRET_ADMIN,
    "roles/secretmanager.viewer": _SECRET_READS,
    "roles/secretmanager.secretAccessor": _ACCESSES,
    "roles/secretmanager.secretVersionAdder": _ADDS,
    "roles/secretmanager.secretVersionManager": _VERSION_MANAGER,
    "roles/owner": _KMS_ADMIN | _DECRYPTS | _ENCRYPTS | _PUBLIC_KEYS | _SECRET_ADMIN,
}
_MEMBER: Final = re.compile(
    r"(?:user|(?:deleted:)?serviceAccount|group):[^\s:@]+@[^\s:@]+|allUsers|allAuthenticatedUsers"
)


class Policies:
    """The policy of each resource that has one; ``roles`` and their permissions are those that there are."""

    def __init__(self, roles: Mapping[str, frozenset[str]] = ROLES) -> None:
        self.roles = roles
        self._policies: dict[str, policy_pb2.Policy] = {}
        self._lock = Lock()

    def allows(self, member: str, permission: str, resource: str) -> bool:
        """Whether a role on the resource or above it gives the permission to the member."""
        holders = {member, "allUsers", "allAuthenticatedUsers"}
        for name in with_ancestors(resource):
            for binding in self.read(name).bindings:
                if permission in self.roles[binding.role] and holders & set(binding.members):
                    return True
        return False

    def read(self, resource: str) -> policy_pb2.Policy:
        """A copy; the empty policy where none was ever set."""
        with self._lock:
            copy = policy_pb2.Policy(version=1)
            copy.MergeFrom(self._policies.get(resource, copy))
            return copy

    def write(self, resource: str, policy: policy_pb2.Policy) -> policy_pb2.Policy:
        """Replaces the policy. Raises GoogleError; ABORTED when it was read before another change."""
        self.check(resource, policy)
        with self._lock:
            held = self._policies.get(resource)
            if policy.etag and policy.etag != (held.etag if held else b""):
                raise GoogleError("ABORTED", "There were concurrent policy changes. Please retry the whole change.")
            kept = policy_pb2.Policy(version=1, etag=secrets.token_bytes(8))
            kept.bindings.extend(binding for binding in policy.bindings if binding.members)
            kept.audit_configs.extend(policy.audit_configs)
            self._policies[resource] = kept
        return self.read(resource)

    def give(self, resource: str, role: str, member: str) -> None:
        """Adds one member to a role."""
        policy = self.read(resource)
        policy.bindings.add(role=role, members=[member])
        self.write(resource, policy)

    def take(self, resource: str, role: str, member: str) -> None:
        """Takes a member from a role. Raises GoogleError when he did not have it there."""
        policy = self.read(resource)
        bindings = [binding for binding in policy.bindings if binding.role == role and member in binding.members]
        if not bindings:
            raise invalid(f"{member} does not have {role} on {resource}.")
        for binding in bindings:
            binding.members.remove(member)
        self.write(resource, policy)

    def check(self, resource: str, policy: policy_pb2.Policy) -> None:
        """Raises GoogleError for a role or member that Google would not take, or that is not stood in for."""
        if policy.audit_configs:
            raise not_stood_in_for(f"audit configurations of {resource}")
        for binding in policy.bindings:
            if binding.role not in self.roles:
                raise invalid(f"Role {binding.role} is not supported for this resource.")
            if binding.HasField("condition"):
                raise not_stood_in_for("conditions of bindings")
            for member in binding.members:
                if not _MEMBER.fullmatch(member):
                    raise invalid(f"The member {member} is of an unknown type.")
