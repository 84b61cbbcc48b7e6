"""Calls of Google's own clients, each made once and within a time, whose refusals are one line with Google's status.

No line holds what was sent. Trying again is the administrator's: he sees what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import google.auth
import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.kms_v1 import KeyManagementServiceClient
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.protobuf.json_format import ParseError

from kas.encoding import b64_encode
from kas.google.credentials import SCOPE
from kas.google.status import GoogleError, answer_of, withheld

# How each call is made: no attempt after the first, so many seconds for each read of its answer.
ONCE: Final[Any] = {"retry": None, "timeout": 20.0}

Answer = TypeVar("Answer")


class CommandFailed(Exception):
    """What was asked for is not done, or not wholly; the text is one line that says which. ``status`` is Google's."""

    def __init__(self, text: str, status: str = "") -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Clients:
    """Cloud KMS and Secret Manager, with the account of whoever runs the command."""

    kms: KeyManagementServiceClient
    secrets: SecretManagerServiceClient


def new_clients(kms_endpoint: str, secrets_endpoint: str) -> Clients:
    """Clients of these origins. Raises CommandFailed."""

    def make() -> Clients:
        credentials, _ = google.auth.default(scopes=[SCOPE])

        def options(endpoint: str) -> dict[str, Any]:
            return {"credentials": credentials, "transport": "rest", "client_options": {"api_endpoint": endpoint}}

        kms = KeyManagementServiceClient(**options(kms_endpoint))
        return Clients(kms, SecretManagerServiceClient(**options(secrets_endpoint)))

    return call("credentials", make)


def call(what: str, send: Callable[[], Answer], *sent: bytes) -> Answer:
    """What ``send`` returns, which makes one call, or the calls of one list; ``sent`` is kept out of any message.

    Raises CommandFailed.
    """
    try:
        return send()
    except GoogleAPICallError as error:
        refusal = _refusal(error)
    except DefaultCredentialsError:
        refusal = GoogleError("UNAUTHENTICATED", "no credentials (gcloud auth application-default login)")
    except TransportError as error:
        refusal = GoogleError("UNAVAILABLE", f"no access token ({type(error).__name__})")
    except GoogleAuthError as error:
        refusal = GoogleError("UNAUTHENTICATED", f"no access token ({type(error).__name__})")
    except requests.RequestException as error:
        refusal = GoogleError("UNAVAILABLE", f"no answer ({type(error).__name__})")
    except (ParseError, ValueError):
        refusal = GoogleError("UNKNOWN", "the answer cannot be read")
    detail = withheld(refusal.detail, (b64_encode(data) for data in sent))
    # Nothing is chained: errors of parsers hold what they read.
    raise CommandFailed(f"{what}: {GoogleError(refusal.status, detail)}", refusal.status) from None


def _refusal(error: GoogleAPICallError) -> GoogleError:
    """By the status that the answer names: several share one HTTP code, which is all that the library looks at."""
    try:
        answer_of(error.response.status_code, error.response.content, ())
    except GoogleError as refusal:
        return refusal
    except AttributeError:  # there was none
        pass
    return GoogleError(getattr(error.grpc_status_code, "name", "UNKNOWN"), str(error.message))
