"""A project's IAM policy with data access logs of Cloud KMS switched on: read from standard input, printed.

Nothing is printed where they are on already. Everything else in the policy stays as it is, bindings and the audit
configurations of others too, and so does its etag, by which Google refuses what was read before somebody else's change.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

SERVICE: Final = "cloudkms.googleapis.com"
LOG_TYPE: Final = "DATA_READ"  # Decrypt, AsymmetricDecrypt, GetPublicKey


def with_key_audit(policy: dict[str, Any]) -> dict[str, Any] | None:
    """None where nothing is to be changed."""
    configs = list(policy.get("auditConfigs", []))
    place = next((number for number, one in enumerate(configs) if one.get("service") == SERVICE), len(configs))
    own = configs[place] if place < len(configs) else {"service": SERVICE}
    logs = list(own.get("auditLogConfigs", []))
    if any(log.get("logType") == LOG_TYPE and not log.get("exemptedMembers") for log in logs):
        return None
    # Whoever is exempted would use keys unseen.
    others = [log for log in logs if log.get("logType") != LOG_TYPE]
    configs[place : place + 1] = [{**own, "auditLogConfigs": [*others, {"logType": LOG_TYPE}]}]
    return {**policy, "auditConfigs": configs}


if __name__ == "__main__":
    changed = with_key_audit(json.load(sys.stdin))
    if changed is not None:
        json.dump(changed, sys.stdout, indent=2)
