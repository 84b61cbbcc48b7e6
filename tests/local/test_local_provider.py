"""The development identity provider over HTTP, as a real process: tokens, and every way to be refused one."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from urllib.parse import urlencode

import jwt
import pytest

from local.client.keys import new_proof_key
from local.client.proofs import make_proof
from local.provider.clients import CLIENTS
from tests.canaries import CANARIES

TOKEN_PATHS = ("/token", "/protocol/openid-connect/token")
GRANT = {"grant_type": "client_credentials"}
FORM = ("Content-Type", "application/x-www-form-urlencoded")
ATTRIBUTES = {
    "usa-secret": ("SECRET", "USA", ["NATO", "FVEY"], "aal2", "GOV"),
    "fra-secret": ("SECRET DEFENSE", "FRA", ["NATO"], "aal2", "GOV"),
    "usa-unclassified": ("UNCLASSIFIED", "USA", [], "aal1", "GOV"),
    "gbr-topsecret": ("TOP_SECRET", "GBR", ["NATO", "FVEY"], "aal3", "MIL"),
    "usa-usonly": ("SECRET", "USA", ["US-ONLY"], "aal2", "GOV"),
    "usa-industry": ("SECRET", "USA", ["NATO"], "aal2", "INDUSTRY"),
    "rou-secret": ("SECRET", "ROU", ["NATO"], "aal2", "GOV"),
    "odd-term": ("CHOCOLATE", "USA", ["NATO"], "aal2", "GOV"),
}


def basic(client_id="usa-secret", secret="dev"):
    return ("Authorization", "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode())


def post(http, url, *headers, form=None, body=None):
    data = urlencode(GRANT if form is None else form).encode() if body is None else body
    return http("POST", url, [FORM, *headers], data)


def token_of(answer):
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json()["access_token"]


def verified(http, base, token):
    keys = {key["kid"]: jwt.PyJWK(key) for key in http("GET", f"{base}/jwks.json").json()["keys"]}
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, algorithms=["ES256"], audience="kas", issuer=base)


def refused(answer, status, error):
    assert (answer.status, answer.json()["error"]) == (status, error), answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    assert "access_token" not in answer.json()


# ---- tokens


@pytest.mark.parametrize("client_id", ATTRIBUTES)
def test_each_client_gets_the_claims_of_its_row(http, provider, client_id):
    claims = verified(http, provider, token_of(post(http, f"{provider}/token", basic(client_id))))
    names = ("clearance", "countryOfAffiliation", "acpCOI", "acr", "organizationType")
    assert tuple(claims[name] for name in names) == ATTRIBUTES[client_id]
    assert (claims["sub"], claims["client_id"], claims["uniqueID"]) == (client_id,) * 3
    assert claims["exp"] - claims["iat"] == 300
    assert abs(claims["iat"] - time.time()) < 10
    assert isinstance(claims["amr"], list)
    assert claims["jti"]


def test_there_are_no_other_clients():
    assert CLIENTS.keys() == ATTRIBUTES.keys()


def test_a_token_says_that_it_is_an_access_token(http, provider):
    header = jwt.get_unverified_header(token_of(post(http, f"{provider}/token", basic())))
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")


@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_form_credentials_are_as_good_as_basic_ones(http, provider, path):
    form = GRANT | {"client_id": "fra-secret", "client_secret": "dev"}
    assert verified(http, provider, token_of(post(http, provider + path, form=form)))["sub"] == "fra-secret"


def test_basic_credentials_are_form_encoded_first(http, provider):
    token = token_of(post(http, f"{provider}/token", basic("usa%2Dsecret", "d%65v")))
    assert verified(http, provider, token)["sub"] == "usa-secret"


def test_two_tokens_have_different_ids(http, provider):
    tokens = [token_of(post(http, f"{provider}/token", basic())) for _ in range(2)]
    assert len({verified(http, provider, token)["jti"] for token in tokens}) == 2


def test_without_a_proof_the_token_is_a_bearer_token(http, provider):
    answer = post(http, f"{provider}/token", basic())
    assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 300)
    assert "cnf" not in verified(http, provider, token_of(answer))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "RS512"])
@pytest.mark.parametrize("path", TOKEN_PATHS)
def test_with_a_proof_the_token_is_bound_to_its_key(http, provider, path, alg):
    key, url = new_proof_key(alg), provider + path
    answer = post(http, url, basic(), ("DPoP", make_proof(key, "POST", url, time.time())))
    assert answer.json()["token_type"] == "DPoP"
    assert verified(http, provider, token_of(answer))["cnf"] == {"jkt": key.thumbprint}


# ---- who does not get one


@pytest.mark.parametrize("credentials", [("usa-secret", "wrong"), ("nobody", "dev"), ("usa-secret", ""), ("", "")])
def test_bad_basic_credentials_are_refused_with_a_challenge(http, provider, credentials):
    answer = post(http, f"{provider}/token", basic(*credentials))
    refused(answer, 401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize(
    "credentials",
    [{}, {"client_id": "usa-secret"}, {"client_id": "usa-secret", "client_secret": "no"}, {"client_secret": "dev"}],
)
def test_bad_form_credentials_are_refused(http, provider, credentials):
    refused(post(http, f"{provider}/token", form=GRANT | credentials), 401, "invalid_client")


@pytest.mark.parametrize(
    "value", [basic()[1].replace("Basic", "Bearer"), "Basic", "Basic !!!", "Basic /w==", "Basic dXNhLXNlY3JldA=="]
)
def test_an_authorization_that_is_not_basic_is_refused(http, provider, value):
    refused(post(http, f"{provider}/token", ("Authorization", value)), 401, "invalid_client")


def test_two_ways_of_authentication_at_once_are_refused(http, provider):
    form = GRANT | {"client_id": "usa-secret", "client_secret": "dev"}
    refused(post(http, f"{provider}/token", basic(), form=form), 400, "invalid_request")


def test_a_client_id_beside_another_clients_credentials_is_refused(http, provider):
    refused(post(http, f"{provider}/token", basic(), form=GRANT | {"client_id": "fra-secret"}), 400, "invalid_request")


def test_a_grant_is_required(http, provider):
    refused(post(http, f"{provider}/token", basic(), form={"scope": "x"}), 400, "invalid_request")


def test_other_grants_are_refused(http, provider):
    form = {"grant_type": "authorization_code"}
    refused(post(http, f"{provider}/token", basic(), form=form), 400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"grant_type=client_credentials&override=&override=",
        b"grant_type=client_credentials&novalue",
        b"grant_type=client_credentials&a=%ff",
        b"grant_type=client_credentials&a=\xc3\xa9",
        b"grant_type=client_credentials" + b"".join(b"&p%d=x" % number for number in range(40)),
        b"",
    ],
    ids=["repeated", "repeated-empty", "no-value", "not-utf-8", "not-ascii", "many", "empty"],
)
def test_a_malformed_form_is_refused(http, provider, body):
    refused(post(http, f"{provider}/token", basic(), body=body), 400, "invalid_request")


def test_a_body_that_is_not_a_form_is_refused(http, provider):
    headers = [("Content-Type", "application/json"), basic()]
    refused(http("POST", f"{provider}/token", headers, urlencode(GRANT).encode()), 400, "invalid_request")


def test_parameters_in_the_address_are_refused(http, provider):
    refused(post(http, f"{provider}/token?client_id=usa-secret", basic()), 400, "invalid_request")


def test_a_body_beyond_the_limit_is_refused(http, provider):
    refused(post(http, f"{provider}/token", basic(), body=b"a=" + b"x" * 70_000), 413, "invalid_request")


# ---- proofs: one good one, one thing broken


def signed_by_another(key, url):
    good = make_proof(key, "POST", url, time.time())
    other = make_proof(new_proof_key(), "POST", url, time.time())
    return good.rpartition(".")[0] + "." + other.rpartition(".")[2]


def changed(**changes):
    return lambda key, url: make_proof(key, "POST", url, time.time(), **changes)


BAD_PROOFS = {
    "empty": lambda key, url: "",
    "garbage": lambda key, url: "a.b.c",
    "typ": changed(header={"typ": "jwt"}),
    "alg none": changed(header={"alg": "none"}),
    "alg symmetric": changed(header={"alg": "HS256"}),
    "alg of another family": changed(header={"alg": "RS256"}),
    "no key": changed(header={"jwk": None}),
    "private key": lambda key, url: changed(header={"jwk": {**key.jwk, "d": "AA"}})(key, url),
    "crit": changed(header={"crit": ["x"]}),
    "signature": signed_by_another,
    "htm": changed(claims={"htm": "GET"}),
    "htu of another route": lambda key, url: make_proof(key, "POST", url + "/", time.time()),
    "htu of another host": lambda key, url: make_proof(key, "POST", "http://localhost/token", time.time()),
    "old": lambda key, url: make_proof(key, "POST", url, time.time() - 75),
    "early": lambda key, url: make_proof(key, "POST", url, time.time() + 25),
    "no time": changed(claims={"iat": None}),
    "no id": changed(claims={"jti": None}),
    "empty id": changed(claims={"jti": ""}),
    "huge id": changed(claims={"jti": "x" * 1000}),
}


@pytest.mark.parametrize("fault", BAD_PROOFS)
def test_a_bad_proof_is_refused(http, provider, fault):
    url = f"{provider}/token"
    answer = post(http, url, basic(), ("DPoP", BAD_PROOFS[fault](new_proof_key(), url)))
    refused(answer, 400, "invalid_dpop_proof")


def test_two_proofs_are_refused(http, provider):
    url, key = f"{provider}/token", new_proof_key()
    proofs = [("DPoP", make_proof(key, "POST", url, time.time())) for _ in range(2)]
    refused(post(http, url, basic(), *proofs), 400, "invalid_dpop_proof")


def test_the_htu_is_the_routes_own_path(http, provider):
    proof = make_proof(new_proof_key(), "POST", f"{provider}/token", time.time())
    answer = post(http, f"{provider}/protocol/openid-connect/token", basic(), ("DPoP", proof))
    refused(answer, 400, "invalid_dpop_proof")


def test_a_proof_serves_once(http, provider):
    url = f"{provider}/token"
    proof = ("DPoP", make_proof(new_proof_key(), "POST", url, time.time()))
    token_of(post(http, url, basic(), proof))
    refused(post(http, url, basic(), proof), 400, "invalid_dpop_proof")


@pytest.mark.parametrize("form", [{"grant_type": "x"}, GRANT | {"override": "{"}], ids=["grant", "override"])
def test_a_refused_request_does_not_use_its_proof_up(http, provider, form):
    url = f"{provider}/token"
    proof = ("DPoP", make_proof(new_proof_key(), "POST", url, time.time()))
    assert post(http, url, basic(), proof, form=form).status == 400
    token_of(post(http, url, basic(), proof))


# ---- what it shows


@pytest.mark.parametrize("name", ["openid-configuration", "oauth-authorization-server"])
def test_discovery_names_the_issuer_and_addresses_that_answer(http, provider, name):
    members = http("GET", f"{provider}/.well-known/{name}").json()
    assert members["issuer"] == provider
    assert http("GET", members["jwks_uri"]).status == 200
    token_of(post(http, members["token_endpoint"], basic()))


def test_the_key_set_is_public(http, provider):
    (key,) = http("GET", f"{provider}/jwks.json").json()["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_page_and_readme_list_the_clients(http, provider):
    page = http("GET", f"{provider}/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    readme = Path("README.md").read_text("utf-8")
    for client in CLIENTS.values():
        coi = ", ".join(client.coi) or "–"
        row = (client.clearance, client.country, coi, client.acr, client.organisation)
        assert "".join(f"<td>{cell}</td>" for cell in (client.client_id, *row)) in page.body.decode()
        assert " | ".join((f"`{client.client_id}`", *row)) in readme
    assert len(re.findall(r"^\| `[a-z]+-[a-z]+` \|", readme, re.MULTILINE)) == len(CLIENTS)


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/token", 405, "POST"),
        ("DELETE", "/jwks.json", 405, "GET, HEAD"),
        ("POST", "/", 405, "GET, HEAD"),
        ("GET", "/token/", 404, None),
        ("GET", "//token", 404, None),
        ("POST", "/Token", 404, None),
        ("GET", "/static/main.py", 404, None),
        ("GET", "/favicon.ico", 404, None),
    ],
)
def test_paths_and_methods_are_exact_and_errors_are_json(http, provider, method, path, status, allow):
    answer = http(method, provider + path)
    assert (answer.status, answer.headers.get("Allow")) == (status, allow)
    assert answer.json()["error"]


def test_what_provider_and_kas_write_is_searched_for_secrets(provider, pair):
    """Output and errors of the processes of this folder."""
    assert provider != pair.provider.base
    searched = {(path.parent.name.rstrip("0123456789"), path.name) for path in CANARIES.outputs()}
    assert {(folder, name) for folder in ("provider", "local-pair") for name in ("log", "stderr")} <= searched
