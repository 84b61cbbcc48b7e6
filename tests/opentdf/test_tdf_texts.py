"""The texts that OpenTDF clients match, and which refusal has which; the decision about attributes and recipients."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.kit import Kit
from tests.opentdf.answers import BAD_REQUEST, forbidden, refused_kao, released
from tests.opentdf.pieces import b64, bind, policy_text
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

FQN = "https://kas.example/attr"
SECRET_USA = (f"{FQN}/classification/value/secret", f"{FQN}/releasability/value/usa")

BOTH_VERSIONS = pytest.mark.parametrize("version", [1, 2])


def with_policy(kit: Kit, route: Route, policy: str, version: int = 2, **how: Any) -> TdfAttempt:
    """A good request under ``policy``, whatever that is."""
    return TdfAttempt.good(kit, route, version=version, policies=[policy], **how)


# ---- What depends on key material says two words


@BOTH_VERSIONS
def test_a_tampered_policy_is_a_bad_request(tdf_kit: Kit, route: Route, version: int) -> None:
    attempt = with_policy(tdf_kit, route, policy_text(SECRET_USA), version)
    attempt.policy = policy_text()
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@BOTH_VERSIONS
def test_a_tampered_binding_is_a_bad_request(tdf_kit: Kit, route: Route, version: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.kao["policyBinding"] = bind(b"another key", attempt.policy)
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@BOTH_VERSIONS
@pytest.mark.parametrize("algorithm", ["rsa:2048", "rsa:4096", "ec:secp256r1", "ec:secp521r1"])
def test_a_tampered_wrapped_key_is_a_bad_request(tdf_kit: Kit, route: Route, version: int, algorithm: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version, algorithm=algorithm)
    wrapped = attempt.kao["wrappedKey"]
    attempt.kao["wrappedKey"] = wrapped[:20] + ("A" if wrapped[20] != "A" else "B") + wrapped[21:]
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@BOTH_VERSIONS
def test_an_unknown_kid_is_a_bad_request(tdf_kit: Kit, route: Route, version: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.kao["kid"] = "nobody"
    refused_kao(attempt, "unknown_key", BAD_REQUEST)


UNREADABLE = {
    "not base64": "%%%",
    "not JSON": b64(b"policy"),
    "no object": b64(b"[]"),
    "no body": b64(b'{"uuid": "x"}'),
    "body of another type": b64(b'{"body": "x"}'),
    "attributes of another type": b64(b'{"body": {"dataAttributes": {"attribute": "x"}}}'),
    "attribute without name": b64(b'{"body": {"dataAttributes": [{}]}}'),
    "attribute that is no text": b64(b'{"body": {"dataAttributes": [{"attribute": 1}]}}'),
    "recipient that is no text": b64(b'{"body": {"dissem": [null]}}'),
    "recipients of another type": b64(b'{"body": {"dissem": 1}}'),
    "recipients as one text": b64(b'{"body": {"dissem": "abc"}}'),
    **{
        f"{name} {value}": b64(f'{{"body": {{"{name}": {value}}}}}'.encode())
        for name in ("dataAttributes", "dissem")
        for value in ("{}", "0", "false", '""')
    },
    "a member twice": b64(b'{"body": {}, "body": {"dissem": ["x"]}}'),
    "nested deeply": b64(b"[" * 20_000),
}


@pytest.mark.parametrize("policy", UNREADABLE.values(), ids=UNREADABLE)
def test_a_policy_that_cannot_be_read_is_a_bad_request_even_when_bound(tdf_kit: Kit, route: Route, policy: str) -> None:
    refused_kao(with_policy(tdf_kit, route, policy), "key_material_rejected", BAD_REQUEST)


# ---- What does not, says what it is, and never those two words


@BOTH_VERSIONS
def test_a_foreign_url_is_unknown_and_not_a_bad_request(tdf_kit: Kit, route: Route, version: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.kao["url"] = "https://kas.elsewhere.example/kas"
    refused_kao(attempt, "unknown_kas", "rpc error: code = InvalidArgument desc = unknown_kas")


@pytest.mark.parametrize("url", ["", None, "/kas", "https://kas.example@127.0.0.1/kas"])
def test_a_url_that_is_not_ours_in_full_is_not_ours(tdf_kit: Kit, route: Route, url: object) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao["url"] = url
    refused_kao(attempt, "unknown_kas", "rpc error: code = InvalidArgument desc = unknown_kas")


@BOTH_VERSIONS
@pytest.mark.parametrize("change", [{"type": "remote"}, {"type": "hybrid-wrapped"}, {"protocol": "kaas"}], ids=str)
def test_what_this_kas_does_not_do_is_not_supported(
    tdf_kit: Kit, route: Route, version: int, change: dict[str, str]
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.kao.update(change)
    refused_kao(attempt, "not_supported", "rpc error: code = InvalidArgument desc = not_supported")


# ---- The decision


@BOTH_VERSIONS
def test_attributes_that_the_caller_has_release(tdf_kit: Kit, route: Route, version: int) -> None:
    released(with_policy(tdf_kit, route, policy_text(SECRET_USA), version))


DENIALS = {
    "clearance": ("usa-unclassified", SECRET_USA, (), "attribute_not_entitled"),
    "country": ("fra-secret", SECRET_USA, (), "attribute_not_entitled"),
    "community": ("fra-secret", (*SECRET_USA, f"{FQN}/coi/value/fvey"), (), "attribute_not_entitled"),
    "unknown value": ("usa-secret", (*SECRET_USA, f"{FQN}/coi/value/nobody"), (), "attribute_unknown"),
    "unknown attribute": ("usa-secret", ("https://other.example/attr/a/value/b",), (), "attribute_unknown"),
    "no name at all": ("usa-secret", ("secret",), (), "attribute_unknown"),
    "half a label": ("usa-secret", SECRET_USA[:1], (), "label_invalid"),
    "incoherent": (
        "usa-secret",
        (*SECRET_USA, f"{FQN}/coi/value/eu-restricted", f"{FQN}/coi/value/us-only"),
        (),
        "label_incoherent",
    ),
    "recipients": ("usa-secret", (), ("alice@kas.example",), "not_in_dissem"),
    "subject without issuer": ("usa-secret", (), ("usa-secret",), "not_in_dissem"),
    "recipients and attributes": ("usa-secret", SECRET_USA, ("alice@kas.example",), "not_in_dissem"),
}


@BOTH_VERSIONS
@pytest.mark.parametrize("case", DENIALS)
def test_a_denial_says_forbidden_and_why(tdf_kit: Kit, route: Route, version: int, case: str) -> None:
    client, attributes, dissem, code = DENIALS[case]
    attempt = with_policy(tdf_kit, route, policy_text(attributes, dissem), version, client=client)
    refused_kao(attempt, code, forbidden(code), status=403)


def test_a_caller_whom_the_recipients_name_with_his_issuer_is_released_to(tdf_kit: Kit, route: Route) -> None:
    names = ["somebody", f"{tdf_kit.world.provider.base}#usa-secret"]
    released(with_policy(tdf_kit, route, policy_text((), names)))


def test_a_verified_address_of_a_foreign_domain_names_nobody(tdf_kit: Kit, route: Route) -> None:
    """The issuer has no list of domains, so whatever it asserts is not its to assert."""
    claims = {"claims": {"email": "alice@kas.example", "email_verified": True}}
    policy = policy_text((), ["alice@kas.example"])
    attempt = with_policy(tdf_kit, route, policy, override=claims)
    refused_kao(attempt, "not_in_dissem", forbidden("not_in_dissem"))


def test_a_policy_that_demands_nothing_admits_nobody_where_that_is_set(strict_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(strict_kit, route)
    attempt.nonce = strict_kit.http("POST", attempt.url).headers["DPoP-Nonce"]
    refused_kao(attempt, "policy_empty", forbidden("policy_empty"))


def test_attributes_in_the_request_are_not_the_callers(tdf_kit: Kit, route: Route) -> None:
    """Whatever the body says of the caller, the token says who asks."""
    attempt = with_policy(tdf_kit, route, policy_text(SECRET_USA), client="usa-unclassified")
    claims = {"clearance": "TOP_SECRET", "countryOfAffiliation": "USA"}
    attempt.request |= claims | {"entity": claims}
    attempt.srt_claims = claims
    refused_kao(attempt, "attribute_not_entitled", forbidden("attribute_not_entitled"))


def test_attack_r09_opentdf_half_of_a_bulk_failing(tdf_kit: Kit, route: Route) -> None:
    """Each key access object has its own answer, and one that is refused has no key."""
    policies = [policy_text(SECRET_USA), policy_text((), ["alice@kas.example"]), policy_text()]
    attempt = TdfAttempt.good(tdf_kit, route, policies=policies, kaos=2)
    attempt.kao["kid"] = "nobody"
    answer = attempt.send()
    read = attempt.read(answer)
    denied = forbidden("not_in_dissem")
    assert [result.error for result in read.results] == [BAD_REQUEST, "", denied, denied, "", ""]
    assert [bool(result.wrapped) for result in read.results] == [not result.error for result in read.results]
    opened = attempt.open(read)
    assert opened == {name: attempt.data_keys[name] for name in ("kao-1", "kao-2-0", "kao-2-1")}
    codes = [event["code"] for event in tdf_kit.events(answer.headers["X-Request-Id"])]
    assert codes == ["unknown_key", None, "not_in_dissem", "not_in_dissem", None, None]


@pytest.mark.parametrize("version", [1, 2])
def test_no_result_is_signed_or_names_more_or_less_than_the_protocol_does(tdf_kit: Kit, version: int) -> None:
    """Of the first two members there is nothing to say, and clients may read them."""
    body = json.loads(TdfAttempt.good(tdf_kit, "rest", version=version).send().body)
    assert (body["metadata"], body["schemaVersion"]) == ({}, "")
    entity = {"entityWrappedKey"} if version == 1 else set()
    assert set(body) == {"metadata", "schemaVersion", "responses", "sessionPublicKey"} | entity
    assert set(body["responses"][0]) == {"policyId", "results"}
    assert set(body["responses"][0]["results"][0]) == {"metadata", "keyAccessObjectId", "status", "kasWrappedKey"}
