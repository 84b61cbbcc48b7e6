"""From the environment to the values of settings: names, defaults of local mode, references, and each value's own form.

Nothing is taken that is unknown or unclear. A value is in no error: it could be a secret, or one in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from kas.errors import ConfigError
from kas.host_variables import is_on_cloud_run
from kas.references import ReadSecrets, References, is_reference
from kas.setting import PREFIX
from kas.uri import is_secure_url

_MODE: Final = "KAS_MODE"
_SECRETS_ENDPOINT: Final = "KAS_SECRETS_ENDPOINT"
_ENDPOINTS: Final = (_SECRETS_ENDPOINT, "KAS_KMS_ENDPOINT", "KAS_FIRESTORE_ENDPOINT")


def read_values(
    environ: Mapping[str, str], descriptions: Mapping[str, Mapping[str, Any]], read_secrets: ReadSecrets
) -> dict[str, Any]:
    """The value of each setting, by the name that ``descriptions`` gives it (`kas.setting`).

    1. No setting is unknown.
    2. What decides how references are read is none itself: the mode, and where Google answers.
    3. All references are resolved at once.
    4. Every value has its form.

    Raises ConfigError, which names the setting.
    """
    settings = {description["name"]: description for description in descriptions.values()}
    # 1.
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in settings)
    if unknown:
        raise ConfigError(f"{unknown[0]}: unknown setting")
    defaults = _local_defaults(environ) if environ.get(_MODE) == "local" else {}
    texts: dict[str, str | None] = {
        name: environ.get(name, defaults.get(name, setting["default"])) for name, setting in settings.items()
    }
    # 2.
    first = {name: _read(settings[name], texts[name]) for name in (_MODE, *_ENDPOINTS)}
    on_cloud_run = is_on_cloud_run(environ)
    for name in _ENDPOINTS:
        if on_cloud_run and not is_secure_url(first[name], allow_loopback_http=False):
            raise ConfigError(f"{name}: must be https on Cloud Run (K_SERVICE is set)")
    # 3.
    references = References(
        read_secrets=read_secrets,
        endpoint=first[_SECRETS_ENDPOINT],
        takes_latest=first[_MODE] == "local",
        on_cloud_run=on_cloud_run,
    )
    texts |= references.texts({name: text for name, text in texts.items() if text and is_reference(text)})
    # 4.
    return {field: _read(setting, texts[setting["name"]]) for field, setting in descriptions.items()}


def _read(description: Mapping[str, Any], text: str | None) -> Any:
    if text is None:
        raise ConfigError(f"{description['name']}: must be set ({description['takes']})")
    try:
        return description["parse"](text)
    except ValueError:
        raise ConfigError(f"{description['name']}: must be {description['takes']}") from None  # its cause may hold it


def _local_defaults(environ: Mapping[str, str]) -> dict[str, str]:
    port = environ.get("PORT", "8080")
    return {
        "KAS_ID": "kas-local",
        "KAS_PUBLIC_BASES": f"http://127.0.0.1:{port},http://localhost:{port}",
        "KAS_OPENTDF_BEARER": "allow",
        "KAS_OPENTDF_EMPTY_POLICY": "allow",
        "KAS_METRICS": "on",
    }
