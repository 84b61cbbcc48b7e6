"""What is released is what the document promises: real answers against its schemas.

Schemathesis does the same for what it makes up; it holds no key that a request must be signed with, so it sees refusals.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jsonschema import Draft202012Validator

from local.client import Answer
from tests.kit import Kit, policy
from tests.opentdf.pieces import RSA_CLIENT_KEY
from tests.opentdf.tdf_client import Route, TdfAttempt

CLIENT_KEYS = {"rsa": RSA_CLIENT_KEY, "ec": ec.generate_private_key(ec.SECP256R1())}


@pytest.fixture(scope="module")
def document(kit: Kit) -> dict[str, Any]:
    found: dict[str, Any] = kit.http("GET", f"{kit.base}/openapi.json").json()
    return found


def validator(document: dict[str, Any], path: str, status: int) -> Draft202012Validator:
    """Of the JSON answers of this status."""
    response = document["paths"][path]["post"]["responses"][str(status)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response["content"]["application/json"]["schema"]
    return Draft202012Validator({**schema, "components": document["components"]})


def is_as_promised(document: dict[str, Any], path: str, answer: Answer) -> None:
    """Asserts that the schema takes the answer, and takes none with one member more or less."""
    schema, body = validator(document, path, answer.status), answer.json()
    assert [error.message for error in schema.iter_errors(body)] == []
    assert not schema.is_valid({**body, "more": 1})
    assert not schema.is_valid({name: value for name, value in body.items() if name != "responses"})
    result = body["responses"][0]["results"][0]
    result["status"] = "perhaps"
    assert not schema.is_valid(body)


@pytest.mark.parametrize("receiving", ["RSA", "P-256", "P-384", "P-521"])
def test_acp240_release_is_as_the_document_says(kit: Kit, document: dict[str, Any], receiving: str) -> None:
    """To an RSA key and to those on each curve."""
    attempt = kit.attempt(receiving=receiving)
    answer = attempt.send()
    assert attempt.open(answer) == attempt.data_keys
    is_as_promised(document, "/rewrap", answer)


def test_acp240_answer_with_a_failure_in_it_is_as_the_document_says(kit: Kit, document: dict[str, Any]) -> None:
    """One released, one not."""
    answer = kit.attempt(policies=[policy(), policy(releasabilityTo=["FRA"], COI=None)]).send()
    results = [result["status"] for group in answer.json()["responses"] for result in group["results"]]
    assert sorted(results) == ["error", "success"]
    is_as_promised(document, "/rewrap", answer)


@pytest.mark.parametrize("client_key", CLIENT_KEYS)
@pytest.mark.parametrize(("route", "version"), [("rest", 1), ("rest", 2), ("connect-json", 1), ("connect-json", 2)])
def test_opentdf_release_is_as_the_document_says(
    kit: Kit, document: dict[str, Any], route: Route, version: int, client_key: str
) -> None:
    """In both versions, by REST and by Connect's JSON."""
    attempt = TdfAttempt.good(kit, route, version=version, client_key=CLIENT_KEYS[client_key])
    answer = attempt.send()
    assert list(attempt.open(attempt.read(answer)).values()) == list(attempt.data_keys.values())
    is_as_promised(document, attempt.path, answer)
