"""The codes of structural faults, in every dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Code -> the sentence for the caller: the table in docs/api.md.
MESSAGES: Final[Mapping[str, str]] = {
    "missing": "this member is required",
    "wrong_type": "this member has the wrong type",
    "empty": "this member must not be empty",
    "too_long": "this member is too long",
    "too_many": "there are too many items",
    "too_deep": "nested too deeply",
    "not_base64": "this member is not canonical base64",
    "bad_length": "this member does not have the right number of bytes",
    "bad_hash": "this member is not a SHA-256 hash in base64url",
    "bad_url": "this is not an https URL",
    "bad_client_key": "this is not a public key that this service wraps to",
    "bad_ephemeral_key": "this is not an EC public key that this service opens with",
    "two_names": "this member occurs under two of its names",
    "duplicate_id": "this keyAccessObjectId occurs before",
    "unknown_member": "this route has no such member",
    "unknown_dialect": "this is neither acp240 nor opentdf",
    "policy_mismatch": "this policyId occurs before with another policy",
}
