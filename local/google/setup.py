"""What there is at the start, read from one JSON file. `docs/local-google.md` shows a whole one.

A key says its material, or it is made anew. Names are those of Google, with the project's id.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from pathlib import Path
from typing import Final

from google.cloud import kms_v1
from google.cloud import secretmanager_v1 as sm

from kas.schema import Node, load_document
from local.google.cloud import Cloud, MetadataAccount, new_cloud
from local.google.key_store import Key
from local.google.kinds import Algorithm, KeyState, Level, Purpose, SecretState
from local.google.kms_admin import check_template
from local.google.material import RSA_ALGORITHMS, SYMMETRIC, Material, load_material, new_material
from local.google.names import KEY, KEY_RING, PROJECT, SECRET, Places, last_of, matches, parent_of
from local.google.quotas import DEFAULTS
from local.google.status import GoogleError

LOCATIONS: Final = ("global", "us-central1", "europe-west1", "europe-west2")
_ALGORITHMS: Final = tuple(algorithm.name for algorithm in (*RSA_ALGORITHMS, SYMMETRIC))
_MAX: Final = 10**9
_LIFETIME_SECONDS: Final = 3600


def load_cloud(path: Path, clock: Callable[[], float]) -> Cloud:
    """Raises ConfigError."""
    return load_document(path, lambda node: _read_cloud(node, clock))


def _read_cloud(node: Node, clock: Callable[[], float]) -> Cloud:
    cloud = new_cloud(
        clock,
        _read_places(node),
        tokens={token: member.text() for token, member in _members(node, "tokens").items()},
        quotas={
            Node(kind, "quotas").choice(DEFAULTS): n.integer(0, _MAX) for kind, n in _members(node, "quotas").items()
        },
        metadata=_read_metadata(node.get("metadata")),
        hsm_generation_seconds=_integer(node, "hsmGenerationSeconds", 0),
    )
    for item, read in (
        *((item, _read_key) for item in _items(node, "keys")),
        *((item, _read_secret) for item in _items(node, "secrets")),
        *((item, _read_binding) for item in _items(node, "bindings")),
    ):
        _refused_by_place(item, read, cloud)
    node.done()
    return cloud


def _refused_by_place(item: Node, read: Callable[[Node, Cloud], None], cloud: Cloud) -> None:
    try:
        read(item, cloud)
    except GoogleError as error:
        item.fail(error.message)
    item.done()


def _members(node: Node, name: str) -> dict[str, Node]:
    found = node.get(name)
    return {} if found is None else found.members()


def _items(node: Node, name: str) -> list[Node]:
    found = node.get(name)
    return [] if found is None else found.items()


def _integer(node: Node, name: str, default: int) -> int:
    found = node.get(name)
    return default if found is None else found.integer(0, _MAX)


def _read_places(node: Node) -> Places:
    projects = {name: number.integer(1, 10**15) for name, number in node["projects"].members().items()}
    if not projects:
        node.fail("projects must name one")
    locations = node.get("locations")
    return Places(projects, frozenset(LOCATIONS if locations is None else locations.texts()))


def _read_metadata(node: Node | None) -> MetadataAccount | None:
    if node is None:
        return None
    account = MetadataAccount(node["member"].text(), _integer(node, "lifetimeSeconds", _LIFETIME_SECONDS))
    node.done()
    return account


def _name(node: Node, cloud: Cloud, *patterns: str) -> str:
    """A name of one of the forms, in a project and a location that exist. Raises GoogleError, ConfigError."""
    name = node.text()
    if not matches(name, *patterns) or name.split("/")[1] not in cloud.places.projects:
        node.fail(f"must be {' or '.join(patterns)} in a known project")
    cloud.places.check_location(name)
    return name


def _read_key(node: Node, cloud: Cloud) -> None:
    """With its versions: by default one, ENABLED."""
    name, algorithm = _name(node["name"], cloud, KEY), Algorithm[node["algorithm"].choice(_ALGORITHMS)]
    level = node.get("protectionLevel")
    template = kms_v1.CryptoKeyVersionTemplate(
        algorithm=algorithm,
        protection_level=Level["HSM" if level is None else level.choice(Level.__members__)],
    )
    purpose = Purpose.ENCRYPT_DECRYPT if algorithm == SYMMETRIC else Purpose.ASYMMETRIC_DECRYPT
    config = kms_v1.CryptoKey(purpose=purpose, version_template=template)
    check_template(config)
    if parent_of(name) not in cloud.keys.rings:
        cloud.keys.add_ring(parent_of(name))
    key = cloud.keys.add_key(name, config)
    versions = node.get("versions")
    for item in [Node({}, node.place)] if versions is None else versions.items():
        _read_key_version(item, cloud, key)


def _read_key_version(node: Node, cloud: Cloud, key: Key) -> None:
    algorithm, material = Algorithm(key.config.version_template.algorithm), node.get("material")
    made = new_material(algorithm) if material is None else _read_material(material, algorithm)
    level = Level(key.config.version_template.protection_level)
    version = cloud.keys.add_version(key, algorithm, level, made)
    if algorithm == SYMMETRIC:
        key.primary = int(last_of(version.name))
    state = node.get("state")
    chosen = "ENABLED" if state is None else state.choice(KeyState.__members__)
    cloud.keys.force(version, KeyState[chosen])
    node.done()


def _read_material(node: Node, algorithm: Algorithm) -> Material:
    try:
        return load_material(algorithm, node.text())
    except (ValueError, TypeError) as error:
        node.fail(f"must be a key of {algorithm.name}: {error}")


def _read_secret(node: Node, cloud: Cloud) -> None:
    """With its versions, each of ``text`` or base64 ``data``."""
    config = sm.Secret(replication=sm.Replication(automatic=sm.Replication.Automatic()))
    secret = cloud.secrets.add(_name(node["name"], cloud, SECRET), config)
    for item in _items(node, "versions"):
        version = cloud.secrets.add_version(secret, _read_data(item), has_checksum=False)
        state = item.get("state")
        cloud.secrets.choose(
            version, SecretState["ENABLED" if state is None else state.choice(SecretState.__members__)]
        )
        item.done()


def _read_data(node: Node) -> bytes:
    text, data = node.get("text"), node.get("data")
    if (text is None) == (data is None):
        node.fail("must have either text or data")
    if text is not None:
        return text.text().encode("utf-8")
    try:
        return base64.b64decode("" if data is None else data.text(), validate=True)
    except binascii.Error as error:
        node.fail(f"data is not base64: {error}")


def _read_binding(node: Node, cloud: Cloud) -> None:
    resource = _name(node["resource"], cloud, PROJECT, KEY_RING, KEY, SECRET)
    role = node["role"].text()
    for member in node["members"].texts():
        cloud.policies.give(resource, role, member)
