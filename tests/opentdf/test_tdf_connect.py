"""Conformance of the Connect layer: codecs, verbs, compression, its form of errors, and what it does with garbage."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import pytest

from tests.attacks.proof_requests import worker_of
from tests.kit import Kit, refused
from tests.opentdf import wire
from tests.opentdf.answers import connect_error, refused_call
from tests.opentdf.procedures import NAMES, PROCEDURES, PUBLIC_KEY, SERVERS, WELL_KNOWN, Procedure, get, post, success
from tests.opentdf.tdf_client import TdfAttempt

EACH = pytest.mark.parametrize("procedure", PROCEDURES, ids=NAMES)
GZIP = ("Content-Encoding", "gzip")
DEPTH = 32  # the default of KAS_MAX_JSON_DEPTH


@EACH
def test_each_procedure_answers_alike_by_each_verb_and_encoding(tdf_kit: Kit, procedure: Procedure) -> None:
    path = procedure.path
    for codec, data in (("json", procedure.json), ("proto", procedure.proto)):
        answers = {
            success(post(tdf_kit, path, codec, data), codec),
            success(post(tdf_kit, path, codec, gzip.compress(data), GZIP), codec),
            success(post(tdf_kit, path, codec, data, ("Content-Encoding", "identity")), codec),
            success(get(tdf_kit, path, codec, data), codec),
            success(get(tdf_kit, path, codec, data, compression="gzip"), codec),
            success(get(tdf_kit, path, codec, data, base64_=False), codec),
        }
        assert len(answers) == 1


@EACH
def test_connects_version_header_is_not_required_and_not_refused(tdf_kit: Kit, procedure: Procedure) -> None:
    success(post(tdf_kit, procedure.path, "json", procedure.json, ("Connect-Protocol-Version", "1")), "json")


@EACH
def test_unknown_fields_are_ignored(tdf_kit: Kit, procedure: Procedure) -> None:
    asked = json.dumps(procedure.asked | {"later": {"a": [1]}}).encode()
    data = procedure.proto + wire.message((900, "later"), (901, 7))
    assert success(post(tdf_kit, procedure.path, "json", asked), "json")
    assert success(post(tdf_kit, procedure.path, "proto", data), "proto")


@EACH
def test_json_is_as_deep_as_a_message_may_be_and_no_deeper(tdf_kit: Kit, procedure: Procedure) -> None:
    """Also where nobody reads it."""

    def asked(levels: int) -> bytes:
        return json.dumps(procedure.asked | {"later": json.loads("[" * levels + "]" * levels)}).encode()

    for ask in (post, get):
        success(ask(tdf_kit, procedure.path, "json", asked(DEPTH - 1)), "json")
        answer = ask(tdf_kit, procedure.path, "json", asked(DEPTH))
        told = connect_error(answer, 400, "invalid_structure: ")["message"]
        assert told.endswith(f" later{'[0]' * (DEPTH - 1)}: too_deep")


@EACH
def test_null_is_absent_as_in_protobufs_json(tdf_kit: Kit, procedure: Procedure) -> None:
    asked = json.dumps(dict.fromkeys(procedure.asked)).encode()
    assert success(post(tdf_kit, procedure.path, "json", asked), "json") == success(
        post(tdf_kit, procedure.path, "json", b"{}"), "json"
    )


@EACH
def test_an_empty_body_is_an_empty_message(tdf_kit: Kit, procedure: Procedure) -> None:
    for codec in ("json", "proto"):
        assert post(tdf_kit, procedure.path, codec, b"").status == 200


@EACH
@pytest.mark.parametrize("media_type", ["text/plain", "application/grpc", "application/connect+json", ""])
def test_another_content_type_is_415(tdf_kit: Kit, procedure: Procedure, media_type: str) -> None:
    answer = tdf_kit.http("POST", tdf_kit.base + procedure.path, [("Content-Type", media_type)], procedure.json)
    connect_error(answer, 415, "codec_unsupported: ")


def test_a_charset_beside_json_is_taken(tdf_kit: Kit) -> None:
    headers = [("Content-Type", "application/json; charset=utf-8")]
    success(tdf_kit.http("POST", tdf_kit.base + SERVERS.path, headers, b"{}"), "json")


@EACH
@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_another_method_is_405_with_those_it_takes(tdf_kit: Kit, procedure: Procedure, method: str) -> None:
    answer = tdf_kit.http(method, tdf_kit.base + procedure.path)
    connect_error(answer, 405, "method_not_allowed: ")
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_a_rewrap_is_never_asked_by_get(tdf_kit: Kit) -> None:
    """A GET may be repeated, cached and logged by whoever stands between."""
    answer = get(tdf_kit, "/kas.AccessService/Rewrap", "json", b"{}")
    connect_error(answer, 405, "method_not_allowed: ")
    assert answer.headers["Allow"] == "POST, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "path",
    [
        "/kas.AccessService/Info",
        "/kas.AccessService/",
        "/kas.AccessService/Rewrap/",
        "/kas.AccessService/rewrap",
        "/policy.attributes.AttributesService/CreateAttribute",
        "/policy.kasregistry.KeyAccessServerRegistryService/CreateKeyAccessServer",
        "/wellknownconfiguration.WellKnownService/X",
        "/grpc.health.v1.Health/Watch",
    ],
)
def test_an_unknown_procedure_is_unimplemented(tdf_kit: Kit, method: str, path: str) -> None:
    answer = tdf_kit.http(method, tdf_kit.base + path, [("Content-Type", "application/json")], b"{}")
    connect_error(answer, 501, "procedure_unknown: ")


@pytest.mark.parametrize(
    "path", ["/kas.Other/Rewrap", "/kas.AccessService", "/kas", "/kas/v2/rewrap/", "/kas/v1/rewrap"]
)
def test_what_is_below_no_service_is_not_found(tdf_kit: Kit, path: str) -> None:
    refused(tdf_kit.http("POST", tdf_kit.base + path), 404, "not_found", "not_found")


# ---- Messages that do not parse

BROKEN_PROTO = {
    "truncated": wire.message((1, "ec:secp256r1"))[:-1],
    "length beyond the end": b"\x0a\xff\xff\xff\xff\x0f",
    "endless varint": b"\xff" * 11,
    "field number zero": b"\x02\x01a",
    "group that does not end": b"\x0b",
    "group that did not begin": b"\x0c",
    "wire type 7": b"\x0f",
    "text that is not UTF-8": wire.message((1, b"\xff\xfe")),
    "surrogate in UTF-8": wire.message((1, b"\xed\xa0\x80")),
}
BROKEN_JSON = {
    "truncated": (b'{"algorithm"', "invalid_json"),
    "no object": (b"[]", "message_invalid"),
    "text": (b'"x"', "message_invalid"),
    "null": (b"null", "message_invalid"),
    "a member twice": (b'{"a": 1, "a": 1}', "not_canonical"),
    "NaN": (b'{"a": NaN}', "not_canonical"),
    "not UTF-8": (b'{"a": "\xff"}', "invalid_json"),
    "byte-order mark": (b"\xef\xbb\xbf{}", "invalid_json"),
    "another type": (b'{"algorithm": 1}', "invalid_structure"),
    "deep": (b"[" * 60_000, "invalid_structure"),
    "protobuf": (wire.message((1, "rsa:2048")), "invalid_json"),
}


@pytest.mark.parametrize("case", BROKEN_PROTO)
def test_protobuf_that_does_not_parse_is_an_invalid_argument(tdf_kit: Kit, case: str) -> None:
    data = BROKEN_PROTO[case]
    connect_error(post(tdf_kit, PUBLIC_KEY.path, "proto", data), 400, "message_invalid: ")
    connect_error(get(tdf_kit, PUBLIC_KEY.path, "proto", data), 400, "message_invalid: ")


@pytest.mark.parametrize("case", BROKEN_JSON)
def test_json_that_does_not_parse_is_an_invalid_argument(tdf_kit: Kit, case: str) -> None:
    data, code = BROKEN_JSON[case]
    connect_error(post(tdf_kit, PUBLIC_KEY.path, "json", data), 400, f"{code}: ")


@pytest.mark.parametrize("fqns", ['"x"', "[1]", "[null]", "{}", "[[]]", "7"])
def test_a_list_of_names_is_a_list_of_texts(tdf_kit: Kit, fqns: str) -> None:
    path = "/policy.attributes.AttributesService/GetKeyMappingsByFqns"
    error = connect_error(post(tdf_kit, path, "json", f'{{"fqns": {fqns}}}'.encode()), 400, "invalid_structure: ")
    assert error["message"].endswith(" fqns: wrong_type")


def test_a_text_is_a_text(tdf_kit: Kit) -> None:
    error = connect_error(post(tdf_kit, PUBLIC_KEY.path, "json", b'{"fmt": 1}'), 400, "invalid_structure: ")
    assert error["message"].endswith(" fmt: wrong_type")


@pytest.mark.parametrize("data", [b"", b"\x0a", b"\x0a\x03", b"\x0a\x80", wire.message((1, b"\xff")), b"{}"])
def test_a_rewrap_whose_message_is_broken_is_an_invalid_argument(tdf_kit: Kit, data: bytes) -> None:
    attempt = TdfAttempt.good(tdf_kit, "connect-proto")
    attempt.body = data
    code = "signed_request_token_invalid" if data == b"" else "message_invalid"
    refused_call(attempt, 400, "invalid_request", code)


# ---- Queries that are none

QUERIES = {
    "nothing": ("", 415, "codec_unsupported"),
    "no encoding": ("connect=v1&message=%7B%7D", 415, "codec_unsupported"),
    "another encoding": ("connect=v1&encoding=text&message=%7B%7D", 415, "codec_unsupported"),
    "no message": ("connect=v1&encoding=json", 400, "message_invalid"),
    "another version": ("connect=v2&encoding=json&message=%7B%7D", 400, "message_invalid"),
    "not base64": ("connect=v1&encoding=json&base64=1&message=%25", 400, "message_invalid"),
    "base64 of another alphabet": ("connect=v1&encoding=json&base64=1&message=e30%C3%BC", 400, "message_invalid"),
    "another compression": ("connect=v1&encoding=json&message=%7B%7D&compression=br", 501, "compression_unsupported"),
    "not compressed": ("connect=v1&encoding=json&message=%7B%7D&compression=gzip", 400, "message_invalid"),
}


@pytest.mark.parametrize("case", QUERIES)
def test_a_query_that_carries_no_message_is_refused(tdf_kit: Kit, case: str) -> None:
    query, status, code = QUERIES[case]
    connect_error(tdf_kit.http("GET", f"{tdf_kit.base}{WELL_KNOWN.path}?{query}"), status, f"{code}: ")


def test_a_query_without_connects_version_is_taken(tdf_kit: Kit) -> None:
    success(tdf_kit.http("GET", f"{tdf_kit.base}{WELL_KNOWN.path}?encoding=json&message=%7B%7D"), "json")


# ---- Compression and size


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x-gzip"])
def test_another_compression_is_unimplemented(tdf_kit: Kit, encoding: str) -> None:
    answer = post(tdf_kit, SERVERS.path, "json", b"{}", ("Content-Encoding", encoding))
    connect_error(answer, 501, "compression_unsupported: ")


COMPRESSED = gzip.compress(b"{}")
BROKEN_GZIP = {
    "not compressed": b"{}",
    "nothing": b"",
    "truncated": COMPRESSED[:-1],
    "head alone": COMPRESSED[:10],
    "wrong checksum": COMPRESSED[:-8] + bytes(8),
    "more behind it": COMPRESSED + b"x",
    "a second member": COMPRESSED * 2,
    "zlib's own form": zlib.compress(b"{}"),
}


@pytest.mark.parametrize("case", BROKEN_GZIP)
def test_a_body_that_is_not_one_whole_gzip_member_is_refused(tdf_kit: Kit, case: str) -> None:
    connect_error(post(tdf_kit, SERVERS.path, "json", BROKEN_GZIP[case], GZIP), 400, "message_invalid: ")


def test_rest_takes_no_content_encoding(tdf_kit: Kit) -> None:
    attempt = TdfAttempt.good(tdf_kit, "rest")
    attempt.headers = [GZIP]
    attempt.body = gzip.compress(attempt.make_body())
    refused_call(attempt, 415, "unsupported_media_type", "unsupported_media_type")


@pytest.mark.parametrize("codec", ["json", "proto"])
def test_a_message_above_the_limit_is_refused(tdf_kit: Kit, codec: str) -> None:
    connect_error(post(tdf_kit, SERVERS.path, codec, b" " * (2**16 + 1)), 413, "content_too_large: ")


def test_the_limit_itself_passes_compressed_and_not(tdf_kit: Kit) -> None:
    data = b"{" + b" " * (2**16 - 2) + b"}"
    success(post(tdf_kit, SERVERS.path, "json", data), "json")
    success(post(tdf_kit, SERVERS.path, "json", gzip.compress(data), GZIP), "json")
    connect_error(post(tdf_kit, SERVERS.path, "json", gzip.compress(data + b" "), GZIP), 413, "content_too_large: ")


def bomb(pieces: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(compressor.compress(bytes(2**16)) for _ in range(pieces)) + compressor.flush()


def peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_attack_z02_opentdf_a_gzip_bomb_is_refused_and_never_unpacked(tdf_kit: Kit) -> None:
    """31 MiB in 32 KiB: one byte beyond the limit is inflated, and no more."""
    data = bomb(500)
    assert len(data) < 2**16
    pid = worker_of(tdf_kit.world.kas)
    success(post(tdf_kit, SERVERS.path, "json", b"{" + b" " * (2**16 - 2) + b"}"), "json")
    before = peak_kib(pid)
    for _ in range(3):
        connect_error(post(tdf_kit, SERVERS.path, "json", data, GZIP), 413, "content_too_large: ")
    assert peak_kib(pid) - before < 16 * 1024
    assert get(tdf_kit, SERVERS.path, "json", b"{}").status == 200


def test_attack_z02_opentdf_a_bomb_in_a_rewrap_or_a_query_is_refused(strict_kit: Kit) -> None:
    attempt = TdfAttempt.good(strict_kit, "connect-proto")
    attempt.nonce = strict_kit.http("POST", attempt.url).headers["DPoP-Nonce"]
    attempt.body, attempt.headers = bomb(4), [GZIP]
    refused_call(attempt, 413, "content_too_large", "content_too_large")
    connect_error(get(strict_kit, SERVERS.path, "json", b" " * 9000, compression="gzip"), 413, "content_too_large: ")


def test_json_in_another_charset_is_no_codec(tdf_kit: Kit) -> None:
    """It would be read as UTF-8 all the same."""
    answer = tdf_kit.http(
        "POST", tdf_kit.base + SERVERS.path, [("Content-Type", "application/json; charset=utf-16")], b"{}"
    )
    connect_error(answer, 415, "codec_unsupported: ")
