"""F5: a hostile peer spoils its own key access object and nothing else. One real KAS asks it, another, and itself."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from local.client import new_proof_key
from local.client.encoding import b64, from_b64
from local.client.results import open_result
from tests.federation.among_fakes import AmongFakes
from tests.federation.fake_kas import CLOSE, Asked, FakeKas
from tests.federation.hostile_forwarder import key_of, kid_of
from tests.federation.hostile_peer import BROKEN, HUGE, SLOW, hostile_peer, reply, silent
from tests.kit import Attempt, policy

NOT_AS_AGREED = "results missing, foreign, twice there or wrongly signed"
Change = Callable[[dict[str, Any]], object]


def ask(world: AmongFakes, hostile: str = "fra", **asked: Any) -> tuple[Attempt, dict[str, dict[str, Any]]]:
    """A request for keys of the US, of ``hostile`` and of Britain, and its verified results, all on record as answered."""
    attempt = world.nations.attempt(at="usa", holders=("usa", hostile, "gbr"), **asked)
    answer = attempt.send()
    results = world.nations.results(attempt, answer)
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [(event["kaoId"], event["code"], event["forwardedTo"]) for event in events] == [
        ("kao-usa-0", None, None),
        (f"kao-{hostile}-1", results[f"kao-{hostile}-1"].get("code"), f"kas-{hostile}"),
        ("kao-gbr-2", None, "kas-gbr"),
    ]
    for kao_id in ("kao-usa-0", "kao-gbr-2"):
        assert open_result(results[kao_id], attempt.receiving) == attempt.data_keys[kao_id]
    return attempt, results


def answers_again(world: AmongFakes, hostile: str = "fra") -> None:
    """No thread is lost, no connection in between, and nobody is left alone after one failure."""
    _, results = ask(world, hostile)
    assert results[f"kao-{hostile}-1"]["signature"]["kas"] == f"kas-{hostile}"


def assert_spoilt(world: AmongFakes, said: str, *, code: str = "peer_unavailable", hostile: str = "fra") -> None:
    """What is hostile's is refused in the name of the US; the operator knows why, in our words."""
    _, results = ask(world, hostile)
    result = results[f"kao-{hostile}-1"]
    assert (result["status"], result["code"], result["signature"]["kas"]) == ("error", code, "kas-usa")
    told = [line for line in world.told() if (line["event"], line.get("peer")) == ("peer_failed", f"kas-{hostile}")]
    assert said in {line["status"] for line in told}
    assert all(line.keys() <= {"severity", "event", "peer", "status", "leftOut"} for line in told)
    assert "canary" not in world.outputs()


def said(**members: Any) -> Change:
    """Changes what the signature says of itself."""
    return lambda result: result["signature"].update(members)


def without(*names: str) -> Change:
    return lambda result: [result.pop(name) for name in names]


def of_another_time(seconds: float) -> Change:
    return lambda result: result["signature"].update(iat=int(time.time()) + seconds)


# What the peer signs itself, and is not what was asked.
SIGNED: dict[str, Change] = {
    "success without a key": without("kasWrappedKey"),
    "a key that is no text": lambda result: result.update(kasWrappedKey=["canary"]),
    "error without a code": lambda result: result.update(status="error"),
    "error with a code that is no text": lambda result: result.update(status="error", code=1),
    "unknown status": lambda result: result.update(status="canary"),
    "status that is no text": lambda result: result.update(status=["success"]),
    "no status": without("status"),
    "other sid": lambda result: result.update(sid="s-2"),
    "no sid": without("sid"),
    "sid null": lambda result: result.update(sid=None),
    "foreign id": lambda result: result.update(keyAccessObjectId="canary"),
    "id of what the asked one holds": lambda result: result.update(keyAccessObjectId="kao-usa-0"),
    "id of what another holds": lambda result: result.update(keyAccessObjectId="kao-gbr-2"),
    "in another's name": said(kas="kas-gbr"),
    "in the asked one's name": said(kas="kas-usa"),
    "other policy": said(policyId="p-canary"),
    "other proof": said(proof="A" * 43),
    "no proof": said(proof=None),
    "old": of_another_time(-70),
    "early": of_another_time(70),
    "time that is a text": said(iat="1795981396"),
    "time that is none": said(iat=True),
    "no time": lambda result: result["signature"].pop("iat"),
    "algorithm none": said(alg="none"),
    "algorithm of a secret": said(alg="HS256"),
    "other algorithm": said(alg="ES384"),
    "unknown key": said(kid="canary"),
    "key that is no text": said(kid=None),
}


@pytest.mark.parametrize("name", SIGNED)
def test_attack_f05_a_result_that_does_not_answer_the_question(among_fakes: AmongFakes, name: str) -> None:
    """Signed by the peer all the same."""
    fra = among_fakes.fakes["fra"]
    with fra.answering(fra.spoilt(SIGNED[name])):
        assert_spoilt(among_fakes, NOT_AS_AGREED)
    answers_again(among_fakes)


def the_result(members: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = members["responses"][0]["results"][0]
    return result


def the_signature(members: dict[str, Any]) -> dict[str, Any]:
    signature: dict[str, Any] = the_result(members)["signature"]
    return signature


# What is changed after the peer has signed, or is not under its signature.
UNSIGNED: dict[str, Change] = {
    "another key in the wrap": lambda members: the_result(members).update(kasWrappedKey=b64(b"canary" * 10)),
    "one more member": lambda members: the_result(members).update(combined=True),
    "one member less": lambda members: the_result(members).pop("wrapAlg"),
    "error in place of the success": lambda members: the_result(members).update(status="error", code="canary"),
    "other time": lambda members: the_signature(members).update(iat=the_signature(members)["iat"] - 1),
    "no signature": lambda members: the_result(members).pop("signature"),
    "signature that is no object": lambda members: the_result(members).update(signature="canary"),
    "no sig": lambda members: the_signature(members).pop("sig"),
    "empty sig": lambda members: the_signature(members).update(sig=""),
    "sig that is no base64": lambda members: the_signature(members).update(sig="canary!"),
    "sig that is no text": lambda members: the_signature(members).update(sig=1),
    "sig of zeros": lambda members: the_signature(members).update(sig=b64(bytes(64))),
    "sig cut": lambda members: the_signature(members).update(sig=b64(from_b64(the_signature(members)["sig"])[:-1])),
    "other policy around it": lambda members: members["responses"][0].update(policyId="p-canary"),
    "nothing": lambda members: members.update(responses=[]),
    "no results": lambda members: members["responses"][0].update(results=[]),
    "twice the same": lambda members: members["responses"][0]["results"].append(the_result(members)),
    "twice the same group": lambda members: members["responses"].append(members["responses"][0]),
}


@pytest.mark.parametrize("name", UNSIGNED)
def test_attack_f05_a_result_that_is_not_signed_as_it_stands(among_fakes: AmongFakes, name: str) -> None:
    fra = among_fakes.fakes["fra"]
    with fra.answering(fra.altered(UNSIGNED[name])):
        assert_spoilt(among_fakes, NOT_AS_AGREED)
    answers_again(among_fakes)


@pytest.mark.parametrize("sid", [None, "s-1", ""])
def test_attack_f05_a_sid_that_was_not_asked_with(among_fakes: AmongFakes, sid: str | None) -> None:
    """A result has one exactly when its key access object had."""
    nations, fra = among_fakes.nations, among_fakes.fakes["fra"]
    attempt = nations.attempt(at="usa", holders=("fra",))
    del attempt.kao["sid"]
    attempt.resign()
    with fra.answering(fra.spoilt(lambda result: result.update(sid=sid))):
        answer = attempt.send()
    assert nations.results(attempt, answer)["kao-fra-0"]["code"] == "peer_unavailable"
    answers_again(among_fakes)


@pytest.mark.parametrize("signer", ["gbr", "usa", None])
@pytest.mark.parametrize("is_named", [True, False])
def test_attack_f05_signed_by_another_key(among_fakes: AmongFakes, signer: str | None, *, is_named: bool) -> None:
    """By another service of the registry, by ours, or by anybody; under its own kid or the peer's."""
    fra, places = among_fakes.fakes["fra"], among_fakes.nations.places
    key = new_proof_key() if signer is None else key_of(places[signer])
    kid = "anybody" if signer is None else kid_of(places[signer])

    def sign(members: dict[str, Any]) -> None:
        if is_named:
            the_signature(members)["kid"] = kid
        members["responses"][0]["results"] = [fra.sign(the_result(members), key)]

    with fra.answering(fra.altered(sign)):
        assert_spoilt(among_fakes, NOT_AS_AGREED)
    answers_again(among_fakes)


def test_attack_f05_an_earlier_answer(among_fakes: AmongFakes) -> None:
    """To the same question of the same client about the same policy, a moment ago: the proof was another."""
    fra, one = among_fakes.fakes["fra"], policy(releasabilityTo=["USA", "FRA", "GBR"])
    kept: list[bytes] = []

    def keep(asked: Asked) -> bytes:
        kept.append(fra.reply(fra.good(asked)))
        return kept[0]

    with fra.answering(keep):
        _, results = ask(among_fakes, under=one)
        assert results["kao-fra-1"]["status"] == "success"
        _, results = ask(among_fakes, under=one)
        assert results["kao-fra-1"]["code"] == "peer_unavailable"
        assert json.loads(kept[1].partition(b"\r\n\r\n")[2]) != json.loads(kept[0].partition(b"\r\n\r\n")[2])
    answers_again(among_fakes)


@pytest.mark.parametrize("kao_id", ["unasked", "kao-usa-0", "kao-gbr-2"])
@pytest.mark.parametrize("is_beside", [True, False])
def test_attack_f05_what_was_not_asked_spoils_itself_alone(
    among_fakes: AmongFakes, kao_id: str, *, is_beside: bool
) -> None:
    """Beside a good result, or in a group of its own: it answers for nobody else's, and the call counts as failed."""
    fra = among_fakes.fakes["fra"]

    def add(members: dict[str, Any]) -> None:
        (group,) = members["responses"]
        foreign = fra.sign({**the_result(members), "keyAccessObjectId": kao_id})
        if is_beside:
            group["results"].insert(0, foreign)
        else:
            members["responses"].insert(0, {"policyId": group["policyId"], "results": [foreign]})

    before = among_fakes.breaker("usa", "fra")["failures"]
    with fra.answering(fra.altered(add)):
        _, results = ask(among_fakes)
    assert results["kao-fra-1"]["signature"]["kas"] == "kas-fra"
    assert among_fakes.breaker("usa", "fra")["failures"] == before + 1
    answers_again(among_fakes)


def test_attack_f05_one_of_two_spoilt_leaves_the_other(among_fakes: AmongFakes) -> None:
    """Of one peer, in one call."""
    nations, fra = among_fakes.nations, among_fakes.fakes["fra"]
    attempt = nations.attempt(at="usa", holders=("fra", "fra"))
    with fra.answering(fra.spoilt(said(proof="A" * 43))):
        results = nations.results(attempt, attempt.send())
    assert (results["kao-fra-0"]["code"], results["kao-fra-1"]["status"]) == ("peer_unavailable", "success")
    assert results["kao-fra-1"]["signature"]["kas"] == "kas-fra"
    answers_again(among_fakes)


def test_attack_f05_a_signed_refusal_is_passed_on_untouched(among_fakes: AmongFakes) -> None:
    """With a code that nobody knows, too: it is the peer's word."""
    fra = among_fakes.fakes["fra"]
    sent: list[dict[str, Any]] = []

    def refuse(result: dict[str, Any]) -> None:
        del result["kasWrappedKey"], result["wrapAlg"]
        result.update(status="error", code="not_on_sundays", error="Not on Sundays.", more={"π": [1.5, None]})
        sent.append(result)

    with fra.answering(fra.spoilt(refuse)):
        attempt = among_fakes.nations.attempt(at="usa", holders=("usa", "fra"))
        answer = attempt.send()
    result = among_fakes.nations.results(attempt, answer)["kao-fra-1"]
    assert {**result, "signature": None} == {**sent[0], "signature": None}
    events = attempt.kit.events(answer.headers["X-Request-Id"])
    assert [event["code"] for event in events] == [None, "peer_refused"]


# ---- no results at all


def status(said: str, body: bytes = b'{"error":"canary"}', headers: str = "") -> Callable[[Asked], bytes]:
    return lambda _asked: reply(body, said, CLOSE + headers)


NESTED = (
    b'{"responses":[{"policyId":"p","results":[{"keyAccessObjectId":"kao-fra-1","x":'
    + b"[" * 120
    + b"]" * 120
    + b"}]}]}"
)
SHAPES: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"canary",
    "cut": b'{"responses":[',
    "bytes": b"\xff\xfe\x00canary",
    "a list": b"[]",
    "null": b"null",
    "without responses": b'{"error":"canary"}',
    "responses no list": b'{"responses":{"policyId":"p","results":[]}}',
    "a group no object": b'{"responses":["canary"]}',
    "a group without policy": b'{"responses":[{"results":[]}]}',
    "results no list": b'{"responses":[{"policyId":"p","results":"canary"}]}',
    "a result no object": b'{"responses":[{"policyId":"p","results":[1]}]}',
    "a result without id": b'{"responses":[{"policyId":"p","results":[{"status":"success"}]}]}',
    "two of one name": b'{"responses":[],"responses":[]}',
    "no number": b'{"responses":[],"x":NaN}',
    "beyond numbers": b'{"responses":[],"x":9007199254740993}',
    "deep": NESTED,
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "compressed": b"\x1f\x8b\x08\x00canary",
}


@pytest.mark.parametrize("name", SHAPES)
def test_attack_f05_an_answer_of_another_shape(among_fakes: AmongFakes, name: str) -> None:
    fra = among_fakes.fakes["fra"]
    with fra.answering(status("200 OK", SHAPES[name])):
        assert_spoilt(among_fakes, "status 200 without results")
    answers_again(among_fakes)


def test_attack_f05_results_deeper_than_allowed(among_fakes: AmongFakes) -> None:
    """Signed and all: what we could not write, we do not read."""
    fra = among_fakes.fakes["fra"]

    def deepen(result: dict[str, Any]) -> None:
        result["metadata"] = json.loads("[" * 120 + "]" * 120)

    with fra.answering(fra.spoilt(deepen)):
        assert_spoilt(among_fakes, "status 200 without results")
    answers_again(among_fakes)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("500 Internal Server Error", "peer_unavailable"),
        ("503 Service Unavailable", "peer_unavailable"),
        ("429 Too Many Requests", "peer_unavailable"),
        ("408 Request Timeout", "peer_unavailable"),
        ("204 No Content", "peer_unavailable"),
        ("400 Bad Request", "peer_refused"),
        ("401 Unauthorized", "peer_refused"),
        ("403 Forbidden", "peer_refused"),
        ("404 Not Found", "peer_refused"),
    ],
)
def test_attack_f05_a_status_without_results(among_fakes: AmongFakes, sent: str, code: str) -> None:
    """Whoever refuses a whole request or is busy is there, of which the operator hears: he is not left alone for it. The
    rest are failures.
    """
    fra, number = among_fakes.fakes["fra"], sent.partition(" ")[0]
    before = among_fakes.breaker("usa", "fra")["failures"]
    is_there = code == "peer_refused" or number in {"429", "503"}
    with fra.answering(status(sent, b"" if number == "204" else b'{"error":"canary"}')):
        words = f"status {number}" if is_there else f"status {number} without results"
        assert_spoilt(among_fakes, words, code=code)
    assert among_fakes.breaker("usa", "fra")["failures"] - before == (0 if is_there else 1)
    answers_again(among_fakes)


@pytest.mark.parametrize("number", ["301", "302", "303", "307", "308"])
def test_attack_f01_a_redirect_is_not_followed(among_fakes: AmongFakes, number: str) -> None:
    """Nothing is sent to where it leads: no token, no proof, not even a connection."""
    fra = among_fakes.fakes["fra"]
    with hostile_peer(silent) as elsewhere:
        with fra.answering(status(f"{number} Moved", headers=f"Location: {elsewhere.url}\r\n")):
            assert_spoilt(among_fakes, f"status {number} without results")
        assert (elsewhere.accepted, elsewhere.requests) == (0, [])
    answers_again(among_fakes)


# ---- what is no HTTP, and what does not end


@pytest.mark.parametrize("name", BROKEN)
def test_attack_f05_an_answer_that_breaks_off(among_fakes: AmongFakes, name: str) -> None:
    """The request is not sent again."""
    fra = among_fakes.fakes["fra"]
    before = fra.heard
    with fra.talking(BROKEN[name]):
        _, results = ask(among_fakes)
        assert results["kao-fra-1"]["code"] == "peer_unavailable"
        assert fra.heard == before + 1
    assert "canary" not in among_fakes.outputs()
    answers_again(among_fakes)


@pytest.mark.parametrize("name", ["body without end", "chunks without end", "continue without end", "declared"])
def test_attack_f05_an_answer_without_end(among_fakes: AmongFakes, name: str) -> None:
    fra = among_fakes.fakes["fra"]
    with fra.talking(HUGE[name]):
        assert_spoilt(among_fakes, "the answer has more than 4194304 bytes")
    answers_again(among_fakes)


@pytest.mark.parametrize("name", SLOW)
def test_attack_f05_a_slow_answer(among_fakes: AmongFakes, name: str) -> None:
    """Each byte comes in good time, or none at all: the peer's time is over, the others' keys arrive."""
    with among_fakes.fakes["deu"].talking(SLOW[name]):
        assert_spoilt(among_fakes, "no answer in time", hostile="deu")
    answers_again(among_fakes, "deu")


def test_attack_f05_slow_peers_side_by_side(among_fakes: AmongFakes) -> None:
    """Two that do not answer, each given three of the four seconds: the others' keys arrive, and no call is made twice."""
    swe, fin = (among_fakes.fakes[name] for name in ("swe", "fin"))
    attempt = among_fakes.nations.attempt(at="usa", holders=("swe", "usa", "fin", "gbr", "fra"))
    before = (swe.heard, fin.heard)
    with swe.talking(silent), fin.talking(silent):
        results = among_fakes.nations.results(attempt, attempt.send())
    assert {kao_id: result.get("code") for kao_id, result in results.items()} == {
        "kao-swe-0": "peer_unavailable",
        "kao-usa-1": None,
        "kao-fin-2": "peer_unavailable",
        "kao-gbr-3": None,
        "kao-fra-4": None,
    }
    assert (swe.heard, fin.heard) == (before[0] + 1, before[1] + 1)


def test_attack_f05_the_whole_request_has_one_deadline(among_fakes: AmongFakes) -> None:
    """Alternatives one after the other, each in its own time: when that of the request is over, nobody else is asked."""
    swe, fin = (among_fakes.fakes[name] for name in ("swe", "fin"))
    attempt = among_fakes.nations.attempt(
        at="usa", holders=("swe", "fin", "gbr"), mode="anyOf", data_key=bytes(range(32))
    )
    with swe.talking(silent), fin.talking(silent):
        results = among_fakes.nations.results(attempt, attempt.send())
    assert {result.get("code") for result in results.values()} == {"peer_unavailable"}


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer", "dpop"])
def test_attack_f05_peer_is_asked_once_and_what_it_gets_is_what_the_client_sent(
    among_fakes: AmongFakes, scheme: str
) -> None:
    """Several key access objects of one peer in one call, without those of others; under DPoP, whatever the client wrote."""
    fra: FakeKas = among_fakes.fakes["fra"]
    attempt = among_fakes.nations.attempt(at="usa", holders=("fra", "usa", "fra", "gbr"))
    before, attempt.scheme = len(fra.asked), scheme
    attempt.send()
    (asked,) = fra.asked[before:]
    group = attempt.request["requests"][0]
    kaos = [group["keyAccessObjects"][place] for place in (0, 2)]
    assert asked.request == {
        "clientPublicKey": attempt.request["clientPublicKey"],
        "requests": [{"policy": group["policy"], "keyAccessObjects": kaos}],
    }
    assert (asked.headers["authorization"], asked.proof) == (f"DPoP {attempt.token}", attempt.proof)
