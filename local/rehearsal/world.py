"""One project of Google Cloud as it is before anything is deployed, and everything that becomes of it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Final

from local.google.answer import Answering
from local.google.cloud import Cloud, new_cloud
from local.google.names import Places
from local.google.setup import LOCATIONS
from local.rehearsal.access import OWNER, ProjectPolicies
from local.rehearsal.authority import Authority
from local.rehearsal.definitions import Definitions
from local.rehearsal.journal import Journal
from local.rehearsal.launch import Fleet
from local.rehearsal.programs import Programs
from local.rehearsal.resources import LongRunning, Resources, timestamp

PROJECT_ID: Final = "my-project"
PROJECT_NUMBER: Final = 123456789012
BILLING_ACCOUNT: Final = "012345-6789AB-CDEF01"
LEAD: Final = "lead@example.com"
_LEAD_TOKEN: Final = "rehearsal-of-the-lead"
# What a new project comes with.
_ENABLED_FROM_THE_START: Final = frozenset(
    f"{name}.googleapis.com"
    for name in ("logging", "monitoring", "serviceusage", "servicemanagement", "storage", "storage-api", "cloudtrace")
)


@dataclass(slots=True, kw_only=True)
class Project:
    """``billing`` is a billing account's id, or nothing."""

    id: str
    number: int
    billing: str = ""
    enabled: set[str] = field(default_factory=lambda: set(_ENABLED_FROM_THE_START))

    @property
    def name(self) -> str:
        return f"projects/{self.id}"

    @property
    def builder(self) -> str:
        """The account that builds unless another is named."""
        return f"{self.number}-compute@developer.gserviceaccount.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``cloud`` and ``keys`` are those of Cloud KMS and Secret Manager; ``fleet`` is what runs of what was deployed.

    ``programs`` are those of others. ``lock`` is held by every call that is not forwarded; ``folder`` is ours alone.
    """

    project: Project
    cloud: Cloud
    keys: Answering
    access: ProjectPolicies
    fleet: Fleet
    definitions: Definitions
    resources: Resources
    folder: Path
    programs: Programs
    authority: Authority
    journal: Journal = field(default_factory=Journal)
    operations: LongRunning = field(default_factory=LongRunning)
    lock: RLock = field(default_factory=RLock)

    def now(self) -> str:
        return timestamp(self.cloud.clock())


def new_world(folder: Path, definitions: Definitions, authority: Authority) -> World:
    """An empty project with billing, owned by the lead. Its default account may build, as in a project without an
    organisation's rules. ``authority`` is what everything that is deployed trusts.
    """
    project = Project(id=PROJECT_ID, number=PROJECT_NUMBER, billing=BILLING_ACCOUNT)
    resources = Resources()
    agents = f"@{PROJECT_ID}.iam.gserviceaccount.com"

    def account_exists(address: str) -> bool:
        return not address.endswith(agents) or resources.has("iam", f"{project.name}/serviceAccounts/{address}")

    access = ProjectPolicies(account_exists)
    access.give(project.name, OWNER, f"user:{LEAD}")
    access.give(project.name, "roles/editor", f"serviceAccount:{project.builder}")
    cloud = new_cloud(
        time.time,
        Places({project.id: project.number}, frozenset(LOCATIONS)),
        tokens={_LEAD_TOKEN: f"user:{LEAD}"},
        quotas={},
        metadata=None,
        hsm_generation_seconds=1,
        policies=access,
    )
    keys = Answering(cloud, time.monotonic, time.sleep)
    return World(
        project=project,
        cloud=cloud,
        keys=keys,
        access=access,
        fleet=Fleet(cloud, keys, folder, authority.trust),
        definitions=definitions,
        resources=resources,
        folder=folder,
        programs=Programs(folder),
        authority=authority,
    )
