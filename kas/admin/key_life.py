"""The life of a sealed key: made, listed, followed by another, retired. What is handed out is public."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from kas.admin import sealed_secrets as store
from kas.admin.calls import Clients, CommandFailed
from kas.admin.sealed_key import SealedKey, is_secret, read_entry
from kas.admin.sealing import check_opens, new_private_key, seal

Shown = dict[str, Any]

_ENABLED: Final = "ENABLED"


def make(
    clients: Clients, key: SealedKey, secret_name: str, locations: Sequence[str] = (), *, opens: bool = True
) -> Shown:
    """Makes a private key and stores it sealed; gives its entry for the key index. Raises CommandFailed.

    1. The secret is one of sealed keys, or there is none yet, and has no key of this ``kid``.
    2. The private key is made, here in memory.
    3. Cloud KMS seals it for its ``kid``.
    4. It opens by Decrypt, as the service opens it, unless whoever makes keys may not open them. Only then
    5. the key is noted, on the secret or on a new one, for the version that comes next,
    6. and the version is added, which must be that one.

    What fails until 4 leaves nothing behind, in 5 perhaps a secret without versions. The private key ends with the process.
    """
    # 1.
    secret = store.find_secret(clients.secrets, secret_name)
    held = [] if secret is None else store.versions_of(clients.secrets, secret_name, secret)
    if secret is not None and locations:
        raise CommandFailed(f"{secret_name}: is there already, and stays where it is: leave --location out")
    version = store.next_version(secret_name, held, key.kid)
    entry = key.entry(version, "active")
    # 2, 3.
    ciphertext = seal(clients.kms, key.sealed_by, key.kid, new_private_key(key.algorithm))
    # 4.
    if opens:
        check_opens(clients.kms, read_entry(entry), ciphertext)
    # 5.
    if secret is None:
        store.create(clients.secrets, version, key, locations)
    else:
        store.note(clients.secrets, version, key, secret)
    # 6.
    store.add(clients.secrets, version, ciphertext)
    return entry


def rotate(clients: Clients, kid: str, source: str) -> list[Shown]:
    """Makes a key like the one in ``source``, a version or the newest of a secret, beside it. Gives both entries: the new
    one active, the old one decrypt-only. Raises CommandFailed.

    1. What is noted of the old key is true: it opens so.
    2. The new one is made.
    """
    # 1.
    old = _find(clients, source)
    if old.key is None:
        raise CommandFailed(f"{old.name}: its kid and its sealing key are not noted; make a key instead")
    old_entry = old.key.entry(old.name, "decrypt-only")
    check_opens(clients.kms, read_entry(old_entry), store.access(clients.secrets, old.name))
    # 2.
    key = SealedKey(kid, old.key.algorithm, old.key.dialects, old.key.sealed_by)
    return [make(clients, key, _secret_of(old.name)), old_entry]


def list_all(clients: Clients, project: str, *, is_checked: bool) -> Iterator[Shown]:
    """Each version of each secret of sealed keys in a project, and whether it opens. Raises CommandFailed."""
    for name, secret in store.secrets_of(clients.secrets, project):
        versions = store.versions_of(clients.secrets, name, secret)
        if not versions:
            yield {"secret": name, "version": None, "state": None}
        for one in versions:
            known = one.key.shown() if one.key is not None else {"kid": None, "algorithm": None}
            shown = {"secret": name, "version": int(one.name.rpartition("/")[2]), "state": one.state, **known}
            yield shown | (_opening(clients, one) if is_checked and one.state == _ENABLED else {})


def _opening(clients: Clients, held: store.Held) -> Shown:
    if held.key is None:
        return {"opens": False, "why": "its kid and its sealing key are not noted"}
    try:
        entry = read_entry(held.key.entry(held.name, "active"))
        check_opens(clients.kms, entry, store.access(clients.secrets, held.name))
    except CommandFailed as error:
        return {"opens": False, "why": str(error)}
    return {"opens": True}


def retire(clients: Clients, version: str, confirm: Callable[[store.Held], None] | None) -> Shown:
    """Disables a version or, once somebody has confirmed it, destroys it. Raises CommandFailed."""
    held = _find(clients, version)
    if confirm is None:
        return {"version": version, "state": store.disable(clients.secrets, version)}
    confirm(held)
    return {"version": version, "state": store.destroy(clients.secrets, version)}


def _find(clients: Clients, source: str) -> store.Held:
    """A version of a secret of sealed keys; of a secret alone, the newest. Raises CommandFailed."""
    name = source if is_secret(source) else _secret_of(source)
    held = store.versions_of(clients.secrets, name, store.get_secret(clients.secrets, name))
    for one in held:
        if source in {one.name, name}:
            return one
    raise CommandFailed(f"{source}: NOT_FOUND: there is no such version", "NOT_FOUND")


def _secret_of(version: str) -> str:
    return version.rpartition("/versions/")[0]
