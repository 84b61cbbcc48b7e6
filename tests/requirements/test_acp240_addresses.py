"""ACP-240 §1, KAS-REQ-012 and §2 *Here*: which addresses of a KAO are ours, which are not, which are none."""

from __future__ import annotations

import pytest

from tests.attacks.rewrap_answers import faults, kao_refused, released
from tests.kit import running_kit

KAO = "requests[0].keyAccessObjects[0]"


def new_attempt(kit, **options):
    good = kit.attempt(**options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


@pytest.mark.parametrize("path", ["", "/", "/rewrap"])
def test_kas_req_012_a_kao_is_ours_under_each_form_of_a_public_base(kit_without_nonces, path):
    kit = kit_without_nonces
    port = kit.base.rpartition(":")[2]
    bases = [kit.base, f"HTTP://127.0.0.1:{port}", f"http://localhost:{port}", f"http://LocalHost:{port}"]
    for base in bases:
        attempt = new_attempt(kit)
        attempt.kao["url"] = base + path
        attempt.resign()
        released(attempt)


@pytest.mark.parametrize(
    "url",
    [
        "{base}/rewrap?x=1",
        "{base}/rewrap?",
        "{base}?rewrap",
        "{base}/rewrap/",
        "{base}//rewrap",
        "{base}/rewrap/../rewrap",
        "{base}/REWRAP",
        "{base}/rewrap2",
        "{base}/v2/rewrap",
        "{base}/.",
        "http://127.0.0.1:1/rewrap",
        "http://127.0.0.1/rewrap",
        "http://127.0.0.2:{port}/rewrap",
        "http://[::1]:{port}/rewrap",
        "https://127.0.0.1:{port}/rewrap",
        "https://kas.example/rewrap",
        "https://user@kas.example/rewrap",
        "https://kas.example@10.0.0.1/rewrap",
        "https://kas.example:99999/rewrap",
        "https://kas.example/re wrap",
        "https://kas.example/\trewrap",
        "https://kas.example/é",
        "https://kas.example/rewrap#fragment",
        "{base}/rewrap#fragment",
        "{base}/%72ewrap",
        "http://user@127.0.0.1:{port}/rewrap",
        "http://127.0.0.1:{port}/\trewrap",
    ],
)
def test_kas_req_012_a_kao_of_another_address_is_not_ours(attempt, url):
    base = attempt.kit.base
    attempt.kao["url"] = url.format(base=base, port=base.rpartition(":")[2])
    attempt.resign()
    kao_refused(attempt, "unknown_kas")


@pytest.mark.parametrize(
    "url",
    [
        "http://kas.example/rewrap",
        "http://10.0.0.1/rewrap",
        "http://127.0.0.1.example/rewrap",
        "ftp://127.0.0.1/rewrap",
        "file:///rewrap",
        "//kas.example/rewrap",
        "/rewrap",
        "kas.example/rewrap",
        "https://",
        "https:///rewrap",
        "https://[::1/rewrap",
    ],
)
def test_kas_req_012_a_url_that_is_not_https_is_a_fault(attempt, url):
    attempt.kao["url"] = url
    attempt.resign()
    assert faults(attempt) == [(f"{KAO}.url", "bad_url")]


@pytest.fixture(scope="module")
def kit_with_bases(tmp_path_factory):
    """A KAS that is known under two addresses elsewhere, and not under the one that it is reached at."""
    bases = "https://kas.example,https://edge.example:8443/tdf"
    settings = {"KAS_PUBLIC_BASES": bases, "KAS_REWRAP_DPOP_NONCE": "off"}
    with running_kit(tmp_path_factory.mktemp("bases"), **settings) as running:
        yield running


def addressed(kit, url):
    attempt = new_attempt(kit)
    attempt.proof_claims["htu"] = "https://kas.example/rewrap"
    attempt.kao["url"] = url
    attempt.resign()
    return attempt


@pytest.mark.parametrize(
    "url",
    [
        "https://kas.example",
        "https://kas.example:443/",
        "https://KAS.example:443/rewrap",
        "HTTPS://kas.EXAMPLE/rewrap",
        "https://edge.example:8443/tdf",
        "https://edge.example:8443/tdf/",
        "https://EDGE.example:8443/tdf/rewrap",
    ],
)
def test_kas_req_012_an_address_is_compared_after_normalisation(kit_with_bases, url):
    released(addressed(kit_with_bases, url))


@pytest.mark.parametrize(
    "url",
    [
        "https://kas.example:8443/rewrap",
        "https://kas.example/tdf/rewrap",
        "https://edge.example/tdf/rewrap",
        "https://edge.example:8443/rewrap",
        "https://edge.example:8443/TDF/rewrap",
        "https://kas.example.example/rewrap",
        "https://xkas.example/rewrap",
        "http://127.0.0.1:8080/rewrap",
        "https://kas.example/%72ewrap",
        "{base}/rewrap",
    ],
)
def test_kas_req_012_nothing_near_a_public_base_is_one(kit_with_bases, url):
    kao_refused(addressed(kit_with_bases, url.format(base=kit_with_bases.base)), "unknown_kas")
