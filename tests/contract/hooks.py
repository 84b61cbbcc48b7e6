"""What Schemathesis loads: bodies that the wire can carry, and, to ask as a caller, a token and for each request as it
is sent a proof with a nonce.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any
from urllib.parse import urlsplit

import requests
import requests.auth
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from local.client import Credentials, Http, new_proof_key
from local.client.proofs import fetch_token, make_proof


class Proofs(requests.auth.AuthBase):
    """usa-secret's."""

    def __init__(self, token_url: str) -> None:
        self._http = Http()
        self._key = new_proof_key()
        self._token = fetch_token(self._http, Credentials(token_url, "usa-secret", "dev"), self._key, time.time()).text

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        parts = urlsplit(request.url)
        base = f"{parts.scheme}://{parts.netloc}"
        nonce = self._http("POST", f"{base}/rewrap").headers["DPoP-Nonce"]
        proof = make_proof(self._key, request.method, base + parts.path, time.time(), token=self._token, nonce=nonce)
        request.headers.update({"Authorization": f"DPoP {self._token}", "DPoP": proof})
        return request


def is_exact(value: Any) -> bool:
    """Whether every whole number is within I-JSON's range: beyond it the service refuses ``100000000000000000000`` and
    takes ``1e20``, and JSON Schema sees no difference.
    """
    if isinstance(value, dict):
        return all(map(is_exact, value.values()))
    if isinstance(value, list):
        return all(map(is_exact, value))
    if isinstance(value, str) and value.startswith("{"):  # a message in a query
        with contextlib.suppress(ValueError):
            return is_exact(json.loads(value))
    return not isinstance(value, int) or abs(value) < 2**53


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case) -> bool:
    """Good data alone: what is wrong in itself is refused with any number in it. A message of Connect stands in the query
    as JSON.
    """
    if case.meta is not None and case.meta.generation.mode.is_negative:
        return not is_mended(case)
    return is_exact(case.body) and is_exact(case.query)


def is_mended(case: schemathesis.Case) -> bool:
    """Whether all that is wrong is credentials that are left out or spoilt: `Proofs` puts good ones in."""
    wrong = {place for place, one in case.meta.components.items() if one.mode.is_negative}
    return bool(TOKEN_URL) and wrong == {ParameterLocation.HEADER}


TOKEN_URL = os.environ.get("CONTRACT_TOKEN_URL", "")
if TOKEN_URL:
    schemathesis.auth.set_from_requests(Proofs(TOKEN_URL))
