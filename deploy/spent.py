"""What this month has cost so far, by service, from what Google keeps anyway: no export, no bill, some minutes late.

    python3 -m deploy.spent FACTS project=… region=… service=… store=… cpu=… memory=… key=… protection=… alerts=… balancer=yes|no

FACTS has a line for each version of a key (``key``, state, level, algorithm) and of a secret (``secret``, state), and one for a
server of Redis (``redis``, GiB). Prices are those of `kas/cost/prices.json`, less what is free in a month; of Firestore as if the
database were the one of the project to which that is given. Key operations, reads of secrets, logs and images are those of
the whole project, documents those of the database; months are those of UTC.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from deploy.google_api import CallFailed, token
from deploy.timeseries import total
from kas.cost.lines import Line, priced
from kas.cost.prices import Prices, load_prices

_OWN: Final = 'resource.labels.service_name="{service}"'
_API: Final = 'metric.type="serviceruntime.googleapis.com/api/request_count" AND resource.type="consumed_api"'
_DOCUMENTS: Final = (
    'metric.type="firestore.googleapis.com/document/{kind}" AND resource.type="firestore.googleapis.com/Database"'
    ' AND resource.labels.database_id="{{store}}"'
)
QUANTITIES: Final = {
    "seconds": f'metric.type="run.googleapis.com/container/billable_instance_time" AND {_OWN}',
    "requests": f'metric.type="run.googleapis.com/request_count" AND {_OWN}',
    "sent": f'metric.type="run.googleapis.com/container/network/sent_bytes_count" AND {_OWN}',
    "operations": f'{_API} AND resource.labels.service="cloudkms.googleapis.com"'
    ' AND resource.labels.method=monitoring.regex.full_match(".*[.](AsymmetricDecrypt|Decrypt|Encrypt)")',
    "reads": f'{_API} AND resource.labels.service="secretmanager.googleapis.com"'
    ' AND resource.labels.method=monitoring.regex.full_match(".*[.]AccessSecretVersion")',
    "logs": 'metric.type="logging.googleapis.com/billing/bytes_ingested"',
    "written": _DOCUMENTS.format(kind="write_count"),
    "read": _DOCUMENTS.format(kind="read_count"),
    "deleted": _DOCUMENTS.format(kind="ttl_deletion_count"),
    "images": 'metric.type="artifactregistry.googleapis.com/repository/size"',
}
_GIB: Final = 2**30
_DESTROYED: Final = "DESTROYED"
_DAYS: Final = 30  # of a month; what is free of Firestore is so each day
_HOURS: Final = 730


def month_of(now: float) -> tuple[float, float]:
    """When this month began, and how much of it has passed."""
    today = datetime.fromtimestamp(now, UTC)
    begin = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = begin.replace(year=begin.year + begin.month // 12, month=begin.month % 12 + 1)
    return begin.timestamp(), (now - begin.timestamp()) / (end - begin).total_seconds()


def bill(used: Mapping[str, float], facts: Sequence[str], options: Mapping[str, str], part: float) -> Iterator[Line]:
    """``used`` by the names of `QUANTITIES`; ``part`` is how much of the month has passed."""
    prices = load_prices()
    yield from _keys(used, facts, options, part, prices)
    yield from _run(used, options, prices)
    secrets = sum(part for line in facts if line.startswith("secret\t") and _DESTROYED not in line)
    yield priced("Secret Manager", "versions", secrets, prices, "secrets.versions", free_times=part)
    yield priced("Secret Manager", "reads", used["reads"] / 1e4, prices, "secrets.accesses")
    yield priced("Cloud Logging", "logs", used["logs"] / _GIB, prices, "logging.storage")
    yield priced("Cloud Monitoring", "alert conditions", part * int(options["alerts"]), prices, "monitoring.conditions")
    yield priced(
        "Artifact Registry", "images", part * used["images"] / 1e9, prices, "artifacts.storage", free_times=part
    )
    yield from _store(used, facts, part, prices)
    if options["balancer"] == "yes":
        yield priced("Load balancer", "rule", part * _HOURS, prices, "balancer.rule")


def _store(used: Mapping[str, float], facts: Sequence[str], part: float, prices: Prices) -> Iterator[Line]:
    """What several instances share. A server is reckoned as if it had been there since the month began."""
    days = part * _DAYS
    for item, name, price in (
        ("documents written", "written", "firestore.writes"),
        ("documents read", "read", "firestore.reads"),
        ("documents that expired", "deleted", "firestore.deletes"),
    ):
        if used[name]:
            yield priced("Firestore", item, used[name] / 1e5, prices, price, free_times=days)
    for line in facts:
        if line.startswith("redis\t"):
            hours = part * _HOURS * float(line.partition("\t")[2])
            yield priced("Memorystore", "GiB and hours of Redis", hours, prices, "redis.basic")


def _keys(
    used: Mapping[str, float], facts: Sequence[str], options: Mapping[str, str], part: float, prices: Prices
) -> Iterator[Line]:
    for line in facts:
        kind, state, *rest = line.split("\t")
        if kind == "key" and state != _DESTROYED:
            level, algorithm = rest[0].lower(), rest[1]
            size = next((one for one in ("3072", "4096") if one in algorithm), "2048")
            price = prices.version("aes" if "SYMMETRIC" in algorithm else f"rsa-{size}", level)
            yield Line(
                "Cloud KMS", f"version, {level}, {algorithm}", part, "months", part * price, 0.0, is_confirmed=True
            )
    each = prices.operation(options["key"], options["protection"])
    yield Line("Cloud KMS", "operations", used["operations"], "", used["operations"] * each, 0.0, is_confirmed=True)


def _run(used: Mapping[str, float], options: Mapping[str, str], prices: Prices) -> Iterator[Line]:
    factor, seconds = prices.tier_factor(options["region"]), used["seconds"]
    memory = int(options["memory"][:-2]) / (1024 if options["memory"].endswith("Mi") else 1)
    yield priced("Cloud Run", "processor", factor * seconds * int(options["cpu"]), prices, "run.cpu")
    yield priced("Cloud Run", "memory", factor * seconds * memory, prices, "run.memory")
    yield priced("Cloud Run", "requests", used["requests"] / 1e6, prices, "run.requests")
    yield priced("Network", "answers", used["sent"] / _GIB, prices, "network.egress")


def table(lines: Sequence[Line], begin: float, now: float) -> Iterator[str]:
    for line in lines:
        yield f"{line.service:<18}{line.item:<52}{line.quantity:>14,.3f}  {line.cost:>8.2f}"
    days = (now - begin) / 86_400
    yield f"{'total of ' + format(days, '.1f') + ' days, USD':<84}  {sum(line.cost for line in lines):>8.2f}"


def main(arguments: Sequence[str]) -> int:
    options = dict(word.split("=", 1) for word in arguments[1:])
    now = time.time()
    begin, part = month_of(now)
    try:
        bearer = token()
        used = {
            name: total(options["project"], bearer, text.format(**options), begin, now, _aligner(name))
            for name, text in QUANTITIES.items()
        }
    except CallFailed as failure:
        sys.stderr.write(f"ERROR: {failure}\n")
        return 1
    lines = list(bill(used, Path(arguments[0]).read_text("utf-8").splitlines(), options, part))
    print(*table(lines, begin, now), sep="\n")
    return 0


def _aligner(name: str) -> str:
    return "ALIGN_MEAN" if name == "images" else "ALIGN_SUM"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
