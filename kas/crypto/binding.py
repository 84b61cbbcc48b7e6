"""The binding of a policy to key material (ACP-240 §2, KAS-REQ-042, 112).

A binding is HMAC-SHA256 under the material over the policy's bytes. Whoever cannot unwrap cannot change the policy.
"""

from __future__ import annotations

import hmac

from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected

# Stands in where there is no usable material, so that every case costs the same; it never makes a binding hold.
_NO_KEY = DataKey(bytes(32))


def check_binding(data_key: DataKey | None, message: bytes, binding: bytes) -> DataKey:
    """Returns ``data_key`` when it exists, has the length of an AES key and made ``binding`` over ``message``.

    One HMAC and one answer in every case. Raises KeyMaterialRejected.
    """
    usable = data_key if data_key is not None and data_key.has_valid_length() else None
    matches = hmac.compare_digest((usable or _NO_KEY).hmac_sha256(message), binding)
    if usable is None or not matches:
        raise KeyMaterialRejected
    return usable
