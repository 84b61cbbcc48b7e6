"""F1: what may stand in the registry as an address, and what may be connected to."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.errors import ConfigError
from kas.federation.addresses import check_address, is_forbidden_address
from tests.federation.registry_documents import changed, load

FORBIDDEN_HOSTS = {
    "link-local": "169.254.169.254",
    "link-local-other": "169.254.0.1",
    "link-local-v6": "[fe80::1]",
    "link-local-v6-scope": "[fe80::1%25eth0]",
    "mapped": "[::ffff:169.254.169.254]",
    "mapped-hex": "[::ffff:a9fe:a9fe]",
    "mapped-at-length": "[0:0:0:0:0:ffff:a9fe:a9fe]",
    "translated": "[64:ff9b::a9fe:a9fe]",
    "6to4": "[2002:a9fe:a9fe::1]",
    "compatible": "[::a9fe:a9fe]",
    "metadata": "metadata",
    "metadata-google": "metadata.google.internal",
    "metadata-goog": "metadata.goog",
    "metadata-dot": "metadata.google.internal.",
    "metadata-case": "Metadata.Google.Internal",
    "metadata-aws": "instance-data",
    "metadata-aws-v6": "[fd00:ec2::254]",
    "metadata-google-v6": "[fd20:ce::254]",
    "metadata-other": "100.100.100.200",
    "decimal": "2852039166",
    "octal": "0251.0376.0251.0376",
    "octal-one": "0251.254.169.254",
    "hexadecimal": "0xa9fea9fe",
    "hexadecimal-parts": "0xa9.0xfe.0xa9.0xfe",
    "hexadecimal-last": "169.254.169.0xfe",
    "hexadecimal-empty": "169.254.169.0x",
    "short": "169.254.43518",
    "loopback": "127.0.0.1",
    "loopback-other": "127.8.8.8",
    "loopback-short": "127.1",
    "loopback-decimal": "2130706433",
    "loopback-v6": "[::1]",
    "loopback-mapped": "[::ffff:127.0.0.1]",
    "localhost": "localhost",
    "localhost-below": "kas.localhost",
    "localhost-dot": "localhost.",
    "unspecified": "0.0.0.0",
    "unspecified-v6": "[::]",
    "this-network": "0.1.2.3",
    "multicast": "224.0.0.1",
    "multicast-v6": "[ff02::1]",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "at-length": "[2001:db8:0:0:0:0:0:1]",
    "wide-digits": "１６９.254.169.254",
    "wide-dot": "169。254。169。254",
    "dots": "kas..fra.example",
    "hyphen": "-kas.fra.example",
    "underscore": "kas_fra.example",
    "escape": "kas%2efra.example",
    "empty": "",
}
FORBIDDEN_FORMS = {
    "user": "https://kas.fra.example@evil.example",
    "user-empty": "https://@kas.fra.example",
    "password": "https://user:pass@kas.fra.example",
    "fragment": "https://kas.fra.example#x",
    "fragment-empty": "https://kas.fra.example#",
    "query": "https://kas.fra.example?x=1",
    "query-empty": "https://kas.fra.example?",
    "tab": "https://kas.fra\t.example",
    "line-break": "https://kas.fra.example\n",
    "carriage-return": "https://kas.fra.example\r\nHost: x",
    "null": "https://kas.fra.example\0",
    "space": " https://kas.fra.example",
    "bidi": "https://kas.fra.example\u202e",
    "backslash": "https://kas.fra.example\\@evil.example",
    "scheme": "ftp://kas.fra.example",
    "file": "file:///etc/passwd",
    "no-scheme": "//kas.fra.example",
    "scheme-case": "HTTPS://kas.fra.example",
    "host-case": "https://KAS.fra.example",
    "port-default": "https://kas.fra.example:443",
    "port-empty": "https://kas.fra.example:",
    "port-zero": "https://kas.fra.example:0",
    "port-beyond": "https://kas.fra.example:65536",
    "port-padded": "https://kas.fra.example:08443",
    "port-text": "https://kas.fra.example:https",
    "dot-segment": "https://kas.fra.example/../x",
    "dot-segment-end": "https://kas.fra.example/x/..",
    "dot": "https://kas.fra.example/./x",
    "escaped-dots": "https://kas.fra.example/%2e%2e/x",
    "escaped": "https://kas.fra.example/%2Fx",
    "double-slash": "https://kas.fra.example//x",
    "slash-end": "https://kas.fra.example/",
    "slash-end-path": "https://kas.fra.example/x/",
    "semicolon": "https://kas.fra.example/x;y",
    "long": f"https://kas.fra.example/{'x' * 2048}",
}
SOUND = [
    "https://kas.fra.example",
    "https://kas.fra.example/rewrap",
    "https://kas.fra.example:8443/a/b-c/.well-known/jwks.json",
    "https://kas-fra",
    "https://10.1.2.3",
    "https://192.168.1.2:8443",
    "https://9.9.9.9",
    "https://[2001:db8::1]:8443/rewrap",
    "https://metadata.fra.example",
    "https://xn--fiq228c.example",
]
PLACES = [("origin", ""), ("rewrapUrl", "/rewrap"), ("aliases", ""), ("jwksUrl", "/jwks")]


def refusal_at(folder, member, address, **how):
    """Of the registry in which one member of the British entry, or an item of it, is ``address``."""
    document = changed(f"kases.2.{member}", [address] if member == "aliases" else address)
    with pytest.raises(ConfigError) as refusal:
        load(folder, document, **how)
    item = "[0]" if member == "aliases" else ""
    place = re.escape(f"federation.json.kases[2].{member}{item}: must ")
    assert re.match(place, str(refusal.value)), refusal.value
    return str(refusal.value)


@pytest.mark.parametrize(("member", "path"), PLACES)
@pytest.mark.parametrize("name", FORBIDDEN_HOSTS)
def test_attack_f01_a_host_that_leads_inside_is_refused_at_load(tmp_path, member, path, name):
    """Wherever an address stands, by its own rule and not for being elsewhere than the origin."""
    assert "below origin" not in refusal_at(tmp_path, member, f"https://{FORBIDDEN_HOSTS[name]}{path}")


@pytest.mark.parametrize("member", [member for member, _ in PLACES])
@pytest.mark.parametrize("name", FORBIDDEN_FORMS)
def test_attack_f01_an_address_that_two_readers_could_read_differently_is_refused_at_load(tmp_path, member, name):
    assert "below origin" not in refusal_at(tmp_path, member, FORBIDDEN_FORMS[name])


@pytest.mark.parametrize("host", [host for name, host in FORBIDDEN_HOSTS.items() if "loopback" not in name])
def test_attack_f01_local_mode_allows_loopback_and_nothing_else(host):
    if "localhost" in host and not host.endswith("."):
        check_address(f"https://{host}", allow_loopback=True)
    else:
        with pytest.raises(ValueError, match="must"):
            check_address(f"https://{host}", allow_loopback=True)


@pytest.mark.parametrize("address", SOUND)
def test_addresses_that_may_stand_in_a_registry(address):
    check_address(address, allow_loopback=False)
    with pytest.raises(ValueError, match="must"):
        check_address(f"{address}?", allow_loopback=False)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080/rewrap", "http://localhost:8080", "http://[::1]:8080"])
def test_plain_http_on_loopback_is_for_local_mode(address):
    check_address(address, allow_loopback=True)
    with pytest.raises(ValueError, match="must be https"):
        check_address(address, allow_loopback=False)


@pytest.mark.parametrize(
    "host", ["kas.fra.example", "10.1.2.3", "169.254.169.254", "kas.localhost", "127.0.0.1.example"]
)
def test_attack_f07_plain_http_goes_nowhere_else(tmp_path, host):
    with pytest.raises(ValueError, match="must be https"):
        check_address(f"http://{host}", allow_loopback=True)
    assert "must be https" in refusal_at(tmp_path, "origin", f"http://{host}", local=True)


@pytest.mark.parametrize("host", [host for name, host in FORBIDDEN_HOSTS.items() if "loopback" in name])
def test_loopback_has_one_notation_in_local_mode_too(host):
    if host in {"127.0.0.1", "127.8.8.8", "[::1]"}:
        check_address(f"https://{host}", allow_loopback=True)
    else:
        with pytest.raises(ValueError, match="must"):
            check_address(f"https://{host}", allow_loopback=True)


FORBIDDEN_IPS = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "febf::1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe%1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::",
    "2001:0:4136:e378:8000:63bf:5601:5601",  # Teredo, of 169.254.169.254
    "0.0.0.0",
    "0.255.255.255",
    "::",
    "::a9fe:a9fe",
    "224.0.0.251",
    "239.255.255.255",
    "ff02::fb",
    "240.0.0.1",
    "255.255.255.255",
    "4000::1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd20:ce::254%eth0",
    "::ffff:0.0.0.0",
    "",
    "kas.fra.example",
    "2852039166",
    "0251.0376.0251.0376",
]
LOOPBACK_IPS = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
OPEN_IPS = [
    "9.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "1.0.0.1",
    "223.255.255.255",
    "2620:fe::9",
    "fd12::1",
    "::ffff:9.9.9.9",
    "64:ff9b::909:909",
]


@pytest.mark.parametrize("ip", FORBIDDEN_IPS)
@pytest.mark.parametrize("allow_loopback", [True, False])
def test_attack_f01_a_name_that_was_rebound_leads_nowhere_inside(ip, allow_loopback):
    """What a resolver says when the connection is made."""
    assert is_forbidden_address(ip, allow_loopback=allow_loopback)


@pytest.mark.parametrize("ip", LOOPBACK_IPS)
def test_attack_f01_loopback_is_connected_to_where_that_is_allowed(ip):
    assert is_forbidden_address(ip, allow_loopback=False)
    assert not is_forbidden_address(ip, allow_loopback=True)


@pytest.mark.parametrize("ip", OPEN_IPS)
def test_other_addresses_are_connected_to(ip):
    assert not is_forbidden_address(ip, allow_loopback=False)


@given(st.ip_addresses(v=4))
def test_attack_f01_an_address_is_as_forbidden_in_every_notation(address):
    number = int(address)
    expected = is_forbidden_address(str(address), allow_loopback=False)
    for mapped in (0xFFFF << 32 | number, 0x64FF9B << 96 | number, 0x2002 << 112 | number << 80):
        assert is_forbidden_address(str(ipaddress.IPv6Address(mapped)), allow_loopback=False) is expected


@given(st.text(max_size=60))
def test_any_text_is_taken_or_refused_with_a_reason(text):
    for address in (text, f"https://{text}"):
        try:
            check_address(address, allow_loopback=False)
        except ValueError as error:
            assert str(error).startswith("must ")  # noqa: PT017 - either is right
