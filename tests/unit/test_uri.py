"""Addresses: what compares as equal, what does not, and what is no address."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.uri import MAX_CHARS, has_secure_scheme, is_loopback, is_same_resource, is_secure_url, normalise_uri

KAS = "https://kas.example/rewrap"
OURS = frozenset({KAS})
PRINTABLE = "".join(character for character in string.printable if character > " ")


@pytest.mark.parametrize(
    "uri",
    [
        "https://kas.example/rewrap",
        "HTTPS://kas.example/rewrap",
        "https://KAS.Example/rewrap",
        "https://kas.example:443/rewrap",
        "https://kas.example:/rewrap",
        "https://kas.example/rewrap?query",
        "https://kas.example/rewrap#fragment",
        "https://kas.example/%72ewrap",
        "https://kas.example/rewra%70?%zz",
    ],
)
def test_equal_addresses_have_one_form(uri: str) -> None:
    """RFC 3986 §6.2.2 and RFC 9449 §4.3, without anything more."""
    assert normalise_uri(uri) == KAS


@pytest.mark.parametrize(
    ("uri", "form"),
    [
        ("https://kas.example", "https://kas.example/"),
        ("https://kas.example?x", "https://kas.example/"),
        ("http://kas.example:80/", "http://kas.example/"),
        ("http://kas.example:443/", "http://kas.example:443/"),
        ("https://kas.example:80/", "https://kas.example:80/"),
        ("https://kas.example:8443/a%2fb", "https://kas.example:8443/a%2Fb"),
        ("https://kas.example/%7euser/%41%2D%2e%5F", "https://kas.example/~user/A-._"),
        ("https://kas.example/a/../b/./c//", "https://kas.example/a/../b/./c//"),
        ("https://kas.example/%", "https://kas.example/%"),
        ("https://kas.example/%2572", "https://kas.example/%2572"),
        ("https://kas.example/;v=1", "https://kas.example/;v=1"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://[2001:DB8::1]:80/", "http://[2001:db8::1]/"),
    ],
)
def test_everything_else_is_kept(uri: str, form: str) -> None:
    """Reserved escapes stay escapes, dot segments and empty segments stay, another scheme's port is no default."""
    assert normalise_uri(uri) == form


@pytest.mark.parametrize(
    "uri",
    [
        None,
        1,
        True,
        [KAS],
        {},
        b"https://kas.example/rewrap",
        "",
        "/rewrap",
        "kas.example/rewrap",
        "//kas.example/rewrap",
        "https:",
        "https://",
        "https:///rewrap",
        "https://:443/rewrap",
        "https:/kas.example/rewrap",
        "ftp://kas.example/rewrap",
        "file:///etc/passwd",
        "javascript:x",
        "https://user@kas.example/rewrap",
        "https://user:pass@kas.example/rewrap",
        "https://@kas.example/rewrap",
        "https://kas.example@/rewrap",
        "https://kas.example:99999/rewrap",
        "https://kas.example:-1/rewrap",
        "https://kas.example:x/rewrap",
        "https://[::1/rewrap",
        "https://[kas.example]/rewrap",
        "https://kas.example/re wrap",
        "https://kas.example/rewrap\n",
        "https://kas.example/re\twrap",
        "\x00https://kas.example/rewrap",
        "https://kas.example/rewrap\x7f",
        "https://kas.example/é",
        "https://kas\u2024example/rewrap",
        "https://kas.example/" + "x" * (MAX_CHARS - 19),
    ],
)
def test_what_is_no_address_has_no_form(uri: object) -> None:
    """Another type, another scheme, no host, user information, a bad port, anything not printable, too long."""
    assert normalise_uri(uri) is None


def test_longest_address_has_a_form() -> None:
    """Exactly the limit is still one."""
    longest = "https://kas.example/" + "x" * (MAX_CHARS - 20)
    assert normalise_uri(longest) == longest


@given(
    st.sampled_from(["http", "HTTPS", "https"]),
    st.sampled_from(["kas.example", "KAS.example", "127.0.0.1", "[::1]", "[FE80::1]"]),
    st.sampled_from(["", ":", ":80", ":443", ":8443", ":0443"]),
    st.text(PRINTABLE, max_size=30),
)
def test_normalising_twice_changes_nothing(scheme: str, host: str, port: str, rest: str) -> None:
    """What was compared once compares the same for ever."""
    once = normalise_uri(f"{scheme}://{host}{port}/{rest}")
    assert once is not None
    assert normalise_uri(once) == once


@given(st.text(max_size=60))
def test_any_text_has_a_stable_form_or_none(text: str) -> None:
    """No text makes it fail."""
    once = normalise_uri(text)
    assert once is None or normalise_uri(once) == once


@given(st.sampled_from("/?#@:;%=&!$'()*+,[]"))
def test_reserved_character_is_never_decoded(character: str) -> None:
    """Decoding one would make two resources of one path, or one of two."""
    escape = f"%{ord(character):02X}"
    assert normalise_uri(f"https://kas.example/a{escape.lower()}b") == f"https://kas.example/a{escape}b"


@pytest.mark.parametrize("uri", [KAS, "HTTPS://KAS.example:443/rewrap"])
def test_same_resource(uri: str) -> None:
    """In any spelling of scheme, host and port."""
    assert is_same_resource(uri, OURS)


@pytest.mark.parametrize(
    "uri",
    [f"{KAS}?", f"{KAS}?x", f"{KAS}#", f"{KAS}#x", f"{KAS}/", "https://kas.example/", "http://kas.example/rewrap", ""],
)
def test_other_resource(uri: str) -> None:
    """With a query or fragment, even an empty one, it names something else."""
    assert not is_same_resource(uri, OURS)


def test_what_is_no_address_is_no_resource() -> None:
    """None is in no set of addresses."""
    assert not is_same_resource("x", frozenset())


@pytest.mark.parametrize(
    ("url", "anywhere", "locally"),
    [
        ("https://kas.example", True, True),
        ("https://kas.example/x?y", True, True),
        ("https://127.0.0.1", True, True),
        ("http://127.0.0.1:8080", False, True),
        ("http://localhost:8080/x", False, True),
        ("http://[::1]", False, True),
        ("http://kas.example", False, False),
        ("http://localhost.example", False, False),
        ("http://127.0.0.1.example", False, False),
        ("https://kas.example#x", False, False),
        ("https://kas.example#", False, False),
        ("https://user@kas.example", False, False),
        ("http://kas.example@127.0.0.1", False, False),
        ("ftp://127.0.0.1", False, False),
        ("", False, False),
    ],
)
def test_secure_url(url: str, anywhere: bool, locally: bool) -> None:  # noqa: FBT001 - a table
    """https, and http where it cannot leave the machine and only if that is allowed."""
    assert (is_secure_url(url, allow_loopback_http=False), is_secure_url(url, allow_loopback_http=True)) == (
        anywhere,
        locally,
    )


@pytest.mark.parametrize("url", ["https://", "https:kas", "https://[::1", "https://[x]/", "//kas.example", "x", ""])
def test_scheme_of_what_names_no_host_is_not_secure(url: str) -> None:
    """No host, or none that can be read."""
    assert not has_secure_scheme(url, allow_loopback_http=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.255.254", "::1", "localhost"])
def test_loopback(host: str) -> None:
    """The whole of 127/8, ::1, and the name."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "0.0.0.0",
        "::",
        "128.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "127.1",
        "LOCALHOST.example",
        "kas.example",
        "fe80::1",
    ],
)
def test_not_loopback(host: str) -> None:
    """Unspecified, private, link-local, abbreviated, and other names."""
    assert not is_loopback(host)
