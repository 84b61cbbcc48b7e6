"""The rewrap of OpenTDF as its clients ask for it: every mechanism, key, version and form gives the very data key."""

from __future__ import annotations

import base64
import gzip
import json
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from local.client import new_proof_key
from tests.kit import Kit
from tests.opentdf.answers import BAD_REQUEST, NO_OBLIGATIONS, refused_kao, released
from tests.opentdf.key_folder import ACTIVE, CURVES, KeyFolder
from tests.opentdf.pieces import OAEP_SHA1, b64, bind, pem, policy_text, wrap
from tests.opentdf.tdf_client import Route, TdfAttempt

OAEP_SHA256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@pytest.mark.parametrize("algorithm", ACTIVE)
@pytest.mark.parametrize("version", [1, 2])
def test_each_kind_of_kas_key_opens_what_was_wrapped_to_it(
    tdf_kit: Kit, route: Route, version: int, algorithm: str
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version, algorithm=algorithm)
    assert attempt.kao["kid"] == ACTIVE[algorithm]
    released(attempt)


@pytest.mark.parametrize("curve", CURVES)
def test_an_ec_client_gets_one_fresh_session_key_on_its_curve(tdf_kit: Kit, route: Route, curve: str) -> None:
    client_key = ec.generate_private_key(CURVES[curve])
    sessions = set()
    for _ in range(2):
        read = released(TdfAttempt.good(tdf_kit, route, client_key=client_key, kaos=3))
        session = load_pem_public_key(read.session_key.encode())
        assert isinstance(session, ec.EllipticCurvePublicKey)
        assert session.curve.name == CURVES[curve].name
        sessions.add(read.session_key)
    assert len(sessions) == 2


def test_an_rsa_4096_client_gets_no_session_key(tdf_kit: Kit, route: Route) -> None:
    read = released(TdfAttempt.good(tdf_kit, route, client_key=rsa.generate_private_key(65537, 4096)))
    assert read.session_key == ""


@pytest.mark.parametrize("form", ["object-hex", "object-raw", "text-hex", "text-raw"])
@pytest.mark.parametrize("version", [1, 2])
def test_each_form_of_the_binding_is_taken(tdf_kit: Kit, route: Route, version: int, form: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=version)
    attempt.kao["policyBinding"] = bind(attempt.data_keys["kao-0"], attempt.policy, form)
    released(attempt)


def test_the_binding_is_over_the_policy_text_exactly_as_sent(tdf_kit: Kit, route: Route) -> None:
    """The same policy in base64 without padding is another text: bound, it passes; not bound, it does not."""
    policy = base64.b64encode(json.dumps({"uuid": "abcd", "body": {"dataAttributes": [], "dissem": []}}).encode())
    assert policy.endswith(b"=")
    bare = policy.decode().rstrip("=")
    released(TdfAttempt.good(tdf_kit, route, policies=[bare]))
    attempt = TdfAttempt.good(tdf_kit, route, policies=[policy.decode()])
    attempt.policy = bare
    refused_kao(attempt, "key_material_rejected", BAD_REQUEST)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_data_key_has_16_24_or_32_bytes(tdf_kit: Kit, route: Route, length: int) -> None:
    released(TdfAttempt.good(tdf_kit, route, share=b"k" * length))


def test_an_unbound_token_passes_where_the_deployment_allows_it(tdf_kit: Kit, route: Route) -> None:
    """Its request token is signed with a key that nobody else knows."""
    attempt = TdfAttempt.good(tdf_kit, route, bound=False)
    released(attempt)
    assert attempt.proof is None


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS384", "ES256", "ES384", "ES512"])
def test_a_request_token_is_verified_under_each_algorithm(tdf_kit: Kit, route: Route, alg: str) -> None:
    released(TdfAttempt.good(tdf_kit, route, key=new_proof_key(alg)))


@pytest.mark.parametrize("kid", ["tdf-2048", "tdf-old"])
@pytest.mark.parametrize("absent", [None, ""])
def test_without_kid_the_first_two_legacy_keys_are_tried(
    tdf_kit: Kit, key_folder: KeyFolder, route: Route, kid: str, absent: object
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    public = key_folder.private[kid].public_key()
    attempt.kao.update(wrap(attempt.data_keys["kao-0"], public), kid=absent)
    answer = attempt.send()
    assert attempt.open(attempt.read(answer)) == attempt.data_keys
    (event,) = tdf_kit.events(answer.headers["X-Request-Id"])
    assert (event["outcome"], event["kid"]) == ("released", kid)  # the one that opened


@pytest.mark.parametrize("kid", ["tdf-oldest", "tdf-modern", "tdf-off", "tdf-4096", "acp"])
def test_without_kid_no_key_but_the_legacy_ones_is_tried(
    tdf_kit: Kit, key_folder: KeyFolder, route: Route, kid: str
) -> None:
    """What is wrapped to another would open under it, were it not disabled; the two that are tried do not open it."""
    attempt, public = TdfAttempt.good(tdf_kit, route), key_folder.private[kid].public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    wrapped = public.encrypt(attempt.data_keys["kao-0"], OAEP_SHA256 if kid == "acp" else OAEP_SHA1)
    attempt.kao["wrappedKey"] = b64(wrapped)
    del attempt.kao["kid"]
    answer = refused_kao(attempt, "key_material_rejected", BAD_REQUEST)
    (event,) = tdf_kit.events(answer.headers["X-Request-Id"])
    assert event["keyOperations"] == 2


def test_a_sealed_key_without_kid_is_not_tried(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, algorithm="ec:secp256r1")
    del attempt.kao["kid"]
    answer = refused_kao(attempt, "unknown_key", BAD_REQUEST)
    (event,) = tdf_kit.events(answer.headers["X-Request-Id"])
    assert (event["keyOperations"], event["kid"]) == (0, None)


def test_a_key_that_is_only_for_decryption_still_opens(tdf_kit: Kit, key_folder: KeyFolder, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao.update(wrap(attempt.data_keys["kao-0"], key_folder.private["tdf-modern"].public_key()))
    attempt.kao["kid"] = "tdf-modern"
    released(attempt)


def test_version_1_answers_in_both_forms(tdf_kit: Kit, route: Route) -> None:
    """Java reads the entity's key alone, Go and web the results."""
    read = released(TdfAttempt.good(tdf_kit, route, version=1))
    (result,) = read.results
    assert (result.policy_id, result.kao_id, result.wrapped) == ("policy-1", "kao-0", read.entity_key)
    assert result.metadata == NO_OBLIGATIONS[route]


def test_version_2_echoes_ids_and_has_obligations(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, kaos=2, policies=[policy_text(), policy_text()])
    attempt.request["requests"][0]["policy"]["id"] = "a policy, with anything in its name: ü\n"
    read = released(attempt)
    assert [(result.policy_id, result.kao_id) for result in read.results] == [
        ("a policy, with anything in its name: ü\n", "kao-0"),
        ("a policy, with anything in its name: ü\n", "kao-1"),
        ("policy-2", "kao-1-0"),
        ("policy-2", "kao-1-1"),
    ]
    assert [result.metadata for result in read.results] == [NO_OBLIGATIONS[route]] * 4
    assert read.entity_key == b""


@pytest.mark.parametrize("requests", [None, []])
def test_empty_requests_mean_version_1(tdf_kit: Kit, route: Route, requests: object) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, version=1)
    attempt.request["requests"] = requests
    assert released(attempt).entity_key


def test_version_2_wins_over_the_members_of_version_1_beside_it(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.request |= {"policy": "nonsense", "keyAccess": {"wrappedKey": "nonsense"}, "algorithm": "rsa:2048"}
    assert released(attempt).entity_key == b""


SPELLINGS = {
    "snake": {
        "clientPublicKey": "client_public_key",
        "keyAccessObjects": "key_access_objects",
        "keyAccessObjectId": "key_access_object_id",
        "keyAccessObject": "key_access_object",
        "policyBinding": "policy_binding",
        "type": "key_type",
        "url": "kas_url",
        "wrappedKey": "wrapped_key",
    },
    "camel": {"type": "keyType", "url": "kasUrl", "alg": "algorithm"},
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_names_come_in_every_spelling_of_protobuf(tdf_kit: Kit, route: Route, spelling: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.text = json.dumps(attempt.request)
    for name, other in SPELLINGS[spelling].items():
        assert f'"{name}": ' in attempt.text
        attempt.text = attempt.text.replace(f'"{name}": ', f'"{other}": ')
    released(attempt)


def test_url_safe_base64_is_taken(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    for member in ("wrappedKey",):
        attempt.kao[member] = attempt.kao[member].replace("+", "-").replace("/", "_").rstrip("=")
    released(attempt)


def test_unknown_members_are_ignored_everywhere(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao.update({"sid": "s", "header": b64(b"x"), "later": {"a": [1]}})
    attempt.request["requests"][0]["later"] = attempt.request["later"] = 1
    attempt.request["requests"][0]["algorithm"] = "rsa:2048"
    attempt.srt_claims = {"later": [1], "jti": "x"}
    attempt.srt_header = {"kid": "x"}
    context = b64(json.dumps({"obligations": {"fulfillableFQNs": None}}).encode())
    attempt.headers = [("X-Rewrap-Additional-Context", context)]
    released(attempt)


@pytest.mark.parametrize("seconds", [60, 7200])
def test_a_request_token_lives_for_up_to_two_hours(tdf_kit: Kit, route: Route, seconds: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    now = int(time.time())
    attempt.srt_claims = {"iat": now, "exp": now + seconds}
    released(attempt)


@pytest.mark.parametrize("suffix", ["", "/", "/kas", "/kas/", "/kas/v2/rewrap"])
def test_each_way_to_write_our_address_is_ours(tdf_kit: Kit, route: Route, suffix: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.kao["url"] = tdf_kit.base + suffix
    released(attempt)


def test_a_compressed_request_is_opened(tdf_kit: Kit) -> None:
    attempt = TdfAttempt.good(tdf_kit, "connect-proto")
    attempt.body = gzip.compress(attempt.make_body())
    attempt.headers = [("Content-Encoding", "gzip")]
    released(attempt)


def test_each_key_of_an_answer_is_sealed_under_a_nonce_of_its_own(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route, client_key=ec.generate_private_key(ec.SECP256R1()), kaos=4)
    assert len({result.wrapped[:12] for result in released(attempt).results}) == 4


def test_kas_req_113_the_kas_publishes_and_opens_rsa_and_ec_of_every_size(tdf_kit: Kit) -> None:
    attempts = {algorithm: TdfAttempt.good(tdf_kit, algorithm=algorithm) for algorithm in ACTIVE}
    assert {algorithm: attempt.kao["kid"] for algorithm, attempt in attempts.items()} == ACTIVE
    for attempt in attempts.values():
        released(attempt)


def test_a_client_key_on_another_pem_line_length_is_still_that_key(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.request["clientPublicKey"] = pem(attempt.client_key).replace("\n", "\r\n")
    released(attempt)
