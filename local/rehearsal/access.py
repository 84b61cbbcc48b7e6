"""Policies of a whole project: the roles that a deployment gives beside those of keys and secrets, audit configurations
of projects, and service accounts that must exist before anything is given to them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from google.iam.v1 import policy_pb2

from local.google.names import PROJECT, matches
from local.google.policies import ROLES, Policies
from local.google.status import invalid

OWNER: Final = "roles/owner"
# Who may build from source: the account of a build needs one of them.
BUILDERS: Final = frozenset({"roles/run.builder", "roles/cloudbuild.builds.builder", "roles/editor", OWNER})
_OTHERS: Final = (
    "roles/artifactregistry.reader",
    "roles/artifactregistry.writer",
    "roles/billing.admin",
    "roles/cloudbuild.builds.editor",
    "roles/cloudfunctions.admin",
    "roles/cloudfunctions.invoker",
    "roles/compute.admin",
    "roles/datastore.owner",
    "roles/datastore.user",
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/logging.logWriter",
    "roles/logging.viewer",
    "roles/monitoring.metricWriter",
    "roles/monitoring.viewer",
    "roles/redis.admin",
    "roles/run.admin",
    "roles/run.developer",
    "roles/run.invoker",
    "roles/run.sourceDeveloper",
    "roles/serviceusage.serviceUsageConsumer",
    "roles/storage.admin",
    "roles/storage.objectViewer",
    "roles/viewer",
)
_NONE: Final[frozenset[str]] = frozenset()
_SERVICE_ACCOUNT: Final = "serviceAccount:"


_USERS_OF_DATABASES: Final = frozenset({"roles/datastore.user", OWNER})
# The one form of a condition that is stood in for.
_ON_DATABASE: Final = re.compile(r'resource\.name ?== ?"(projects/[^"/]+/databases/[^"/]+)"')


def _database_of(binding: policy_pb2.Binding) -> str:
    found = _ON_DATABASE.fullmatch(binding.condition.expression)
    return found[1] if found else ""


class ProjectPolicies(Policies):
    """``account_exists`` answers for an address; those of Google's own agents always do."""

    def __init__(self, account_exists: Callable[[str], bool]) -> None:
        super().__init__({**dict.fromkeys((*_OTHERS, *BUILDERS), _NONE), **ROLES})
        self._account_exists = account_exists

    def allows(self, member: str, permission: str, resource: str) -> bool:
        """The owner of a project may do everything in it."""
        project = "/".join(resource.split("/")[:2])
        return self.has_role(project, member, OWNER) or super().allows(member, permission, resource)

    def has_role(self, resource: str, member: str, *roles: str) -> bool:
        """Whether a member has one of the roles on the resource itself."""
        return any(binding.role in roles and member in binding.members for binding in self.read(resource).bindings)

    def may_use(self, member: str, database: str) -> bool:
        """Whether a role of the project lets a member read and write the documents of a database; its condition counts."""
        project = "/".join(database.split("/")[:2])
        return any(
            binding.role in _USERS_OF_DATABASES
            and member in binding.members
            and (not binding.HasField("condition") or _database_of(binding) == database)
            for binding in self.read(project).bindings
        )

    def check(self, resource: str, policy: policy_pb2.Policy) -> None:
        """As elsewhere, and each service account exists. Raises GoogleError."""
        checked = policy_pb2.Policy(bindings=policy.bindings)
        for binding in checked.bindings:
            if matches(resource, PROJECT) and _ON_DATABASE.fullmatch(binding.condition.expression):
                binding.ClearField("condition")
        if not matches(resource, PROJECT):
            checked.audit_configs.extend(policy.audit_configs)
        super().check(resource, checked)
        for binding in policy.bindings:
            for member in binding.members:
                address = member.removeprefix(_SERVICE_ACCOUNT)
                if member != address and not self._account_exists(address):
                    raise invalid(f"Service account {address} does not exist.")

    def forget(self, address: str, unique_id: str) -> None:
        """What a deleted account leaves behind: bindings that a new account of its name does not get."""
        gone = f"{_SERVICE_ACCOUNT}{address}"
        for resource in list(self._policies):
            policy = self.read(resource)
            if any(gone in binding.members for binding in policy.bindings):
                for binding in policy.bindings:
                    kept = [one if one != gone else f"deleted:{gone}?uid={unique_id}" for one in binding.members]
                    binding.members[:] = kept
                self.write(resource, policy)
