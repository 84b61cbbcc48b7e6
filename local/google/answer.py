"""The steps of every call, whichever way it came. What Google checks is checked in the order in which Google answers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from local.google.cloud import Cloud
from local.google.faults import flip
from local.google.methods import Method
from local.google.names import matches
from local.google.operations import Wire
from local.google.status import ConnectionDropped, FrontEndPage, GoogleError, invalid


@dataclass(frozen=True, slots=True)
class Answering:
    """``tick`` gives seconds that only go forward, ``sleep`` waits."""

    cloud: Cloud
    tick: Callable[[], float]
    sleep: Callable[[float], object]

    def answer(self, method: Method, request: Any, authorization: str | None, wire: Wire) -> Any:
        """Answers one call, which came by ``wire``.

        1. Trouble on demand comes first, as it comes from in front of the service.
        2. The caller is known.
        3. The name has a form of this method, and its location exists.
        4. The quota of the project allows it.
        5. The caller has the permission, else he does not learn whether the resource exists.
        6. The call is done, on what arrived, and what it answers leaves; either may be changed on the way.

        Whatever comes of it is counted, and given no sooner than the injected latency. Raises GoogleError,
        ConnectionDropped, FrontEndPage.
        """
        resource = self.cloud.places.by_id(method.resource_of(request))
        held = self.cloud.operations.held()
        with held, self._slowed(method.name, resource), self._counted(method.name, resource, wire):
            # 1.
            faults = self.cloud.faults.take(method.name, resource)
            for fault in faults:
                fault.raise_if_refusal()
            # 2.
            member = self.cloud.accounts.member_of(authorization)
            # 3.
            permission = _permission_for(method, resource)
            self.cloud.places.check_location(resource)
            with self._logged(method.name, resource, member):
                # 4.
                self.cloud.quotas.spend(method.quota, resource.split("/")[1])
                # 5.
                self._check_permission(member, permission, resource)
                # 6.
                _rename(method, request, resource)
                flip(faults, "request", request)
                response = self._do(method, request)
                flip(faults, "response", response)
                return response

    @contextlib.contextmanager
    def _logged(self, method: str, resource: str, member: str) -> Iterator[None]:
        """In the service's own record of who used which key."""
        error = None
        try:
            yield
        except GoogleError as refusal:
            error = refusal
            raise
        finally:
            self.cloud.data_access.record(method, resource, member, error)

    @contextlib.contextmanager
    def _slowed(self, method: str, resource: str) -> Iterator[None]:
        end = self.tick() + self.cloud.faults.latency_of(method, resource)
        try:
            yield
        finally:
            rest = end - self.tick()
            if rest > 0:
                self.sleep(rest)

    @contextlib.contextmanager
    def _counted(self, method: str, resource: str, wire: Wire) -> Iterator[None]:
        outcome = "INTERNAL"
        try:
            yield
            outcome = "OK"
        except GoogleError as error:
            outcome = error.status
            raise
        except (ConnectionDropped, FrontEndPage):
            outcome = "UNAVAILABLE"
            raise
        finally:
            self.cloud.operations.count(method, resource, outcome, wire)

    def _check_permission(self, member: str, permission: str, resource: str) -> None:
        if not self.cloud.policies.allows(member, permission, resource):
            text = f"Permission '{permission}' denied on resource '{resource}' (or it may not exist)."
            raise GoogleError("PERMISSION_DENIED", text)

    def _do(self, method: Method, request: Any) -> Any:
        with self.cloud.lock if method.is_locked else contextlib.nullcontext():
            return method.handle(self.cloud, request)


def _permission_for(method: Method, resource: str) -> str:
    for pattern, permission in method.permissions:
        if matches(resource, pattern):
            return permission
    raise invalid(f"Resource name [{resource}] does not match the form of {method.name}.")


def _rename(method: Method, request: Any, resource: str) -> None:
    *parents, last = method.field.split(".")
    for parent in parents:
        request = getattr(request, parent)
    setattr(request, last, resource)
