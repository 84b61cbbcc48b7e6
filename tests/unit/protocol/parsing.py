"""What tests of the parser share: one good request, and what becomes of it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from kas.errors import InvalidStructure
from kas.jose import parse_public_jwk
from kas.protocol.acp240.request import RequestParser
from local.client import new_proof_key
from tests.unit.good_rewrap import LIMITS, NOW, World, label

KAO = "requests[0].keyAccessObjects[0]"
PROOF_KEY = new_proof_key()
PROVEN = parse_public_jwk(PROOF_KEY.jwk)


def parser(**limits):
    return RequestParser(dataclasses.replace(LIMITS, **limits), lambda url: url.startswith("https://"))


def good_request():
    return World().request(label(), kaos=2)


def parse(request, **limits):
    return parser(**limits).parse(json.dumps(request).encode(), key=PROVEN, now=NOW)


def first(body):
    return body["requests"][0]["keyAccessObjects"][0]


def faults(request, **limits):
    with pytest.raises(InvalidStructure) as refused:
        parse(request, **limits)
    return [(fault.field, fault.code) for fault in refused.value.faults]
