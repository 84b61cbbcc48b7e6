"""An OpenTDF answer, without HTTP: it carries the key that was wrapped here, and nothing that the dialect has no word for."""

from __future__ import annotations

import pytest

from kas.crypto.wrapping import WrappedKey
from kas.errors import ClearanceInsufficient, Internal
from kas.keys.registry import WrappedMaterial
from kas.protocol.opentdf.response import render
from kas.protocol.values import CoveredByRequestToken, GroupResult, KeyAccess, KeyAccessResult, PassedOn, Released

KEY = WrappedKey("RSA-OAEP", b"\1\2\3")


def answer(outcome, *, is_version_1=False):
    access = KeyAccess("k", WrappedMaterial(b""), "", None, None, b"", b"", CoveredByRequestToken(), is_supported=True)
    return render([GroupResult("p", (KeyAccessResult(access, outcome),))], is_version_1=is_version_1).body


def test_a_released_key_is_a_permit():
    outcome = Released(KEY)
    (sent,) = answer(outcome)["responses"][0]["results"]
    assert (sent["status"], sent["kasWrappedKey"]) == ("permit", "AQID")
    assert answer(outcome, is_version_1=True)["entityWrappedKey"] == "AQID"


@pytest.mark.parametrize("outcome", [ClearanceInsufficient, PassedOn({}, ClearanceInsufficient)])
def test_a_refusal_is_a_failure_with_its_text(outcome):
    (sent,) = answer(outcome)["responses"][0]["results"]
    assert (sent["status"], sent["error"]) == (
        "fail",
        "rpc error: code = PermissionDenied desc = forbidden: clearance_insufficient",
    )


@pytest.mark.parametrize("outcome", [Released(), Released(metadata={}), PassedOn({"status": "success"}, None)])
@pytest.mark.parametrize("is_version_1", [False, True])
def test_a_success_without_a_key_is_never_a_permit(outcome, is_version_1):
    with pytest.raises(Internal) as refused:
        answer(outcome, is_version_1=is_version_1)
    assert refused.value.code == "internal"
