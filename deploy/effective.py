"""The settings that are deployed: env.yaml, and over it what only the deployment knows.

    python3 -m deploy.effective WORK ENV_FILE NAME=VALUE…

``WORK`` has ``facts`` (keys and secrets), ``service.json`` and ``function.json`` (what is deployed), and with a server of Redis
``server.json``; ``env.yaml`` is written into it. Printed are three lines: whether a revision is ready, whether one waits for traffic, and in what the deployed
service is not what is wanted; last of these "withdrawn" and a revision, where somebody has rolled back from that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import env_file, safety
from deploy.deployed import Deployed
from deploy.env_file import Refused
from deploy.key_index import key_index, read_facts, reference
from deploy.shared_state import SETTINGS, state_settings

Options = Mapping[str, str]


def addresses(deployed: Deployed, options: Options) -> list[str]:
    """Every address at which clients reach the service: a proof for another is refused.

    Behind the load balancer it is one. Else it is the one that follows from the names, those that Google has shown, each
    of them once more for the revision that waits, and that of Cloud Functions.
    """
    if options["domain"] and options["hops"] != "0":
        return [f"https://{options['domain']}"]
    own = f"{options['service']}-{options['number']}.{options['region']}.run.app"
    hosts = list(dict.fromkeys([own, *(url.removeprefix("https://") for url in deployed.urls)]))
    if options["via"] == "functions":
        function = f"{options['region']}-{options['project']}.cloudfunctions.net/{options['service']}"
        return [f"https://{host}" for host in dict.fromkeys([*hosts, function])]
    return [f"https://{host}" for host in [*hosts, *(f"{options['tag']}---{host}" for host in hosts)]]


def effective(
    settings: Mapping[str, str], facts: str, deployed: Deployed, server: Mapping[str, Any], options: Options
) -> dict[str, str]:
    """What env.yaml says and the deployment's own settings in place of its. Raises Refused."""
    known = read_facts(facts)
    nonce = known.enabled_secrets(f"kas-{options['nation']}-nonce")[0]
    return {
        **{name: value for name, value in settings.items() if name not in SETTINGS},
        **state_settings(known, server, options),
        "KAS_ID": options["service"],
        "KAS_PUBLIC_BASES": ",".join(addresses(deployed, options)),
        "KAS_KEYS": key_index(known, options["nation"], options["project"]),
        "KAS_KMS_PROTECTION_LEVEL": options["protection"].upper(),
        "KAS_NONCE_SECRET": reference(nonce, options["project"]),
        "KAS_GCP_PROJECT": options["project"],
        "KAS_TRUSTED_PROXY_HOPS": options["hops"],
        "KAS_INSTANCE_VCPU": options["cpu"],
        "KAS_INSTANCE_MEMORY_MIB": str(mebibytes(options["memory"])),
        "THREADS": options["threads"],
    }


def mebibytes(memory: str) -> int:
    """Of a size as gcloud takes it: 512Mi, 1Gi."""
    return int(memory[:-2]) * (1024 if memory.endswith("Gi") else 1)


def answer(settings: Mapping[str, str], deployed: Deployed, options: Options) -> Iterator[str]:
    """The three lines."""
    found = list(deployed.differences(settings, options))
    withdrawn = deployed.withdrawn(options["tag"])
    yield "yes" if deployed.newest else "no"
    yield "yes" if deployed.tagged(options["tag"]) else "no"
    yield " ".join([*found, *(["withdrawn", withdrawn] if found and withdrawn else [])])


def check_uploaded(settings: Mapping[str, str], uploaded: Sequence[str]) -> None:
    """The files that settings name go with the source. Raises Refused."""
    for name in ("KAS_ISSUERS_PATH", "KAS_FEDERATION_CONFIG_PATH"):
        path = settings.get(name, "")
        if path and not path.startswith("/") and path not in uploaded:
            raise Refused(f"{name} names {path}, which is not there or which .gcloudignore does not let through")


def main(arguments: Sequence[str]) -> int:
    work, env = Path(arguments[0]), Path(arguments[1])
    options = safety.options_of(arguments[2:])
    deployed = Deployed(_read(work, "service"), _read(work, "function"))
    server = _read(work, "server") if options["state"] == "redis" else {}
    try:
        settings = env_file.read(env)
        safety.check(settings, options)
        check_uploaded(settings, (work / "upload").read_text("utf-8").splitlines())
        settings = effective(settings, (work / "facts").read_text("utf-8"), deployed, server, options)
    except Refused as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    env_file.write(work / "env.yaml", settings)
    sys.stdout.write("".join(f"{line}\n" for line in answer(settings, deployed, options)))
    return 0


def _read(work: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((work / f"{name}.json").read_text("utf-8")))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
