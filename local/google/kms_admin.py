"""Cloud KMS: key rings, keys and versions, made, listed and moved through their states."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.cloud import kms_v1 as api

from local.google import material
from local.google.cloud import Cloud
from local.google.key_store import DESTROY_SECONDS, Key, Version
from local.google.kinds import Algorithm, KeyState, Level, Purpose
from local.google.labels import check_labels
from local.google.material import RSA_ALGORITHMS, SYMMETRIC
from local.google.names import KMS_ID, last_of, parent_of
from local.google.paging import page
from local.google.status import invalid, not_stood_in_for

_MIN_DESTROY_SECONDS: Final = 24 * 3600.0
_MAX_DESTROY_SECONDS: Final = 120 * 24 * 3600.0
_MIN_ROTATION: Final = timedelta(hours=24)
_MAX_ROTATION: Final = timedelta(hours=876_000)
_ROTATION: Final = frozenset({"rotation_period", "next_rotation_time"})
_CHANGED: Final = _ROTATION | {"labels"}


def _check_id(text: str, field: str, pattern: re.Pattern[str] = KMS_ID) -> str:
    if not pattern.fullmatch(text):
        raise invalid(f"The {field} must match {pattern.pattern}.")
    return text


def show_time(seconds: float) -> Any:
    """As a field of a message takes it."""
    return datetime.fromtimestamp(seconds, UTC)


def create_key_ring(cloud: Cloud, request: api.CreateKeyRingRequest) -> api.KeyRing:
    name = f"{request.parent}/keyRings/{_check_id(request.key_ring_id, 'key_ring_id')}"
    cloud.keys.add_ring(name)
    return _show_ring(cloud, name)


def get_key_ring(cloud: Cloud, request: api.GetKeyRingRequest) -> api.KeyRing:
    cloud.keys.check_ring(request.name)
    return _show_ring(cloud, request.name)


def list_key_rings(cloud: Cloud, request: api.ListKeyRingsRequest) -> api.ListKeyRingsResponse:
    names = sorted(name for name in cloud.keys.rings if parent_of(name) == request.parent)
    found, more = page(request, names)
    return api.ListKeyRingsResponse(key_rings=[_show_ring(cloud, name) for name in found], **more)


def _show_ring(cloud: Cloud, name: str) -> api.KeyRing:
    return api.KeyRing(name=name, create_time=show_time(cloud.keys.rings[name]))


def create_crypto_key(cloud: Cloud, request: api.CreateCryptoKeyRequest) -> api.CryptoKey:
    """With its first version, unless that is not wanted."""
    config = request.crypto_key
    name = f"{request.parent}/cryptoKeys/{_check_id(request.crypto_key_id, 'crypto_key_id')}"
    template = check_template(config)
    key = cloud.keys.add_key(name, config)
    key.config.version_template = template
    key.destroy_seconds = destroy_seconds(config)
    if not request.skip_initial_version_creation:
        made = material.new_material(Algorithm(template.algorithm))
        version = cloud.keys.add_version(key, Algorithm(template.algorithm), Level(template.protection_level), made)
        key.primary = _number(version) if config.purpose == Purpose.ENCRYPT_DECRYPT else None
    return show_key(cloud, key)


def check_template(config: api.CryptoKey) -> api.CryptoKeyVersionTemplate:
    """The template with Google's defaults filled in. Raises GoogleError."""
    if config.purpose not in set(Purpose):
        raise not_stood_in_for("keys of this purpose")
    template: Any = config.version_template
    purpose = Purpose(config.purpose)
    level = template.protection_level or Level.SOFTWARE
    if level not in set(Level):
        raise not_stood_in_for("keys of this protection level")
    is_symmetric = purpose == Purpose.ENCRYPT_DECRYPT
    algorithm = template.algorithm or (SYMMETRIC if is_symmetric else 0)
    if algorithm not in ({SYMMETRIC} if is_symmetric else RSA_ALGORITHMS):
        raise invalid(f"The algorithm is not valid for purpose {purpose.name}.")
    _check_periods(config, purpose)
    return api.CryptoKeyVersionTemplate(protection_level=level, algorithm=algorithm)


def _check_periods(config: Any, purpose: Purpose) -> None:
    is_rotated = "rotation_period" in config or "next_rotation_time" in config
    if is_rotated and purpose != Purpose.ENCRYPT_DECRYPT:
        raise invalid("Automatic rotation is only supported for purpose ENCRYPT_DECRYPT.")
    if not _MIN_DESTROY_SECONDS <= destroy_seconds(config) <= _MAX_DESTROY_SECONDS:
        raise invalid("The destroy_scheduled_duration must be from 24 hours to 120 days.")


def destroy_seconds(config: api.CryptoKey) -> float:
    """How long a version of the key is only scheduled for destruction."""
    duration: Any = config.destroy_scheduled_duration
    return float(duration.total_seconds()) if "destroy_scheduled_duration" in config else DESTROY_SECONDS


def get_crypto_key(cloud: Cloud, request: api.GetCryptoKeyRequest) -> api.CryptoKey:
    return show_key(cloud, cloud.keys.find_key(request.name))


def list_crypto_keys(cloud: Cloud, request: api.ListCryptoKeysRequest) -> api.ListCryptoKeysResponse:
    cloud.keys.check_ring(request.parent)
    names = sorted(name for name in cloud.keys.keys if parent_of(name) == request.parent)
    found, more = page(request, names)
    return api.ListCryptoKeysResponse(crypto_keys=[show_key(cloud, cloud.keys.keys[name]) for name in found], **more)


def update_crypto_key(cloud: Cloud, request: api.UpdateCryptoKeyRequest) -> api.CryptoKey:
    """Labels as a whole, and when a symmetric key is due for rotation, which nothing here does."""
    paths = set(request.update_mask.paths)
    if "version_template" in {path.partition(".")[0] for path in paths}:
        raise not_stood_in_for("version_template in the update_mask of a key")
    if not paths or not paths <= _CHANGED:
        raise invalid(f"The update_mask must be of {', '.join(sorted(_CHANGED))}.")
    key = cloud.keys.find_key(request.crypto_key.name)
    changed = api.CryptoKey(key.config)
    for path in paths:
        setattr(changed, path, getattr(request.crypto_key, path) if path in request.crypto_key else None)
    check_labels(dict(changed.labels), "key")
    _check_periods(changed, Purpose(changed.purpose))
    if paths & _ROTATION:
        _check_rotation(changed, cloud.keys.clock())
    key.config = changed
    return show_key(cloud, key)


def _check_rotation(config: Any, now: float) -> None:
    """That a schedule which was changed has a period, has a next time, and that it is yet to come; or that there is none."""
    period, has_time = config.rotation_period, "next_rotation_time" in config
    if "rotation_period" in config and not has_time:
        raise invalid("The next_rotation_time must be set with a rotation_period.")
    if "rotation_period" in config and not _MIN_ROTATION <= period <= _MAX_ROTATION:
        raise invalid("The rotation_period must be from 24 hours to 876000 hours.")
    if has_time and config.next_rotation_time.timestamp() <= now:
        raise invalid("The next_rotation_time must be in the future.")


def show_key(cloud: Cloud, key: Key) -> api.CryptoKey:
    shown = api.CryptoKey(key.config)
    shown.name, shown.create_time = key.name, show_time(key.created)
    shown.destroy_scheduled_duration = _duration(key.destroy_seconds)
    if key.primary is not None:
        shown.primary = show_version(cloud, key.versions[key.primary])
    return shown


def _duration(seconds: float) -> Any:
    return timedelta(seconds=seconds)


def update_primary_version(cloud: Cloud, request: api.UpdateCryptoKeyPrimaryVersionRequest) -> api.CryptoKey:
    key = cloud.keys.find_key(request.name)
    if key.config.purpose != Purpose.ENCRYPT_DECRYPT:
        raise invalid(f"{key.name} has purpose ASYMMETRIC_DECRYPT, which has no primary version.")
    version = cloud.keys.find_version(f"{key.name}/cryptoKeyVersions/{request.crypto_key_version_id}")
    cloud.keys.use(version)
    key.primary = _number(version)
    return show_key(cloud, key)


def create_version(cloud: Cloud, request: api.CreateCryptoKeyVersionRequest) -> api.CryptoKeyVersion:
    key = cloud.keys.find_key(request.parent)
    algorithm, level = Algorithm(key.config.version_template.algorithm), key.config.version_template.protection_level
    return show_version(cloud, cloud.keys.add_version(key, algorithm, Level(level), material.new_material(algorithm)))


def get_version(cloud: Cloud, request: api.GetCryptoKeyVersionRequest) -> api.CryptoKeyVersion:
    return show_version(cloud, cloud.keys.find_version(request.name))


def list_versions(cloud: Cloud, request: api.ListCryptoKeyVersionsRequest) -> api.ListCryptoKeyVersionsResponse:
    found, more = page(request, cloud.keys.find_key(request.parent).versions.values())
    shown = [show_version(cloud, version) for version in found]
    return api.ListCryptoKeyVersionsResponse(crypto_key_versions=shown, **more)


def update_version(cloud: Cloud, request: api.UpdateCryptoKeyVersionRequest) -> api.CryptoKeyVersion:
    """ENABLED and DISABLED, the only field and the only states that may be set so."""
    if list(request.update_mask.paths) != ["state"]:
        raise invalid("The update_mask must be state.")
    if request.crypto_key_version.state not in {KeyState.ENABLED, KeyState.DISABLED}:
        raise invalid("The state can only be set to ENABLED or DISABLED.")
    version = cloud.keys.find_version(request.crypto_key_version.name)
    cloud.keys.choose(version, KeyState(request.crypto_key_version.state))
    return show_version(cloud, version)


def destroy_version(cloud: Cloud, request: api.DestroyCryptoKeyVersionRequest) -> api.CryptoKeyVersion:
    version = cloud.keys.find_version(request.name)
    cloud.keys.destroy(cloud.keys.find_key(parent_of(request.name)), version)
    return show_version(cloud, version)


def restore_version(cloud: Cloud, request: api.RestoreCryptoKeyVersionRequest) -> api.CryptoKeyVersion:
    version = cloud.keys.find_version(request.name)
    cloud.keys.restore(version)
    return show_version(cloud, version)


def show_version(cloud: Cloud, version: Version) -> api.CryptoKeyVersion:
    state = cloud.keys.state_of(version)
    times: dict[str, Any] = {"create_time": show_time(version.created)}
    if state != KeyState.PENDING_GENERATION:
        times["generate_time"] = show_time(version.ready_at)
    if version.destroy_at is not None:
        times["destroy_event_time" if state == KeyState.DESTROYED else "destroy_time"] = show_time(version.destroy_at)
    return api.CryptoKeyVersion(
        name=version.name, state=state, algorithm=version.algorithm, protection_level=version.level, **times
    )


def _number(version: Version) -> int:
    return int(last_of(version.name))
