"""Budgets, which belong to a billing account; and the repository of images with its cleaning up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from local.google.status import GoogleError, invalid
from local.rehearsal.answer import Call, Handle
from local.rehearsal.resources import Json, new_id
from local.rehearsal.standard import Collection, get_operation, merged
from local.rehearsal.world import BILLING_ACCOUNT, World

_REPOSITORY_ID: Final = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


def budget_id(world: World, call: Call) -> str:
    if call.resource != f"billingAccounts/{BILLING_ACCOUNT}":
        raise GoogleError("PERMISSION_DENIED", "The caller does not have permission")
    return new_id()


def check_budget(world: World, name: str, value: Json) -> Json:
    """Projects are shown by number, however they were named."""
    if not {"specifiedAmount", "lastPeriodAmount"} & value["amount"].keys():
        raise invalid("Budget.amount must be set.")
    for rule in value.get("thresholdRules", []):
        if rule.get("thresholdPercent", 0) <= 0:
            raise invalid("A threshold must be above 0; 1.0 is 100 %.")
    for channel in value.get("notificationsRule", {}).get("monitoringNotificationChannels", []):
        world.resources.find("monitoring.projects.notificationChannels", channel)
    sifted = value.get("budgetFilter", {})
    defaults = {"calendarPeriod": "MONTH", "creditTypesTreatment": "INCLUDE_ALL_CREDITS"}
    kept = {**defaults, **sifted}
    if "projects" in kept:
        kept["projects"] = [f"projects/{_number(world, project)}" for project in kept["projects"]]
    return {**value, "name": name, "budgetFilter": kept}


def _number(world: World, project: str) -> int:
    own = world.project
    if project.removeprefix("projects/") not in {own.id, str(own.number)}:
        raise invalid(f"Project {project} is not one of this billing account.")
    return own.number


def repository_id(world: World, call: Call) -> str:
    wanted = call.one("repositoryId")
    if not _REPOSITORY_ID.fullmatch(wanted):
        raise invalid("The repository id is not valid.")
    return wanted


def check_repository(world: World, name: str, value: Json) -> Json:
    if value.get("format") != "DOCKER":
        raise invalid("Only repositories of format DOCKER are stood in for.")
    for policy_id, policy in value.get("cleanupPolicies", {}).items():
        if policy.get("id", policy_id) != policy_id or not {"condition", "mostRecentVersions"} & policy.keys():
            raise invalid(f"The cleanup policy {policy_id} is not valid.")
        policy["action"] = policy["action"].upper()
    made = {"createTime": world.now(), **value, "name": name, "updateTime": world.now(), "mode": "STANDARD_REPOSITORY"}
    return {**made, "sizeBytes": "0"}


BUDGETS: Final = Collection(
    prefix="billingbudgets.billingAccounts.budgets",
    items="budgets",
    new_id=budget_id,
    complete=check_budget,
    required=("amount",),
    has_etag=True,
)
REPOSITORIES: Final = Collection(
    prefix="artifactregistry.projects.locations.repositories",
    items="repositories",
    new_id=repository_id,
    complete=check_repository,
    required=("format",),
    takes_a_while=True,
)
HANDLES: Final[Mapping[str, Handle]] = merged(
    BUDGETS.handles(),
    REPOSITORIES.handles(),
    {"artifactregistry.projects.locations.operations.get": get_operation},
)
