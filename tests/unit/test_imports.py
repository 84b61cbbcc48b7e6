"""What the start of the service does not import, since a cold start pays for every module: see docs/performance.md."""

from __future__ import annotations

import subprocess
import sys

from local.processes import ROOT

LATE_OR_NEVER = (
    "cryptography.x509",  # a certificate is made when an old client asks for one
    "google.auth",
    "google.cloud.kms",
    "google.cloud.secretmanager",
    "google.protobuf",  # a message in binary is read when one comes
    "grpc",
    "kas.explain",
    "kas.findings",
    "kas.protocol.explain",
    "jwt",
    "kas.cost.prices",  # the command's, and so is the next
    "matplotlib",
    "prometheus_client",
    "kas.state.firestore",
    "kas.state.guard",  # of a shared store, and so are the next
    "kas.state.redis",
    "kas.state.resp",
    "requests",
    "urllib.request",
    "urllib3",
)


def test_a_start_imports_nothing_that_only_some_requests_need():
    code = f"import sys, kas.service, kas.web.host; print([name for name in {LATE_OR_NEVER} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
