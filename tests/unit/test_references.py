"""References: their forms, mounted files, and what is never in an error."""

from __future__ import annotations

import os
import stat
import traceback
from functools import partial

import pytest

from kas.errors import ConfigError
from kas.references import MAX_BYTES, References, file_fault, is_reference, no_secrets
from local.processes import ROOT

VERSION = "projects/kas-test/secrets/nonce/versions/3"
ENDPOINT = "https://secrets.example"
PLACE = "KAS_X"
CANARY = "a-value-that-nobody-reads"


class Manager:
    """Secrets by version; remembers what it was asked."""

    def __init__(self, **secrets):
        self.secrets = {VERSION: b"value"} | secrets
        self.calls = []

    def __call__(self, endpoint, versions):
        self.calls.append((endpoint, dict(versions)))
        return {place: self.secrets[name] for place, name in versions.items()}


def references(manager=no_secrets, *, takes_latest=False, on_cloud_run=False):
    return References(read_secrets=manager, endpoint=ENDPOINT, takes_latest=takes_latest, on_cloud_run=on_cloud_run)


def refused(reference, reason, **options):
    manager = Manager()
    with pytest.raises(ConfigError, match=f"^{PLACE}: .*{reason}"):
        references(manager, **options).values({PLACE: reference})
    assert manager.calls == []


def file_of(folder, data=b"value", mode=0o600):
    path = folder / "secret"
    path.touch(mode)
    path.write_bytes(data)
    path.chmod(mode)
    return f"file:{path}"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (f"sm://{VERSION}", True),
        ("sm://", True),
        ("file:/x", True),
        ("file:x", True),
        ("", False),
        ("SM://x", False),
        (" sm://x", False),
        ("https://x", False),
        ("config/issuers.json", False),
    ],
)
def test_a_reference_is_known_by_its_beginning(text, is_one):
    """A badly written one is a refused start, not a value."""
    assert is_reference(text) == is_one


def test_all_secrets_are_asked_for_in_one_call_and_files_are_read_here(tmp_path):
    manager = Manager()
    found = references(manager).values({"a": f"sm://{VERSION}", "b": file_of(tmp_path), "c": f"sm://{VERSION}"})
    assert found == {"a": b"value", "b": b"value", "c": b"value"}
    assert manager.calls == [(ENDPOINT, {"a": VERSION, "c": VERSION})]


def test_without_secrets_secret_manager_is_not_asked(tmp_path):
    manager = Manager()
    assert references(manager).values({"b": file_of(tmp_path)}) == {"b": b"value"}
    assert references(manager).values({}) == {}
    assert manager.calls == []


@pytest.mark.parametrize(
    "text",
    [
        "sm://",
        f"sm://{VERSION}\n",
        f"sm://{VERSION}/",
        f"sm:// {VERSION}",
        f"sm:///{VERSION}",
        f"sm://{VERSION}:access",
        "sm://projects/kas-test/secrets/nonce",
        "sm://projects/kas-test/secrets/nonce/versions/",
        "sm://projects/kas-test/secrets/nonce/versions/0",
        "sm://projects/kas-test/secrets/nonce/versions/01",
        "sm://projects/kas-test/secrets/nonce/versions/-1",
        "sm://projects/kas-test/secrets/nonce/versions/newest",
        "sm://projects/kas-test/secrets/a.b/versions/1",
        "sm://projects/kas-test/secrets//versions/1",
        "sm://projects/kas-test/secrets/a/../b/versions/1",
        "sm://projects/KAS/secrets/nonce/versions/1",
        "sm://projects/kas-test/locations/us-central1/secrets/nonce/versions/1",
        VERSION,
        "value",
        "",
        "file:",
        "file:secret",
        "file:../secret",
        "file://host/secret",
        "file:///secret",
        "file:/a\0b",
    ],
)
def test_a_reference_is_matched_whole(text):
    refused(text, "must be sm://projects/P/secrets/S/versions/N or file:/absolute/path")


@pytest.mark.parametrize("project", ["kas-test", "123456789012"])
def test_a_project_is_named_by_its_id_or_its_number(project):
    name = VERSION.replace("kas-test", project)
    assert references(Manager(**{name: b"1"})).values({PLACE: f"sm://{name}"}) == {PLACE: b"1"}


def test_latest_is_for_local_mode():
    latest = VERSION.replace("/3", "/latest")
    refused(f"sm://{latest}", "must name the version of the secret: latest is for local mode")
    manager = Manager(**{latest: b"newest"})
    assert references(manager, takes_latest=True).values({PLACE: f"sm://{latest}"}) == {PLACE: b"newest"}


def test_one_that_is_wrong_is_found_before_anything_is_asked(tmp_path):
    manager = Manager()
    with pytest.raises(ConfigError, match=r"^b: "):
        references(manager).values({"a": f"sm://{VERSION}", "b": "sm://wrong"})
    assert manager.calls == []


def test_where_there_is_no_secret_manager_a_secret_is_refused():
    with pytest.raises(ConfigError, match=f"^{PLACE}: there is nobody here to read secrets"):
        references().values({PLACE: f"sm://{VERSION}"})


def test_what_is_empty_is_refused(tmp_path):
    refused(file_of(tmp_path, b""), "what it refers to is empty")
    with pytest.raises(ConfigError, match=f"^{PLACE}: what it refers to is empty"):
        references(Manager(**{VERSION: b""})).values({PLACE: f"sm://{VERSION}"})


# ---- texts


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"value", "value"),
        (b"value\n", "value"),
        (b"value\r\n", "value"),
        (b"value\n\n", "value\n"),
        (b"value\r", "value\r"),
        (b" value \n", " value "),
        ("é\n".encode(), "é"),
        (b"\n", ""),
    ],
)
def test_one_line_break_at_the_end_is_no_part_of_a_text(tmp_path, data, text):
    """And stays a part of what is no text."""
    both = {"a": file_of(tmp_path, data), "b": f"sm://{VERSION}"}
    found = references(Manager(**{VERSION: data}))
    assert found.texts(both) == {"a": text, "b": text}
    assert found.values(both) == {"a": data, "b": data}


def test_what_is_no_text_is_refused_without_a_word_of_it():
    manager = Manager(**{VERSION: CANARY.encode() + b"\xff"})
    with pytest.raises(ConfigError, match=f"^{PLACE}: what it refers to is no text") as refusal:
        references(manager).texts({PLACE: f"sm://{VERSION}"})
    assert CANARY not in "".join(traceback.format_exception(refusal.value))
    assert refusal.value.__cause__ is None


# ---- files


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
def test_a_file_of_its_owner_alone_is_read(tmp_path, mode):
    assert references().values({PLACE: file_of(tmp_path, mode=mode)}) == {PLACE: b"value"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o444, 0o601])
def test_a_file_that_others_can_read_is_refused_unless_the_platform_mounted_it(tmp_path, mode):
    """On Cloud Run a container has nobody else, and its secrets are mounted so."""
    refused(file_of(tmp_path, mode=mode), r"readable by others \(chmod 600, or mount it read-only\)")
    assert references(on_cloud_run=True).values({PLACE: file_of(tmp_path, mode=mode)}) == {PLACE: b"value"}


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.parametrize("on_cloud_run", [False, True])
def test_a_file_that_others_can_write_is_refused_everywhere(tmp_path, mode, on_cloud_run):
    refused(file_of(tmp_path, mode=mode), "others can write the file", on_cloud_run=on_cloud_run)


@pytest.mark.parametrize("mode", [0o644, 0o444, 0o666])
def test_a_file_that_is_mounted_read_only_may_be_seen_by_others(mode):
    """Nobody here could change it. A folder is no file there either."""
    fault = partial(file_fault, is_mounted_read_only=True, on_cloud_run=False)
    assert fault(stat.S_IFREG | mode) is None
    assert fault(stat.S_IFDIR | mode) == "what it names is no file"


@pytest.mark.parametrize("size", [MAX_BYTES, MAX_BYTES + 1])
def test_a_file_has_at_most_64_kib(tmp_path, size):
    reference = file_of(tmp_path, b"x" * size)
    if size > MAX_BYTES:
        refused(reference, "too large")
    else:
        assert len(references().values({PLACE: reference})[PLACE]) == size


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    """A pipe that nobody writes would hold the start."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    refused(f"file:{tmp_path}/pipe", "is no file")
    refused(f"file:{tmp_path}", "no file|cannot be read")
    refused("file:/dev/zero", "is no file")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    refused(f"file:{tmp_path}/none", r"cannot be read \(No such file or directory\)")


def test_a_link_is_followed_and_what_it_leads_to_is_judged(tmp_path):
    """Secrets are mounted as links."""
    (tmp_path / "link").symlink_to(file_of(tmp_path).removeprefix("file:"))
    assert references().values({PLACE: f"file:{tmp_path}/link"}) == {PLACE: b"value"}
    (tmp_path / "secret").chmod(0o644)
    refused(f"file:{tmp_path}/link", "readable by others")


def test_fault_14_a_file_that_is_deployed_with_the_code_is_refused_on_cloud_run(tmp_path):
    """Whoever has the image would have it; a link does not hide it."""
    (tmp_path / "link").symlink_to(ROOT / "README.md")
    for path in (ROOT / "README.md", tmp_path / "link"):
        refused(f"file:{path}", "is deployed with the code, not mounted", on_cloud_run=True)
