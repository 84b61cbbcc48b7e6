"""The body of a question and what bounds it; media types, methods and pages as on every route; limits, shared with rewraps."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from local.client import Answer
from tests.attacks.limit_requests import limited, limits_of
from tests.attacks.proof_requests import released
from tests.explain.asking import Json, Question, explained, explained_one, head_of
from tests.host.functions import connect, receive, refused_in_form
from tests.host.test_stalls import answers_of, heads, stalled
from tests.kit import Attempt, Kit, policy, refused, running_kit
from tests.opentdf.pieces import policy_text

PAGE = "https://page.example"
QUOTA = 6
LENGTH = "Content-Length: 60000"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Small limits, a budget of every key operation, impatient with bodies, open to one page's calls."""
    settings = {
        "KAS_RATE_REWRAP_PER_MINUTE": str(QUOTA),
        "KAS_KEY_BUDGET": "all",
        "KAS_KMS_OPERATIONS_PER_DAY": "100",
        "KAS_BODY_TIMEOUT_SECONDS": "1",
        "KAS_CORS_ORIGINS": PAGE,
        "KAS_MAX_POLICY_BYTES": "1200",
        "KAS_MAX_ID_CHARS": "20",
    }
    with running_kit(tmp_path_factory.mktemp("strict"), **settings) as kit:
        yield kit


def asking(kit: Kit, subject: str, *policies: Json | str) -> Question:
    """Of a caller of his own, whose limit nobody else uses up."""
    return Question.of(kit, "usa-secret", *policies, override={"claims": {"sub": subject}})


def faults(question: Question) -> list[tuple[str, str]]:
    """Sends, and asserts that the structure is refused, as one; the place and code of each fault."""
    answer = question.send()
    body = refused(answer, 400, "invalid_request", "invalid_structure")
    (event,) = question.kit.events(body["requestId"])
    assert (event["event"], event["code"]) == ("refusal", "invalid_structure")
    return [(one["field"], one["code"]) for one in body["validationErrors"]]


# Name -> what is done to a good body, and the faults of that.
BODIES: dict[str, tuple[Callable[[Json], Any], list[tuple[str, str]]]] = {
    "a list": (lambda _: [], [("", "wrong_type")]),
    "nothing": (lambda _: {}, [("policies", "missing")]),
    "no list": (lambda _: {"policies": {}}, [("policies", "wrong_type")]),
    "an empty list": (lambda _: {"policies": []}, [("policies", "empty")]),
    "too many": (lambda body: {"policies": body["policies"] * 21}, [("policies", "too_many")]),
    "a policy alone": (lambda _: {"policy": policy()}, [("policy", "unknown_member"), ("policies", "missing")]),
    "a text": (lambda _: {"policies": ["a"]}, [("policies[0]", "wrong_type")]),
    "no dialect": (lambda _: {"policies": [{"policy": {}}]}, [("policies[0].dialect", "missing")]),
    "another dialect": (
        lambda body: {"policies": [body["policies"][0] | {"dialect": "ACP240"}]},
        [("policies[0].dialect", "unknown_dialect")],
    ),
    "no word": (
        lambda body: {"policies": [body["policies"][0] | {"dialect": 5}]},
        [("policies[0].dialect", "wrong_type")],
    ),
    "a text for a label": (
        lambda _: {"policies": [{"dialect": "acp240", "policy": "e30="}]},
        [("policies[0].policy", "wrong_type")],
    ),
    "an object for a text": (
        lambda _: {"policies": [{"dialect": "opentdf", "policy": {}}]},
        [("policies[0].policy", "wrong_type")],
    ),
    "an empty text": (
        lambda _: {"policies": [{"dialect": "opentdf", "policy": ""}]},
        [("policies[0].policy", "empty")],
    ),
    "no policy": (lambda _: {"policies": [{"dialect": "opentdf"}]}, [("policies[0].policy", "missing")]),
    "an id that is none": (
        lambda _: {"policies": [{"dialect": "acp240", "policy": {"policyId": 5}}]},
        [("policies[0].policy.policyId", "wrong_type")],
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_of_another_structure_is_refused_with_its_faults(kit: Kit, name: str) -> None:
    change, expected = BODIES[name]
    question = Question.of(kit)
    question.request = change(question.request)
    assert faults(question) == expected


@pytest.mark.parametrize(
    "name", ["subject", "claims", "sub", "token", "uniqueID", "signedRequestToken", "clientPublicKey"]
)
def test_kas_req_061_explain_nobody_asks_about_somebody_else(kit: Kit, name: str) -> None:
    """Whatever would name another caller is refused, at the top and beside a policy, and never just left aside."""
    top, beside = Question.of(kit), Question.of(kit)
    top.request[name] = {"sub": "gbr-topsecret", "clearance": "TOP_SECRET"}
    beside.request["policies"][0][name] = "gbr-topsecret"
    assert faults(top) == [(name, "unknown_member")]
    assert faults(beside) == [(f"policies[0].{name}", "unknown_member")]


def test_kas_req_061_explain_attributes_in_a_policy_are_the_policys(kit: Kit) -> None:
    """They are bound with it and change nothing about the caller."""
    asked = policy(classification="TOP_SECRET") | {"clearance": "TOP_SECRET", "subject": {"clearance": "TOP_SECRET"}}
    assert explained_one(Question.of(kit, "usa-secret", asked))["code"] == "clearance_insufficient"


def test_all_faults_are_told_together_and_their_places_are_bounded(kit: Kit) -> None:
    question = Question.of(kit)
    question.request = {"policies": [{"dialect": "x", "y" * 5000: 1}, 5]}
    assert faults(question) == [
        ("policies[1]", "wrong_type"),
        (f"policies[0].{'y' * 5000}"[:256], "unknown_member"),
        ("policies[0].dialect", "unknown_dialect"),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b'\xef\xbb\xbf{"policies":[]}', "invalid_json"),
        (b'{"policies":[],"policies":[]}', "not_canonical"),
        (b'{"policies":[{"dialect":"acp240","policy":{"body":9007199254740993}}]}', "not_canonical"),
    ],
    ids=["none", "half", "mark", "duplicate", "number"],
)
def test_a_body_that_is_no_i_json_is_refused(kit: Kit, body: bytes, code: str) -> None:
    question = Question.of(kit)
    question.body = body
    refused(question.send(), 400, "invalid_request", code)


def test_attack_z01_explain_a_policy_costs_no_more_than_its_bounds_allow(strict: Kit) -> None:
    """Depth and size of JSON, size of either policy, length of an id: those of a rewrap, of which the last fits."""
    deep: Any = 0
    for _ in range(40):
        deep = [deep]
    assert faults(asking(strict, "deep", {"body": deep}))[0][1] == "too_deep"
    long = asking(strict, "long", {"body": "x" * 1200}, base64.b64encode(b" " * 1201).decode(), {"policyId": "x" * 21})
    assert faults(long) == [
        ("policies[0].policy", "too_long"),
        ("policies[1].policy", "too_long"),
        ("policies[2].policy.policyId", "too_long"),
    ]
    fitting = {"body": "x" * (1200 - len('{"body":""}'))}
    explained(asking(strict, "fitting", fitting, base64.b64encode(b" " * 1200).decode(), {"policyId": "x" * 20}))


def test_attack_z04_explain_a_body_past_the_limit(kit: Kit) -> None:
    question = Question.of(kit)
    question.body = b" " * (2**20 + 1)
    refused(question.send(), 413, "content_too_large", "content_too_large")


def test_attack_z03_explain_a_body_that_does_not_come(strict: Kit) -> None:
    with connect(strict.base) as connection:
        connection.sendall(head_of(asking(strict, "slow"), "Content-Length: 100") + b"{")
        refused_in_form(receive(connection, "POST"), 408, "request_timeout")


def test_attack_z03_explain_slow_bodies_have_the_places_of_rewraps(kit: Kit) -> None:
    """Eight of one caller are waited for, whichever of the two they are for."""
    attempt, question = kit.attempt(), Question.of(kit)
    texts = [*heads(attempt, 4, LENGTH), *(head_of(question, LENGTH) for _ in range(5))]
    with stalled(kit, *(text + b"{" for text in texts)) as connections:
        (answer,) = answers_of(connections, 1)
        refused_in_form(answer, 503, "too_many_bodies")


@pytest.mark.parametrize(
    ("content_type", "headers", "status", "code"),
    [
        ("text/plain", [], 415, "unsupported_media_type"),
        ("application/json", [("Content-Encoding", "gzip")], 415, "unsupported_media_type"),
        ("application/json", [("Accept", "text/html")], 406, "not_acceptable"),
    ],
)
def test_kas_req_022_explain_json_both_ways(
    kit: Kit, content_type: str, headers: list[tuple[str, str]], status: int, code: str
) -> None:
    question = Question.of(kit)
    question.content_type, question.headers = content_type, headers
    refused(question.send(), status, code, code)


def test_pages_of_listed_origins_may_ask(strict: Kit) -> None:
    """A preflight names the method, and answers may be read."""
    asked = [("Origin", PAGE), ("Access-Control-Request-Method", "POST")]
    answer = strict.http("OPTIONS", f"{strict.base}/explain", asked)
    assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, "POST, OPTIONS")
    question = asking(strict, "page")
    question.headers = [("Origin", PAGE)]
    assert question.send().headers["Access-Control-Allow-Origin"] == PAGE


def test_every_answer_offers_a_nonce_and_nobody_keeps_one(kit: Kit) -> None:
    answer = Question.of(kit).send()
    assert answer.headers["DPoP-Nonce"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert kit.http("POST", f"{kit.base}/explain").headers["DPoP-Nonce"]


# ---- Limits


def rewrap_of(kit: Kit, subject: str) -> Attempt:
    return kit.attempt(override={"claims": {"sub": subject}})


def left(answer: Answer) -> int:
    return limits_of(answer)["rewrap"]["r"]


def test_attack_l04_explain_questions_and_rewraps_are_one_limit(strict: Kit) -> None:
    """So nobody learns of more decisions a minute by asking here."""
    for number in range(QUOTA - 1):
        answer = asking(strict, "both").send()
        assert (answer.status, left(answer)) == (200, QUOTA - 1 - number)
    assert left(released(rewrap_of(strict, "both"))) == 0
    limited(rewrap_of(strict, "both").send(), "rewrap_limit", "rewrap")
    answer = limited(asking(strict, "both").send(), "rewrap_limit", "rewrap")
    (event,) = strict.events(answer.headers["X-Request-Id"])
    assert (event["event"], event["code"], event["path"]) == ("refusal", "rewrap_limit", "/explain")
    explained_one(asking(strict, "another"))


def spent(kit: Kit) -> tuple[str, ...]:
    """What the service counts of key operations, and of key access objects."""
    text = kit.http("GET", f"{kit.base}/metrics").body.decode()
    names = ("kas_key_operations_total ", "kas_key_operations_left ", "kas_key_accesses_total{")
    found = tuple(sorted(line for line in text.splitlines() if line.startswith(names)))
    assert len(found) > 1
    return found


def test_attack_r11_explain_no_question_costs_a_key_operation(strict: Kit) -> None:
    """Nor does it count as a key access object, whatever is decided; a rewrap does both."""
    before = spent(strict)
    explained(asking(strict, "asks", policy(), policy(COI=["EU"]), policy_text(), "!"))
    assert spent(strict) == before
    released(rewrap_of(strict, "opens"))
    assert spent(strict) != before


def test_an_answer_holds_no_more_than_its_bounds(kit: Kit) -> None:
    """Of long lists only the beginning is said again, and nothing that turns a line round."""
    hostile = ["\u202e\U0001f512" + "é" * 60 + str(number) for number in range(100)]
    label = policy(COI=hostile, releasabilityTo=["USA"])
    attributes = policy_text([f"https://{'x' * 60}.example/attr/a/value/{n}" for n in range(100)], hostile)
    answer = Question.of(kit, "usa-secret", *[label, attributes] * 4).send()
    assert answer.status == 200
    assert len(answer.body) < 100_000
    checks = [check for one in answer.json()["explanations"] for check in one["checks"]]
    assert max(len(check[side]) for check in checks for side in ("needed", "found")) <= 1000
    assert not any("\u202e" in json.dumps(check, ensure_ascii=False) for check in checks)
