"""The folder of keys that local mode makes."""

from __future__ import annotations

import shutil
import threading

import pytest

from kas.errors import ConfigError
from kas.keys.folder import make_local_keys
from tests.key_folders import load_key_folder


def test_a_folder_that_is_there_is_kept(tmp_path):
    make_local_keys(tmp_path / "a" / "keys")
    first = load_key_folder(tmp_path / "a" / "keys")
    make_local_keys(tmp_path / "a" / "keys")
    assert load_key_folder(tmp_path / "a" / "keys").records == first.records


def test_a_folder_appears_whole_and_leaves_no_draft(tmp_path):
    make_local_keys(tmp_path / "keys")
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    files = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "keys").iterdir()}
    assert sorted(files) == ["ec.pem", "keys.json", "rsa.pem", "sig.pem", "tdf.pem"]
    assert {mode for name, mode in files.items() if name.endswith(".pem")} == {0}


@pytest.mark.parametrize("name", ["file/keys", "file/more/keys", "x" * 300])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, name):
    """In the line that stops the start; no traceback."""
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match=f"KAS_KEYS_DIR: {tmp_path / name} cannot be made"):
        make_local_keys(tmp_path / name)


def test_local_keys_serve_both_dialects(tmp_path):
    make_local_keys(tmp_path / "keys")
    records = load_key_folder(tmp_path / "keys").records
    both = {"acp240", "opentdf"}
    assert [(record.algorithm, record.status, record.dialects, record.is_legacy) for record in records] == [
        ("RSA-2048", "active", {"acp240"}, False),
        ("RSA-2048", "active", {"opentdf"}, True),
        ("P-256", "active", both, False),
    ]


def test_two_starts_at_once_end_with_one_set_of_keys(tmp_path):
    threads = [threading.Thread(target=make_local_keys, args=(tmp_path / "keys",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    assert len(load_key_folder(tmp_path / "keys").records) == 3


def test_local_keys_are_made_anew_when_they_are_gone(tmp_path):
    make_local_keys(tmp_path / "keys")
    first = load_key_folder(tmp_path / "keys").records
    shutil.rmtree(tmp_path / "keys")
    make_local_keys(tmp_path / "keys")
    assert load_key_folder(tmp_path / "keys").records != first
