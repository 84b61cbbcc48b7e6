"""Which methods are stood in for, and by what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from local.rehearsal import (
    builds,
    compute,
    firestore,
    functions,
    logs,
    memorystore,
    observing,
    paying,
    projects,
    run_services,
    service_accounts,
    storage,
)
from local.rehearsal.answer import Handle
from local.rehearsal.standard import merged

HANDLES: Final[Mapping[str, Handle]] = merged(
    projects.HANDLES,
    service_accounts.HANDLES,
    storage.HANDLES,
    builds.HANDLES,
    run_services.HANDLES,
    functions.HANDLES,
    logs.HANDLES,
    observing.HANDLES,
    paying.HANDLES,
    compute.HANDLES,
    firestore.HANDLES,
    memorystore.HANDLES,
)
