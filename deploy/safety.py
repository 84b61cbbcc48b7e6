"""What makes a deployment unsafe, whatever it was meant for: ``python3 -m deploy.safety ENV_FILE NAME=VALUE…``

It is asked before anything is done, and again for what is about to be deployed. Exit status 1 with a sentence on standard
error where it is not safe.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from deploy import env_file
from deploy.env_file import Refused
from deploy.shared_state import check_state

BEHIND_LOAD_BALANCER: Final = "internal-and-cloud-load-balancing"
_EXAMPLE: Final = Path("config/issuers.example.json")
_OF_THE_HOST: Final = ("WORKERS", "THREADS")


def check(settings: Mapping[str, str], options: Mapping[str, str]) -> None:
    """``settings`` as they stand in the file, ``options`` as deploy.sh chose them. Raises Refused.

    1. Nobody can choose the address that he is counted as.
    2. The service runs in production mode.
    3. With state in memory one process remembers every proof, and accepts none of another; elsewhere what forgets is noticed.
    4. It knows whose tokens it takes.
    5. What it counts is told to nobody who asks: the service is public.
    6. Its settings are its own, and none of Python or of a library, such as a proxy for what it asks.
    """
    check_edge(int(options["hops"]), options["ingress"], options["default_url"])
    hops = settings.get("KAS_TRUSTED_PROXY_HOPS", "0")
    if hops not in {"0", options["hops"]}:
        raise Refused(
            f"KAS_TRUSTED_PROXY_HOPS is {hops}: above 0 callers would choose the address that they are counted as,"
            " since they can go round the load balancer. --tls13 sets one up that they cannot, and sets 1"
        )
    if settings.get("KAS_MODE", "production") != "production":
        raise Refused("KAS_MODE must be production")
    if settings.get("KAS_METRICS", "off") != "off":
        raise Refused("KAS_METRICS must be off: everybody may ask this service, and would be told")
    strange = [name for name in settings if not (name.startswith("KAS_") or name in _OF_THE_HOST)]
    if strange:
        raise Refused(f"{', '.join(strange)}: only KAS_…, {' and '.join(_OF_THE_HOST)} are settings of the service")
    check_state(settings, options["state"])
    if options["state"] == "memory":
        _check_memory(settings, options)
    if options["state"] == "redis":
        _check_nonces(settings, "else a proof counts again after the server has started anew")
    issuers = Path(settings.get("KAS_ISSUERS_PATH", "config/issuers.json"))
    if not issuers.exists():
        raise Refused(f"{issuers} is missing: cp {_EXAMPLE} {issuers}, and put your issuers into it")
    if issuers.read_bytes() == _EXAMPLE.read_bytes():
        raise Refused(f"{issuers} is the example as it was: put your issuers into it")


def check_edge(hops: int, ingress: str, default_url: str) -> None:
    """Raises Refused where an entry of ``X-Forwarded-For`` would be believed that a caller can write himself."""
    is_closed = ingress == BEHIND_LOAD_BALANCER and default_url == "no"
    if hops != (1 if is_closed else 0):
        raise Refused(
            f"{hops} trusted proxies with ingress {ingress} and the direct address {'off' if default_url == 'no' else 'on'}"
        )


def _check_memory(settings: Mapping[str, str], options: Mapping[str, str]) -> None:
    if options["max_instances"] != "1" or settings.get("WORKERS", "1") != "1":
        raise Refused("used proofs are in the memory of one process: one instance, and WORKERS 1 or absent")
    _check_nonces(settings, "else a proof counts again after each start")


def _check_nonces(settings: Mapping[str, str], reason: str) -> None:
    if settings.get("KAS_REWRAP_DPOP_NONCE", "require") != "require":
        raise Refused(f"KAS_REWRAP_DPOP_NONCE must be require: {reason}")


def options_of(words: Sequence[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for word in words)


def main(arguments: Sequence[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 - the first of ours that runs, by a python that nobody has chosen
        sys.stderr.write("python3 is older than 3.11\n")
        return 1
    try:
        check(env_file.read(Path(arguments[0])), options_of(arguments[1:]))
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
