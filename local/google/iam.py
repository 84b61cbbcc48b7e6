"""google.iam.v1 on key rings, keys and secrets."""

from __future__ import annotations

from google.iam.v1 import iam_policy_pb2, policy_pb2

from local.google.cloud import Cloud
from local.google.names import KEY, KEY_RING, matches
from local.google.status import not_stood_in_for


def _check_exists(cloud: Cloud, resource: str) -> None:
    if matches(resource, KEY_RING):
        cloud.keys.check_ring(resource)
    elif matches(resource, KEY):
        cloud.keys.find_key(resource)
    else:
        cloud.secrets.find(resource)


def get_policy(cloud: Cloud, request: iam_policy_pb2.GetIamPolicyRequest) -> policy_pb2.Policy:
    _check_exists(cloud, request.resource)
    return cloud.policies.read(request.resource)


def set_policy(cloud: Cloud, request: iam_policy_pb2.SetIamPolicyRequest) -> policy_pb2.Policy:
    _check_exists(cloud, request.resource)
    if set(request.update_mask.paths) - {"bindings", "etag", "version"}:
        raise not_stood_in_for("this update_mask of a policy")
    return cloud.policies.write(request.resource, request.policy)
