"""The metadata server of Google's machines, as far as google-auth asks it: who this machine is, and a token.

A process finds it with ``GCE_METADATA_HOST=127.0.0.1:PORT`` and ``GCE_METADATA_IP=127.0.0.1:PORT``, and needs no key
file, as on Cloud Run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from local.google.cloud import Cloud, MetadataAccount
from local.google.status import GoogleError

TOKEN_METHOD: Final = "GetAccessToken"
_ROOT: Final = "/computeMetadata/v1/"
_JSON: Final = "application/json"
_TEXT: Final = "application/text"

Reply = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Trouble on demand reaches the token under the method ``GetAccessToken``; it is counted under it too."""

    cloud: Cloud

    def answer(self, path: str, flavor: str | None) -> Reply:
        """Status, media type and text."""
        if flavor != "Google":
            return 403, _TEXT, "The header Metadata-Flavor: Google is missing."
        account = self.cloud.metadata
        if account is None:
            return 404, _TEXT, "There is no service account."
        return self._reply(path, account)

    def _reply(self, path: str, account: MetadataAccount) -> Reply:
        email = account.member.partition(":")[2]
        what = path.removeprefix(_ROOT)
        if path == "/":
            return 200, _TEXT, "computeMetadata/"
        if what == "project/project-id":
            return 200, _TEXT, next(iter(self.cloud.places.projects))
        for name in ("default", email):
            match what.removeprefix(f"instance/service-accounts/{name}/"):
                case "":
                    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
                    return 200, _JSON, json.dumps({"aliases": ["default"], "email": email, "scopes": scopes})
                case "email":
                    return 200, _TEXT, email
                case "token":
                    return self._token(account)
        return 404, _TEXT, "There is nothing at this path."

    def _token(self, account: MetadataAccount) -> Reply:
        try:
            for fault in self.cloud.faults.take(TOKEN_METHOD, account.member):
                fault.raise_if_refusal()
        except GoogleError as error:
            self.cloud.operations.count(TOKEN_METHOD, account.member, error.status, "http")
            return error.http_status, _TEXT, error.message
        token = self.cloud.accounts.give(account.member, account.lifetime_seconds)
        self.cloud.operations.count(TOKEN_METHOD, account.member, "OK", "http")
        lifetime = account.lifetime_seconds
        return 200, _JSON, json.dumps({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"})
