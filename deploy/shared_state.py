"""The settings of what the service remembers between requests: in its memory, or in the store that deploy.sh has made.

They take the place of whatever env.yaml says of a store, since half a store would be none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from deploy.env_file import Refused
from deploy.key_index import Facts, reference
from deploy.redis_server import authorities

BACKEND: Final = "KAS_STATE_BACKEND"
# Those that are the deployment's to say.
SETTINGS: Final = frozenset(
    {BACKEND, "KAS_STATE_KEY", "KAS_FIRESTORE_DATABASE", "KAS_REDIS_URL", "KAS_REDIS_CA", "KAS_REDIS_CA_PATH"}
)


def state_settings(facts: Facts, server: Mapping[str, Any], options: Mapping[str, str]) -> dict[str, str]:
    """``server`` is that of Redis, as Google shows it. Raises Refused where a secret is missing."""
    state, project = options["state"], options["project"]

    def newest(name: str) -> str:
        return reference(facts.enabled_secrets(f"kas-{options['nation']}-{name}")[0], project)

    if state == "memory":
        return {BACKEND: state}
    own = {BACKEND: state, "KAS_STATE_KEY": newest("state")}
    if state == "firestore":
        return {**own, "KAS_FIRESTORE_DATABASE": options["store"]}
    return {**own, "KAS_REDIS_URL": newest("redis"), "KAS_REDIS_CA": authorities(server)}


def check_state(settings: Mapping[str, str], state: str) -> None:
    """``settings`` as they stand in the file. Raises Refused where they mean another state than the profile."""
    asked = settings.get(BACKEND, state)
    if asked != state:
        raise Refused(
            f"{BACKEND} is {asked}, and the profile keeps its state in {state}: leave it out;"
            " --profile shared with STATE=firestore or STATE=redis makes a store and names it"
        )
