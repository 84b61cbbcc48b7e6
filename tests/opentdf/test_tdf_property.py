"""Whatever bytes come, as protobuf, JSON, query or request token: an answer that somebody thought of, never a fault."""

from __future__ import annotations

import copy
import json
import os
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.client import Answer
from tests.kit import Kit
from tests.opentdf import wire
from tests.opentdf.pieces import policy_text
from tests.opentdf.procedures import NAMES, PROCEDURES, Procedure, get, post
from tests.opentdf.tdf_client import ROUTES, TdfAttempt, outer
from tests.properties.garbage import JUNK, changed

EACH = pytest.mark.parametrize("procedure", PROCEDURES, ids=NAMES)
BOUNDED = settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
# Bytes are cheap, and few of them are a message; `make attacks` sends more.
OFTEN = settings(BOUNDED, max_examples=1000 if "EVERY_ROUTE" in os.environ else 100)

VALUES = st.one_of(st.binary(max_size=30), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
FIELDS = st.tuples(st.integers(1, 20), st.one_of(st.integers(0, 2**63), VALUES))
WELL_FORMED = st.lists(FIELDS, max_size=5).map(lambda found: wire.message(*found))
NESTED = WELL_FORMED.flatmap(lambda inner: st.integers(1, 5).map(lambda number: wire.message((number, inner))))
PROTOBUF = st.one_of(st.binary(max_size=60), WELL_FORMED, NESTED)


def known(answer: Answer, *others: int) -> None:
    """An answer in the range of what is the caller's fault, or a success, or one of ``others``; JSON where it is an error."""
    assert answer.status in {200, 400, 404, 413, 415, 429, *others}, answer.body
    if answer.status != 200:
        assert set(answer.json()) >= {"code", "message"}


@EACH
@OFTEN
@given(data=PROTOBUF)
def test_no_protobuf_bytes_are_a_fault_of_ours(tdf_kit: Kit, procedure: Procedure, data: bytes) -> None:
    known(post(tdf_kit, procedure.path, "proto", data))
    known(get(tdf_kit, procedure.path, "proto", data))


@EACH
@BOUNDED
@given(data=st.data())
def test_no_json_is_a_fault_of_ours(tdf_kit: Kit, procedure: Procedure, data: st.DataObject) -> None:
    asked = {"algorithm": "rsa:2048", "fmt": "", "v": "", "fqns": ["https://a.example/attr/b/value/c"]}
    value = data.draw(st.one_of(changed(asked), JUNK))
    known(post(tdf_kit, procedure.path, "json", json.dumps(value).encode()))


@OFTEN
@given(data=st.binary(max_size=60))
def test_no_bytes_said_to_be_compressed_are_a_fault_of_ours(tdf_kit: Kit, data: bytes) -> None:
    known(post(tdf_kit, PROCEDURES[0].path, "proto", data, ("Content-Encoding", "gzip")))


@BOUNDED
@given(
    query=st.dictionaries(
        st.sampled_from(["connect", "encoding", "message", "base64", "compression"]),
        st.text("v1json=%&e30", max_size=8),
    )
)
def test_no_query_is_a_fault_of_ours(tdf_kit: Kit, query: dict[str, str]) -> None:
    """One that names an odd compression may be told that there is none."""
    is_odd = query.get("compression", "") not in {"", "identity", "gzip"}
    known(tdf_kit.http("GET", f"{tdf_kit.base}{PROCEDURES[0].path}?{urlencode(query)}"), *([501] if is_odd else []))


def template(kit: Kit) -> TdfAttempt:
    return TdfAttempt.good(
        kit, "rest", bound=False, policies=[policy_text(["https://kas.example/attr/coi/value/nato"])]
    )


@pytest.fixture(scope="module")
def good(tdf_kit: Kit) -> TdfAttempt:
    """An unbound request, which may be sent again and again."""
    return template(tdf_kit)


def answered(attempt: TdfAttempt, body: bytes, route: str) -> None:
    attempt = copy.copy(attempt)
    attempt.route, attempt.body = route, body  # type: ignore[assignment]
    answer = attempt.send()
    assert answer.status in {200, 400, 403, 413, 429}, answer.body
    assert attempt.data_keys["kao-0"] not in answer.body


@pytest.mark.parametrize("route", ROUTES)
@settings(BOUNDED, max_examples=60)
@given(data=st.data())
def test_no_request_inside_a_request_token_is_a_fault_of_ours(
    good: TdfAttempt, route: str, data: st.DataObject
) -> None:
    request: Any = data.draw(changed(good.request))
    _send_inner(good, json.dumps(request), route)


def _send_inner(good: TdfAttempt, text: str, route: str) -> None:
    attempt = copy.copy(good)
    attempt.route, attempt.text = route, text  # type: ignore[assignment]
    answered(attempt, attempt.make_body(), route)


@pytest.mark.parametrize("route", ROUTES)
@settings(BOUNDED, max_examples=40)
@given(srt=st.one_of(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.just("..")))
def test_no_request_token_is_a_fault_of_ours(good: TdfAttempt, route: Any, srt: str) -> None:
    answered(good, outer(route, srt), route)


@OFTEN
@given(data=PROTOBUF)
def test_no_protobuf_rewrap_is_a_fault_of_ours(good: TdfAttempt, data: bytes) -> None:
    answered(good, data, "connect-proto")


@given(number=st.integers(0, 2**70))
def test_the_tests_own_wire_format_reads_what_it_writes(number: int) -> None:
    written = wire.message((1, number), (2, wire.varint(number)), (3, "ü"))
    assert wire.fields(written) == {1: [number], 2: [wire.varint(number)], 3: ["ü".encode()]}
