"""Secret Manager by the official clients."""

from __future__ import annotations

import pytest
from google.cloud import secretmanager_v1
from google_crc32c import value as crc32c

from tests.google.project import KAS, NOBODY, NUMBER, PROJECT, SECRET, fresh
from tests.google.transports import clients_over, refused

AUTOMATIC = {"replication": {"automatic": {}}}
State = secretmanager_v1.SecretVersion.State


def by_number(name):
    return name.replace(PROJECT, f"projects/{NUMBER}")


def access(clients, version, secret=SECRET):
    return clients.secrets.access_secret_version(name=f"{secret}/versions/{version}", retry=None, timeout=20)


def create(admin, *payloads):
    """A new secret's name."""
    secret_id = fresh("secret")
    admin.secrets.create_secret(parent=PROJECT, secret_id=secret_id, secret=AUTOMATIC)
    for data in payloads:
        admin.secrets.add_secret_version(parent=f"{PROJECT}/secrets/{secret_id}", payload={"data": data})
    return f"{PROJECT}/secrets/{secret_id}"


@pytest.mark.parametrize("version", ["2", "latest"])
@pytest.mark.parametrize("secret", [SECRET, by_number(SECRET)])
def test_a_version_is_accessed_with_its_checksum_and_the_projects_number(kas, version, secret):
    answer = access(kas, version, secret)
    assert answer.name == f"projects/{NUMBER}/secrets/signing/versions/2"
    assert (answer.payload.data, answer.payload.data_crc32c) == (b"second", crc32c(b"second"))


def test_a_disabled_version_is_not_accessed(kas):
    with refused("FAILED_PRECONDITION", f"Secret Version [{by_number(SECRET)}/versions/1] is in DISABLED state."):
        access(kas, 1)


def test_latest_is_the_last_one_whatever_its_state(admin):
    secret = create(admin, b"one", b"two")
    admin.secrets.disable_secret_version(name=f"{secret}/versions/2")
    with refused("FAILED_PRECONDITION", "DISABLED"):
        access(admin, "latest", secret)


def test_what_does_not_exist_is_not_found_by_who_may_access_it(kas, admin):
    with refused("NOT_FOUND", f"Secret Version [{by_number(SECRET)}/versions/3] not found."):
        access(kas, 3)
    for secret in (f"{PROJECT}/secrets/empty", f"{PROJECT}/secrets/no-such-secret"):
        with refused("NOT_FOUND", f"Secret [{by_number(secret)}] not found or has no versions."):
            access(admin, "latest", secret)


def test_without_permission_nobody_learns_what_exists(kas):
    for secret in (f"{PROJECT}/secrets/empty", f"{PROJECT}/secrets/no-such-secret", "projects/other/secrets/signing"):
        with refused("PERMISSION_DENIED", "Permission 'secretmanager.versions.access' denied"):
            access(kas, 1, secret)


@pytest.mark.parametrize("token", [None, "unknown"])
def test_without_a_known_token_nothing_is_answered(cloud, transport, token):
    with clients_over(transport, cloud, token) as stranger, refused("UNAUTHENTICATED"):
        access(stranger, 2)


@pytest.mark.parametrize("version", ["0", "01", "newest", "-1"])
def test_a_version_is_a_number_or_latest(kas, version):
    with refused("INVALID_ARGUMENT", "Invalid version"):
        access(kas, version)


# ---- made and changed


def test_a_secret_is_made_read_listed_and_deleted(admin):
    config = AUTOMATIC | {"labels": {"use": "test"}}
    made = admin.secrets.create_secret(parent=PROJECT, secret_id=fresh("secret"), secret=config)
    assert made.name.startswith(f"projects/{NUMBER}/secrets/")
    assert dict(made.labels) == {"use": "test"}
    assert admin.secrets.get_secret(name=made.name) == made
    assert made in list(admin.secrets.list_secrets(parent=PROJECT))
    admin.secrets.delete_secret(name=made.name)
    with refused("NOT_FOUND"):
        admin.secrets.get_secret(name=made.name)


@pytest.fixture(scope="module")
def filtered(admin):
    """Secrets of their own mark: their ids by what they are."""
    mark, ids = fresh("mark"), {}
    for use, team in (("kas", "blue"), ("kas", "red"), ("idp", "blue")):
        ids[use, team] = f"{mark}-{use}-{team}"
        config = AUTOMATIC | {"labels": {"use": use, "team": team}}
        admin.secrets.create_secret(parent=PROJECT, secret_id=ids[use, team], secret=config)
    return mark, ids


@pytest.mark.parametrize(
    ("terms", "found"),
    [
        ("", {("kas", "blue"), ("kas", "red"), ("idp", "blue")}),
        ("name:KAS", {("kas", "blue"), ("kas", "red")}),
        ("labels.use=kas", {("kas", "blue"), ("kas", "red")}),
        ("labels.use:a AND labels.team=BLUE", {("kas", "blue")}),
        ('labels.use=kas   labels.team="red"', {("kas", "red")}),
        ("labels.use=ka", set()),
        ("labels.team:* AND name:idp", {("idp", "blue")}),
        ("labels.other:*", set()),
    ],
)
def test_secrets_are_listed_by_parts_of_their_names_and_by_labels(admin, filtered, terms, found):
    mark, ids = filtered
    request = {"parent": PROJECT, "filter": f"name:{mark} {terms}".strip(), "page_size": 1}
    pages = list(admin.secrets.list_secrets(request).pages)
    assert {one.name.rpartition("/")[2] for page in pages for one in page.secrets} == {ids[one] for one in found}
    assert pages[0].total_size == len(found)


@pytest.mark.parametrize(
    "terms",
    [
        "kas",
        "name:",
        "name:a OR name:b",
        "NOT name:a",
        "(name:a)",
        "AND name:a",
        "name:a AND",
        "state=ENABLED",
        "ttl:x",
    ],
)
def test_a_filter_that_is_not_read_is_refused(admin, terms):
    with refused("INVALID_ARGUMENT", "filter"):
        admin.secrets.list_secrets({"parent": PROJECT, "filter": terms})


def test_versions_are_listed_by_their_state(admin):
    secret = create(admin)
    for _ in range(3):
        admin.secrets.add_secret_version(parent=secret, payload={"data": b"x"})
    admin.secrets.disable_secret_version(name=f"{secret}/versions/2")

    def numbers(terms):
        listed = admin.secrets.list_secret_versions({"parent": secret, "filter": terms})
        return [one.name.rpartition("/")[2] for one in listed]

    assert [numbers(terms) for terms in ("state=ENABLED", "state:disabled", "state:*", "state=enabled name:3")] == [
        ["3", "1"],
        ["2"],
        ["3", "2", "1"],
        ["3"],
    ]
    with refused("INVALID_ARGUMENT", "labels.a=b"):
        numbers("labels.a=b")


def test_a_secret_is_made_once(admin):
    with refused("ALREADY_EXISTS", by_number(SECRET)):
        admin.secrets.create_secret(parent=PROJECT, secret_id="signing", secret=AUTOMATIC)


@pytest.mark.parametrize("secret_id", ["", "a/b", "x" * 256])
def test_a_secret_needs_an_id(admin, secret_id):
    with refused("INVALID_ARGUMENT", "secret_id"):
        admin.secrets.create_secret(parent=PROJECT, secret_id=secret_id, secret=AUTOMATIC)


def test_a_secret_needs_to_know_where_it_is_kept(admin):
    with refused("INVALID_ARGUMENT", "replication"):
        admin.secrets.create_secret(parent=PROJECT, secret_id=fresh("secret"), secret={})


def test_a_secret_that_the_stand_in_cannot_keep_is_refused_aloud(admin):
    with refused("UNIMPLEMENTED", "version_aliases"):
        admin.secrets.create_secret(
            parent=PROJECT, secret_id=fresh("secret"), secret=AUTOMATIC | {"version_aliases": {"prod": 1}}
        )


def changed(admin, secret, *paths, **fields):
    request = {"secret": {"name": secret, **fields}, "update_mask": {"paths": paths}}
    return admin.secrets.update_secret(request, retry=None, timeout=20)


def test_labels_and_annotations_are_replaced_each_as_a_whole(admin):
    secret = create(admin)
    changed(admin, secret, "labels", "annotations", labels={"a": "1"}, annotations={"x.y": "Any text, 100 %"})
    after = changed(admin, secret, "labels", labels={"b": ""}, annotations={"z": "not in the mask"})
    assert (dict(after.labels), dict(after.annotations)) == ({"b": ""}, {"x.y": "Any text, 100 %"})
    assert admin.secrets.get_secret(name=secret) == after


def test_a_secret_that_changed_since_it_was_read_is_not_changed_under_its_etag(admin):
    secret = create(admin)
    read = admin.secrets.get_secret(name=secret).etag
    assert read.startswith('"')
    after = changed(admin, secret, "labels", labels={"a": "1"}, etag=read)
    with refused("FAILED_PRECONDITION", "etag"):
        changed(admin, secret, "labels", labels={"b": "2"}, etag=read)
    assert admin.secrets.get_secret(name=secret) == after
    assert after.etag != read


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("labels", {"Upper": "x"}),
        ("labels", {"a": "with space"}),
        ("labels", {f"a{number}": "" for number in range(65)}),
        ("annotations", {"-a": "x"}),
        ("annotations", {"a" * 64: "x"}),
        ("annotations", {"a": "x" * 16 * 1024}),
    ],
)
def test_labels_and_annotations_have_bounds(admin, path, value):
    with refused("INVALID_ARGUMENT", path):
        changed(admin, f"{PROJECT}/secrets/empty", path, **{path: value})
    with refused("INVALID_ARGUMENT", path):
        admin.secrets.create_secret(parent=PROJECT, secret_id=fresh("secret"), secret=AUTOMATIC | {path: value})


def test_a_secret_is_changed_by_a_mask_of_what_the_stand_in_keeps(admin):
    with refused("INVALID_ARGUMENT", "update_mask"):
        changed(admin, f"{PROJECT}/secrets/empty", labels={"a": "1"})
    with refused("UNIMPLEMENTED", "ttl"):
        changed(admin, f"{PROJECT}/secrets/empty", "ttl", "labels", labels={"a": "1"})
    with refused("NOT_FOUND"):
        changed(admin, f"{PROJECT}/secrets/no-such-secret", "labels")


def test_versions_are_added_and_listed_newest_first(admin):
    secret = create(admin, b"one", b"two")
    assert access(admin, 1, secret).payload.data == b"one"
    listed = [version.name for version in admin.secrets.list_secret_versions(parent=secret)]
    assert listed == [by_number(f"{secret}/versions/{number}") for number in (2, 1)]


def test_a_checksum_of_what_is_added_is_checked_and_remembered(admin):
    secret = create(admin, b"one")
    payload = {"data": b"two", "data_crc32c": crc32c(b"two")}
    added = admin.secrets.add_secret_version(parent=secret, payload=payload)
    assert added.client_specified_payload_checksum
    assert not admin.secrets.get_secret_version(name=f"{secret}/versions/1").client_specified_payload_checksum
    with refused("INVALID_ARGUMENT", "data_crc32c did not match"):
        admin.secrets.add_secret_version(parent=secret, payload={"data": b"three", "data_crc32c": 0})
    assert access(admin, "latest", secret).payload.data == b"two"


@pytest.mark.parametrize("size", [0, 64 * 1024 + 1])
def test_a_payload_has_a_size(admin, size):
    with refused("INVALID_ARGUMENT", "65536"):
        admin.secrets.add_secret_version(parent=f"{PROJECT}/secrets/empty", payload={"data": bytes(size)})


def test_a_version_is_disabled_enabled_and_destroyed(admin):
    name = f"{create(admin, b'one')}/versions/1"
    assert admin.secrets.disable_secret_version(name=name).state == State.DISABLED
    assert admin.secrets.enable_secret_version(name=name).state == State.ENABLED
    destroyed = admin.secrets.destroy_secret_version(name=name)
    assert (destroyed.state, "destroy_time" in destroyed) == (State.DESTROYED, True)
    with refused("FAILED_PRECONDITION", "is in DESTROYED state."):
        admin.secrets.access_secret_version(name=name)
    for change in (admin.secrets.enable_secret_version, admin.secrets.disable_secret_version):
        with refused("FAILED_PRECONDITION", "DESTROYED"):
            change(name=name)


def test_what_changes_a_version_names_its_number_and_no_etag(admin):
    secret = create(admin, b"one")
    with refused("INVALID_ARGUMENT", "by its number"):
        admin.secrets.disable_secret_version(name=f"{secret}/versions/latest")
    with refused("UNIMPLEMENTED", "etag"):
        admin.secrets.disable_secret_version({"name": f"{secret}/versions/1", "etag": '"1"'})


def test_a_permission_can_be_taken_away_while_running(kas, control):
    assert access(kas, 2).payload.data == b"second"
    control.take(SECRET, "roles/secretmanager.secretAccessor", KAS.member)
    try:
        with refused("PERMISSION_DENIED"):
            access(kas, 2)
    finally:
        control.give(SECRET, "roles/secretmanager.secretAccessor", KAS.member)


def test_without_permission_nothing_is_made_or_changed(cloud, transport):
    version = f"{SECRET}/versions/2"
    with clients_over(transport, cloud, NOBODY.token) as nobody:
        for call in (
            lambda: nobody.secrets.create_secret(parent=PROJECT, secret_id="x", secret=AUTOMATIC),
            lambda: nobody.secrets.get_secret(name=SECRET),
            lambda: nobody.secrets.list_secrets(parent=PROJECT),
            lambda: nobody.secrets.delete_secret(name=SECRET),
            lambda: changed(nobody, SECRET, "labels"),
            lambda: nobody.secrets.add_secret_version(parent=SECRET, payload={"data": b"x"}),
            lambda: nobody.secrets.get_secret_version(name=version),
            lambda: nobody.secrets.list_secret_versions(parent=SECRET),
            lambda: nobody.secrets.enable_secret_version(name=version),
            lambda: nobody.secrets.disable_secret_version(name=version),
            lambda: nobody.secrets.destroy_secret_version(name=version),
        ):
            with refused("PERMISSION_DENIED"):
                call()
