"""Entry points of the Key Access Service, each a plain function that the Functions Framework can serve alone.

    python -m functions_framework --source main.py --target kas

``kas`` serves every route; ``rewrap``, ``explain``, ``public_keys`` and ``health`` serve one each, at its path and at ``/``.
The service is built here, once, in the parent process, with the secrets that its settings name; what it cannot safely run
with, and a secret that cannot be had, stops the start.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

# The host appends our folder to the path: an installed package named ``kas`` would be loaded in place of ours.
sys.path.insert(0, str(Path(__file__).resolve().parent))

import flask
import functions_framework

from kas.config import Settings
from kas.errors import ConfigError
from kas.google.cloud import Cloud
from kas.service import build_service
from kas.web.answer import Answer
from kas.web.host import fit_into_host
from kas.web.start import tell_start

_CLOUD = Cloud(os.environ, clock=time.time, timer=time.perf_counter)
try:
    _SETTINGS = Settings.from_environ(os.environ, _CLOUD.read_secrets)
    _SERVICE = build_service(_SETTINGS, clock=time.time, timer=time.perf_counter, cloud=_CLOUD)
except ConfigError as error:
    sys.exit(f"The Key Access Service does not start: {error}")
fit_into_host(_SERVICE.edge.fail, started=None if _SETTINGS.local else tell_start, ended=_SERVICE.end)


@functions_framework.http
def kas(request: flask.Request) -> Answer:
    """Every route."""
    return _SERVICE.answer(request, _SERVICE.mounts.everything)


@functions_framework.http
def rewrap(request: flask.Request) -> Answer:
    """``POST /rewrap`` alone."""
    return _SERVICE.answer(request, _SERVICE.mounts.rewrap)


@functions_framework.http
def explain(request: flask.Request) -> Answer:
    """``POST /explain`` alone."""
    return _SERVICE.answer(request, _SERVICE.mounts.explain)


@functions_framework.http
def public_keys(request: flask.Request) -> Answer:
    """``GET /.well-known/jwks.json`` alone."""
    return _SERVICE.answer(request, _SERVICE.mounts.public_keys)


@functions_framework.http
def health(request: flask.Request) -> Answer:
    """``GET /health`` alone."""
    return _SERVICE.answer(request, _SERVICE.mounts.health)
