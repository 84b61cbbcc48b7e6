"""Secret Manager: secrets and versions. Names in answers carry the project's number, as Google's do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from google.cloud import secretmanager_v1 as api
from google.protobuf import empty_pb2

from local.google.checksums import check_sent
from local.google.cloud import Cloud
from local.google.filters import Term, read_filter
from local.google.kinds import SecretState
from local.google.kms_admin import show_time
from local.google.labels import check_labels
from local.google.material import crc32c
from local.google.names import SECRET_ID, last_of, parent_of
from local.google.paging import page
from local.google.secret_store import HeldSecret, HeldVersion
from local.google.status import invalid, not_stood_in_for, precondition

MAX_DATA_BYTES: Final = 64 * 1024
MAX_ANNOTATIONS_BYTES: Final = 16 * 1024
_KEPT: Final = frozenset({"replication", "labels", "annotations"})
_CHANGED: Final = frozenset({"labels", "annotations"})
_ANNOTATION: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")


def create_secret(cloud: Cloud, request: api.CreateSecretRequest) -> api.Secret:
    if not SECRET_ID.fullmatch(request.secret_id):
        raise invalid(f"The secret_id must match {SECRET_ID.pattern}.")
    config = request.secret
    if "replication" not in config or not ("automatic" in config.replication or "user_managed" in config.replication):
        raise invalid("The replication of a secret must be set.")
    others = {field.name for field, _ in api.Secret.pb(config).ListFields()} - _KEPT - {"name", "create_time", "etag"}
    if others:
        raise not_stood_in_for(f"{', '.join(sorted(others))} of a secret")
    _check_metadata(config)
    return _show(cloud, cloud.secrets.add(f"{request.parent}/secrets/{request.secret_id}", config))


def get_secret(cloud: Cloud, request: api.GetSecretRequest) -> api.Secret:
    return _show(cloud, cloud.secrets.find(request.name))


def update_secret(cloud: Cloud, request: api.UpdateSecretRequest) -> api.Secret:
    """Labels and annotations, each replaced as a whole; under the etag that the caller read, if he says one."""
    paths = set(request.update_mask.paths)
    if not paths:
        raise invalid("The update_mask must be set.")
    if not paths <= _CHANGED:
        raise not_stood_in_for(f"{', '.join(sorted(paths - _CHANGED))} in the update_mask of a secret")
    secret = cloud.secrets.find(request.secret.name)
    if request.secret.etag and request.secret.etag != secret.etag:
        raise precondition("The etag provided does not match the etag of the stored secret.")
    changed = api.Secret(secret.config)
    for path in paths:
        setattr(changed, path, getattr(request.secret, path))
    _check_metadata(changed)
    cloud.secrets.change(secret, changed)
    return _show(cloud, secret)


def _check_metadata(config: api.Secret) -> None:
    annotations = dict(config.annotations)
    check_labels(dict(config.labels), "secret")
    size = sum(len(name.encode("utf-8")) + len(value.encode("utf-8")) for name, value in annotations.items())
    if size >= MAX_ANNOTATIONS_BYTES or not all(_ANNOTATION.fullmatch(name) for name in annotations):
        raise invalid("The annotations of the secret are not valid.")


def list_secrets(cloud: Cloud, request: api.ListSecretsRequest) -> api.ListSecretsResponse:
    terms = read_filter(request.filter, "name", "labels")
    names = sorted(name for name in cloud.secrets.secrets if parent_of(name) == request.parent)
    secrets = [secret for secret in map(cloud.secrets.find, names) if _has(secret, terms)]
    found, more = page(request, secrets, is_filtered=True)
    return api.ListSecretsResponse(secrets=[_show(cloud, secret) for secret in found], **more)


def _has(secret: HeldSecret, terms: Sequence[Term]) -> bool:
    labels = {f"labels.{name}": value for name, value in dict(secret.config.labels).items()}
    return all(term.holds({"name": last_of(secret.name), **labels}) for term in terms)


def delete_secret(cloud: Cloud, request: api.DeleteSecretRequest) -> empty_pb2.Empty:
    _refuse_etag(request.etag)
    cloud.secrets.delete(request.name)
    return empty_pb2.Empty()


def _show(cloud: Cloud, secret: HeldSecret) -> api.Secret:
    shown = api.Secret(secret.config)
    shown.name, shown.create_time = cloud.places.by_number(secret.name), show_time(secret.created)
    shown.etag = secret.etag
    return shown


def _refuse_etag(etag: str) -> None:
    if etag:
        raise not_stood_in_for("etag of versions and of deletions")


def add_version(cloud: Cloud, request: api.AddSecretVersionRequest) -> api.SecretVersion:
    secret, payload = cloud.secrets.find(request.parent), request.payload
    checksum = payload.data_crc32c if "data_crc32c" in payload else None
    has_checksum = check_sent(payload.data, checksum, "data")
    if not payload.data or len(payload.data) > MAX_DATA_BYTES:
        raise invalid(f"The payload must have 1 to {MAX_DATA_BYTES} bytes.")
    return _show_version(cloud, cloud.secrets.add_version(secret, payload.data, has_checksum=has_checksum))


def get_version(cloud: Cloud, request: api.GetSecretVersionRequest) -> api.SecretVersion:
    return _show_version(cloud, cloud.secrets.find_version(request.name))


def list_versions(cloud: Cloud, request: api.ListSecretVersionsRequest) -> api.ListSecretVersionsResponse:
    """The newest first."""
    held, terms = cloud.secrets.find(request.parent).versions, read_filter(request.filter, "name", "state")
    newest = [held[number] for number in sorted(held, reverse=True)]
    wanted = [
        one for one in newest if all(term.holds({"name": last_of(one.name), "state": one.state.name}) for term in terms)
    ]
    found, more = page(request, wanted, is_filtered=True)
    return api.ListSecretVersionsResponse(versions=[_show_version(cloud, version) for version in found], **more)


def access_version(cloud: Cloud, request: api.AccessSecretVersionRequest) -> api.AccessSecretVersionResponse:
    version = cloud.secrets.find_version(request.name)
    data = cloud.secrets.access(version)
    payload = api.SecretPayload(data=data, data_crc32c=crc32c(data))
    return api.AccessSecretVersionResponse(name=cloud.places.by_number(version.name), payload=payload)


def enable_version(cloud: Cloud, request: api.EnableSecretVersionRequest) -> api.SecretVersion:
    return _choose(cloud, request.name, request.etag, SecretState.ENABLED)


def disable_version(cloud: Cloud, request: api.DisableSecretVersionRequest) -> api.SecretVersion:
    return _choose(cloud, request.name, request.etag, SecretState.DISABLED)


def destroy_version(cloud: Cloud, request: api.DestroySecretVersionRequest) -> api.SecretVersion:
    return _choose(cloud, request.name, request.etag, SecretState.DESTROYED)


def _choose(cloud: Cloud, name: str, etag: str, state: SecretState) -> api.SecretVersion:
    _refuse_etag(etag)
    if last_of(name) == "latest":
        raise invalid("A version must be named by its number.")
    version = cloud.secrets.find_version(name)
    cloud.secrets.choose(version, state)
    return _show_version(cloud, version)


def _show_version(cloud: Cloud, version: HeldVersion) -> api.SecretVersion:
    shown = api.SecretVersion(
        name=cloud.places.by_number(version.name),
        create_time=show_time(version.created),
        state=version.state,
        client_specified_payload_checksum=version.has_checksum,
    )
    if version.destroyed is not None:
        shown.destroy_time = show_time(version.destroyed)
    return shown
