"""Variables by which libraries write down what passes through them."""

from __future__ import annotations

import pytest

from kas.errors import ConfigError
from kas.host_variables import refuse_host_variables


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSLKEYLOGFILE", "/tmp/keys"),
        ("GOOGLE_SDK_PYTHON_LOGGING_SCOPE", "google"),
        ("GRPC_TRACE", "http"),
        ("GRPC_VERBOSITY", "DEBUG"),
        ("GRPC_VERBOSITY", "info"),
    ],
)
def test_attack_g02_no_variable_makes_a_library_write_secrets(name: str, value: str) -> None:
    """Keys of TLS, the service's token, data keys in plain."""
    with pytest.raises(ConfigError, match=f"^{name}: "):
        refuse_host_variables({name: value})


@pytest.mark.parametrize("value", ["", "NONE", "ERROR"])
def test_a_library_that_is_told_to_be_quiet_is_no_hindrance(value: str) -> None:
    quiet = {"GRPC_VERBOSITY": value, "GRPC_TRACE": ""}
    assert refuse_host_variables(quiet) is None  # type: ignore[func-returns-value]
