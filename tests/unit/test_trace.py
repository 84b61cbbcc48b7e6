"""The platform's trace: two headers, each in its exact form or as if it were absent."""

from __future__ import annotations

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.journal import Trace
from kas.web.trace import read_trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CLOUD = "105445aa7843bc8bf206b12000100000"


def trace_of(**headers: str) -> Trace | None:
    """As read from these headers, whose names have ``_`` for ``-``."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_trace(flask.Request(EnvironBuilder("/", headers=sent).get_environ()))


def test_without_the_headers_there_is_no_trace() -> None:
    """None is made up."""
    assert trace_of() is None


@pytest.mark.parametrize(("flags", "is_sampled"), [("00", False), ("01", True), ("02", False), ("ff", True)])
def test_traceparent_is_read(flags: str, *, is_sampled: bool) -> None:
    """W3C Trace Context: trace, span and the lowest bit of the flags."""
    assert trace_of(traceparent=f"00-{TRACE}-{SPAN}-{flags}") == Trace(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    ("text", "span", "is_sampled"),
    [
        (f"{CLOUD}/1;o=1", "0000000000000001", True),
        (f"{CLOUD}/1;o=0", "0000000000000001", False),
        (f"{CLOUD}/255", "00000000000000ff", False),
        (f"{CLOUD}/18446744073709551615;o=1", "f" * 16, True),
    ],
)
def test_cloud_trace_context_is_read(text: str, span: str, *, is_sampled: bool) -> None:
    """Its span is a decimal number there, and sixteen hexadecimal digits in the log."""
    assert trace_of(X_Cloud_Trace_Context=text) == Trace(CLOUD, span, is_sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        TRACE,
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN[:-1]}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-01" * 1000,
    ],
)
def test_malformed_traceparent_is_as_if_it_were_absent(text: str) -> None:
    """Forbidden values included; the other header counts then."""
    assert trace_of(traceparent=text) is None
    assert trace_of(traceparent=text, X_Cloud_Trace_Context=f"{CLOUD}/1") == Trace(CLOUD, f"{1:016x}", is_sampled=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        CLOUD,
        f"{CLOUD}/",
        f"{CLOUD}/x",
        f"{CLOUD}/-1",
        f"{CLOUD}/1;o=2",
        f"{CLOUD}/1;o=",
        f"{CLOUD}/1;o=1;x",
        f"{CLOUD}/18446744073709551616",
        f"{CLOUD}/{'9' * 21}",
        f"{CLOUD}/{'1' * 5000}",
        f"{CLOUD.upper()}/1".replace("105445AA", "A05445AA"),
        f"{CLOUD[:-1]}/1",
        f"{'0' * 32}/1",
        f"{CLOUD}/\u0661",
    ],
)
def test_malformed_cloud_trace_context_is_as_if_it_were_absent(text: str) -> None:
    """It would end up in log lines."""
    assert trace_of(X_Cloud_Trace_Context=text) is None


def test_traceparent_goes_first() -> None:
    """The platform sends both, and they agree."""
    both = trace_of(traceparent=f"00-{TRACE}-{SPAN}-01", X_Cloud_Trace_Context=f"{CLOUD}/1;o=1")
    assert both == Trace(TRACE, SPAN, is_sampled=True)
