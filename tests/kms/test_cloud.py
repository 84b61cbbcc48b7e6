"""What the start and the worker share of Google Cloud."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from kas.google import cloud as cloud_module
from kas.google.cloud import Cloud


def test_one_context_is_made_for_all_and_not_before_it_is_needed(mocker):
    made = mocker.patch.object(cloud_module, "client_context", side_effect=lambda: time.sleep(0.05) or object())
    cloud = Cloud({}, time.time, time.monotonic)
    assert made.call_count == 0
    with ThreadPoolExecutor(8) as pool:
        contexts = set(pool.map(lambda _: cloud.tls(), range(8)))
    assert len(contexts) == made.call_count == 1
