"""The people of the development world. They are public, and so is their secret."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SECRET: Final = "dev"
_METHODS_OF_ACR: Final = {"aal1": ("pwd",), "aal2": ("pwd", "otp"), "aal3": ("pin", "hwk", "mfa")}


@dataclass(frozen=True, slots=True)
class Client:
    """One client and the attributes that the provider asserts of it."""

    client_id: str
    clearance: str
    country: str
    coi: tuple[str, ...]
    acr: str
    organisation: str

    def claims(self) -> dict[str, Any]:
        """The attributes as claims."""
        return {
            "sub": self.client_id,
            "client_id": self.client_id,
            "uniqueID": self.client_id,
            "clearance": self.clearance,
            "countryOfAffiliation": self.country,
            "acpCOI": list(self.coi),
            "organizationType": self.organisation,
            "acr": self.acr,
            "amr": list(_METHODS_OF_ACR[self.acr]),
        }


_ALL: Final = (
    Client("usa-secret", "SECRET", "USA", ("NATO", "FVEY"), "aal2", "GOV"),
    Client("fra-secret", "SECRET DEFENSE", "FRA", ("NATO",), "aal2", "GOV"),
    Client("usa-unclassified", "UNCLASSIFIED", "USA", (), "aal1", "GOV"),
    Client("gbr-topsecret", "TOP_SECRET", "GBR", ("NATO", "FVEY"), "aal3", "MIL"),
    Client("usa-usonly", "SECRET", "USA", ("US-ONLY",), "aal2", "GOV"),
    Client("usa-industry", "SECRET", "USA", ("NATO",), "aal2", "INDUSTRY"),
    Client("rou-secret", "SECRET", "ROU", ("NATO",), "aal2", "GOV"),
    Client("odd-term", "CHOCOLATE", "USA", ("NATO",), "aal2", "GOV"),
)
CLIENTS: Final[Mapping[str, Client]] = {client.client_id: client for client in _ALL}


def find_client(client_id: str, secret: str) -> Client | None:
    """The client of these credentials, or None."""
    matches = hmac.compare_digest(secret.encode("utf-8"), SECRET.encode("utf-8"))
    return CLIENTS.get(client_id) if matches else None
