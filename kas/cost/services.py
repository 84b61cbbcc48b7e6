"""Everything on the bill but Cloud Run itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from kas.cost.compute import DAYS, MONTH_SECONDS, UPTIME_REGIONS, kept_hit_rate, run_lines, starts_per_month
from kas.cost.lines import Line, priced
from kas.cost.prices import Prices
from kas.cost.scenario import (
    ANSWER_BYTES,
    KAO_LOG_BYTES,
    OPERATION_LOG_BYTES,
    REQUEST_LOG_BYTES,
    RESULT_BYTES,
    SHARED_STATES,
    Scenario,
)

HOURS: Final = 730  # of a month, as Google's pages count where they price hours
_GIB: Final = 2**30
_IMAGES_GB: Final = 0.4  # three revisions of the function, base layers shared
_BUILD_MINUTES: Final = 20  # a month: four deployments
_DISK_GIB: Final = 10
_REDIS_GIB: Final = 1


def bill(scenario: Scenario, prices: Prices) -> list[Line]:
    """A month, line by line."""
    return [
        *kms_lines(scenario, prices),
        *_host_lines(scenario, prices),
        *_state_lines(scenario, prices),
        *_secret_lines(scenario, prices),
        *_watch_lines(scenario, prices),
        *_network_lines(scenario, prices),
        *_build_lines(prices),
    ]


def requests(scenario: Scenario) -> float:
    """Of all nations in a month."""
    return len(scenario.nations) * DAYS * scenario.requests_per_day


def operations(scenario: Scenario) -> float:
    """Key operations of all nations in a month, those of starts left out."""
    if scenario.key == "sealed":
        return 0.0
    rate = scenario.hit_rate if scenario.state in SHARED_STATES else kept_hit_rate(scenario)
    return requests(scenario) * scenario.kaos * (1 - rate)


def kms_lines(scenario: Scenario, prices: Prices) -> Iterator[Line]:
    """Cloud KMS: versions cost in every state but destroyed, and no operation is free."""
    nations, level = len(scenario.nations), scenario.protection
    if scenario.key != "sealed":
        versions = nations * len(scenario.dialects) * (1 + scenario.retained)
        yield _kms(f"{scenario.key} key versions, {level}", versions, prices.version(scenario.key, level), "versions")
        done = operations(scenario)
        yield _kms(f"{scenario.key} operations", done, prices.operation(scenario.key, level), "operations")
    if scenario.seals:
        opened = nations * scenario.seals * starts_per_month(scenario)
        yield _kms("seal key versions, software", nations, prices.version("aes", "software"), "versions")
        yield _kms("sealed keys opened at starts", opened, prices.operation("aes", "software"), "operations")


def _kms(item: str, quantity: float, price: float, unit: str) -> Line:
    return Line("Cloud KMS", item, quantity, unit, quantity * price, 0.0, is_confirmed=True)


def _host_lines(scenario: Scenario, prices: Prices) -> Iterator[Line]:
    if scenario.host == "run":
        yield from run_lines(scenario, prices)
        return
    hours = HOURS * len(scenario.nations)
    yield priced("Compute Engine", "e2-small", hours, prices, "vm.hour")
    yield priced("Compute Engine", "disk", _DISK_GIB * len(scenario.nations), prices, "vm.disk")
    yield priced("Compute Engine", "address", hours, prices, "vm.address")


def _state_lines(scenario: Scenario, prices: Prices) -> Iterator[Line]:
    """In Firestore a request writes a used proof and its caller's window, and reads the window; a kept key is read for each
    key access object and written where there was none. A time to live deletes proofs and keys. Without hits no keys are kept.
    """
    if scenario.state == "redis":
        hours = HOURS * _REDIS_GIB * len(scenario.nations)
        yield priced("Memorystore", "Redis Basic 1 GiB", hours, prices, "redis.basic")
    elif scenario.state == "valkey":
        yield priced("Memorystore", "Valkey nano", HOURS * len(scenario.nations), prices, "valkey.nano")
    elif scenario.state == "firestore":
        asked = requests(scenario) / 100_000
        sought = asked * scenario.kaos if scenario.hit_rate else 0.0
        kept = sought * (1 - scenario.hit_rate)
        written = 2 * asked + kept
        yield priced("Firestore", "proofs, windows, keys written", written, prices, "firestore.writes", free_times=DAYS)
        yield priced("Firestore", "windows, keys read", asked + sought, prices, "firestore.reads", free_times=DAYS)
        yield priced("Firestore", "proofs, keys deleted", asked + kept, prices, "firestore.deletes")


def _secret_lines(scenario: Scenario, prices: Prices) -> Iterator[Line]:
    versions = scenario.secrets * len(scenario.nations)
    reads = versions * starts_per_month(scenario) / 10_000
    yield priced("Secret Manager", "secret versions", versions, prices, "secrets.versions")
    yield priced("Secret Manager", "reads at starts", reads, prices, "secrets.accesses")


def log_bytes(scenario: Scenario) -> float:
    """Of one request, whoever writes them."""
    if scenario.log_bytes is not None:
        return scenario.log_bytes
    done = operations(scenario) / requests(scenario) if scenario.requests_per_day else 0.0
    return REQUEST_LOG_BYTES + KAO_LOG_BYTES * scenario.kaos + OPERATION_LOG_BYTES * done


def _watch_lines(scenario: Scenario, prices: Prices) -> Iterator[Line]:
    nations = len(scenario.nations)
    logs = requests(scenario) * log_bytes(scenario) / _GIB
    yield priced("Cloud Logging", "logs", logs, prices, "logging.storage")
    conditions = scenario.alert_conditions * nations
    yield priced("Cloud Monitoring", "alert conditions", conditions, prices, "monitoring.conditions")
    if scenario.uptime_minutes:
        checks = nations * UPTIME_REGIONS * MONTH_SECONDS / (60 * scenario.uptime_minutes) / 1000
        yield priced("Cloud Monitoring", "uptime checks", checks, prices, "monitoring.uptime")


def _network_lines(scenario: Scenario, prices: Prices) -> Iterator[Line]:
    answers = requests(scenario) * (ANSWER_BYTES + RESULT_BYTES * scenario.kaos) / _GIB
    free = float("usa" in scenario.nations)  # within North America alone
    yield priced("Network", "answers to the internet", answers, prices, "network.egress", free_times=free)
    if scenario.tls13:
        both_ways = 3 * answers  # a request, with its token and proof, is about twice its answer
        yield priced("Load balancer", "rule, TLS 1.3 alone", HOURS * len(scenario.nations), prices, "balancer.rule")
        yield priced("Load balancer", "data both ways", both_ways, prices, "balancer.data")


def _build_lines(prices: Prices) -> Iterator[Line]:
    yield priced("Artifact Registry", "images", _IMAGES_GB, prices, "artifacts.storage")
    yield priced("Cloud Build", "minutes", _BUILD_MINUTES, prices, "build.minutes")
