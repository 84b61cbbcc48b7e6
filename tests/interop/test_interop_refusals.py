"""What the clients are refused, and that each recognises why by the text or the status that it looks for."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest

from tests.interop.clients import CLIENTS, Call, Place, decrypt, encrypt, run
from tests.interop.conftest import SECRET_TO_USA, TEXT
from tests.interop.tdf import changed_copy, flip_binding, flip_wrapped_key, lower_classification, nothing
from tests.kit import Kit, running_kit

DENIED = {
    "otdf-python": "rpc error: code = PermissionDenied desc = forbidden",
    "npm": "KasDecryptError: Unable to decrypt the response from KAS: [AxiosError: Request failed with status code 403]",
    "go": "tdf: rewrap request 403",
}
TAMPERED = {
    "otdf-python": "rpc error: code = InvalidArgument desc = bad request",
    "npm": "KasDecryptError: Unable to decrypt the response from KAS: [AxiosError: Request failed with status code 400]",
    "go": "[tamper detected] tdf: rewrap request 400",
}


@contextlib.contextmanager
def recorded_as_tampering(kit: Kit) -> Iterator[None]:
    """Asserts that the KAS has recorded rewraps in the meantime, and found that the material does not fit: the words of
    a client may stand for any status of 400.
    """
    before = len(rewraps(kit))
    yield
    assert {event["code"] for event in rewraps(kit)[before:]} == {"key_material_rejected"}


def rewraps(kit: Kit) -> list[dict[str, object]]:
    events = [json.loads(line) for line in kit.log.read_text("utf-8").splitlines() if line.startswith("{")]
    return [event for event in events if event.get("event") == "rewrap"]


@pytest.mark.parametrize("client", CLIENTS)
def test_attributes_allow_whoever_has_them(written, place, client):
    outcome = decrypt(client, written(client, *SECRET_TO_USA), place)
    assert outcome.content == TEXT, outcome.error


@pytest.mark.parametrize("reader", ["fra-secret", "usa-unclassified"])
@pytest.mark.parametrize("client", CLIENTS)
def test_attributes_deny_whoever_lacks_one(written, place, client, reader):
    """One lacks the country, one the level; the client says that it is a denial."""
    outcome = decrypt(client, written(client, *SECRET_TO_USA), place.as_(reader))
    assert outcome.status != 0
    assert outcome.content is None
    assert DENIED[client] in outcome.error


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("change", [lower_classification, flip_binding, flip_wrapped_key])
def test_a_changed_policy_binding_or_wrapped_key_is_told_as_tampering(kit, written, place, tmp_path, client, change):
    """In the client's own words; they are the same for all three, so nobody learns which check failed."""
    tdf = changed_copy(written(client, *SECRET_TO_USA), tmp_path / "tdf", change)
    with recorded_as_tampering(kit):
        outcome = decrypt(client, tdf, place)
    assert outcome.status != 0
    assert outcome.content is None
    assert TAMPERED[client] in outcome.error


@pytest.mark.parametrize("client", CLIENTS)
def test_a_file_that_is_only_packed_anew_still_opens(written, place, tmp_path, client):
    """The control of the tampering tests."""
    tdf = changed_copy(written(client, *SECRET_TO_USA), tmp_path / "tdf", nothing)
    assert decrypt(client, tdf, place).content == TEXT


@pytest.mark.parametrize("client", CLIENTS)
def test_a_lowered_policy_does_not_let_in_whom_the_real_one_keeps_out(kit, written, place, tmp_path, client):
    tdf = changed_copy(written(client, *SECRET_TO_USA), tmp_path / "tdf", lower_classification)
    with recorded_as_tampering(kit):
        outcome = decrypt(client, tdf, place.as_("usa-unclassified"))
    assert outcome.content is None
    assert TAMPERED[client] in outcome.error


@pytest.mark.parametrize("writer", CLIENTS)
def test_the_others_attributes_are_denied_as_ones_own(written, place, writer):
    """The Go SDK reads all formats, so it shows that the policy of each writer is understood."""
    tdf = written(writer, *SECRET_TO_USA)
    assert decrypt("go", tdf, place).content == TEXT
    assert DENIED["go"] in decrypt("go", tdf, place.as_("usa-unclassified")).error


def test_the_npm_client_opens_a_file_with_attributes_that_the_go_sdk_wrote(written, place):
    """The address in it comes from our answer about the attributes, and this client asks exactly there."""
    tdf = written("go", *SECRET_TO_USA, options=("--target-mode", "4.2.2"))
    outcome = decrypt("npm", tdf, place)
    assert outcome.content == TEXT, outcome.error


@pytest.fixture(scope="module")
def bound_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A KAS that takes no token that is bound to nothing."""
    with running_kit(tmp_path_factory.mktemp("bound"), KAS_OPENTDF_BEARER="refuse") as kit:
        yield Place(kit.base, kit.world.provider.base)


@pytest.mark.parametrize(
    ("client", "words"), [("otdf-python", "token_unbound"), ("npm", "Request failed with status code 401")]
)
def test_clients_without_proofs_can_encrypt_but_not_decrypt_where_tokens_must_be_bound(
    bound_only, tmp_path, client, words
):
    """And the file is a good one: the Go SDK opens it there."""
    (tmp_path / "plain").write_bytes(TEXT)
    tdf = encrypt(client, tmp_path / "plain", tmp_path / "tdf", bound_only, *SECRET_TO_USA)
    outcome = decrypt(client, tdf, bound_only)
    assert outcome.content is None
    assert words in outcome.error
    assert decrypt("go", tdf, bound_only).content == TEXT


UNKNOWN_ATTRIBUTE = "https://kas.example/attr/classification/value/COSMIC"


@pytest.mark.parametrize("client", ["otdf-python", "npm"])
def test_an_attribute_that_the_kas_does_not_know_opens_for_nobody(written, place, client):
    """These two ask nobody while they encrypt."""
    outcome = decrypt(client, written(client, UNKNOWN_ATTRIBUTE, *SECRET_TO_USA), place)
    assert outcome.content is None
    assert DENIED[client] in outcome.error


def test_the_go_sdk_does_not_encrypt_under_an_attribute_that_the_kas_does_not_know(place, tmp_path):
    (tmp_path / "plain").write_bytes(TEXT)
    outcome = run("go", Call("encrypt", tmp_path / "plain", tmp_path / "tdf", place, (UNKNOWN_ATTRIBUTE,)))
    assert outcome.content is None
    assert "not_found" in outcome.error
