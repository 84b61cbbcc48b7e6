"""The SSL policy of the load balancer: TLS 1.3 and nothing older.

    python3 -m deploy.ssl_policy show|make PROJECT NAME

gcloud's own command knows 1.0, 1.1 and 1.2; the interface knows 1.3, with the profile RESTRICTED. `show` prints the least
version, or nothing where there is no such policy; `make` makes or changes it, and returns when that is done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from deploy.google_api import CallFailed, call, token

POLICY: Final = {"profile": "RESTRICTED", "minTlsVersion": "TLS_1_3"}
_NOT_YET: Final = ("SERVICE_DISABLED", "has not been used")
_WAIT_SECONDS: Final = 60


def read(project: str, name: str, bearer: str) -> dict[str, Any]:
    """Empty where there is none, or the interface is not even enabled. Raises CallFailed."""
    try:
        return call("compute", f"projects/{project}/global/sslPolicies/{name}", bearer)
    except CallFailed as failure:
        if failure.status == HTTPStatus.NOT_FOUND or any(text in failure.text for text in _NOT_YET):
            return {}
        raise


def make(project: str, name: str, bearer: str) -> None:
    """Raises CallFailed."""
    there, path = read(project, name, bearer), f"projects/{project}/global/sslPolicies"
    if there:
        body = {**POLICY, "fingerprint": there["fingerprint"]}
        operation = call("compute", f"{path}/{name}", bearer, method="PATCH", body=body)
    else:
        operation = call("compute", path, bearer, method="POST", body={**POLICY, "name": name})
    deadline = time.monotonic() + _WAIT_SECONDS
    while operation.get("status") != "DONE":
        if time.monotonic() > deadline:
            raise CallFailed(504, "the operation does not end")
        time.sleep(1)
        operation = call("compute", f"projects/{project}/global/operations/{operation['name']}", bearer)
    if "error" in operation:
        raise CallFailed(400, str(operation["error"]))


def main(arguments: Sequence[str]) -> int:
    verb, project, name = arguments
    try:
        bearer = token()
        if verb == "make":
            make(project, name, bearer)
        else:
            print(read(project, name, bearer).get("minTlsVersion", ""))
    except CallFailed as failure:
        sys.stderr.write(f"ERROR: {failure}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
