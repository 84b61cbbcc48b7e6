"""Everything that watches the service, filled and marked: ``python3 -m deploy.watched WORK FILE… NAME=VALUE…``

Each FILE below `deploy/` is rendered into ``WORK/watch``; printed is a line for each of its kind, its name, its mark and
the file that is to be sent. The mark is a hash of the content and travels with it, so that a later run sees whether what Google has
is what is wanted without comparing what Google makes of it. An empty CHANNEL leaves notifications out.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.render import RenderError, render
from kas.cost.prices import load_prices

CONTENT: Final = "kas_content"


def prices(options: Mapping[str, str]) -> dict[str, str]:
    """What an instance's second, a request and a key operation cost, at list price."""
    known, memory = load_prices(), options["MEMORY"]
    gib = int(memory[:-2]) / (1024 if memory.endswith("Mi") else 1)
    second = known.instance_second(options["REGION"], vcpu=int(options["CPU"]), memory_gib=gib)
    return {
        "USD_PER_INSTANCE_SECOND": f"{second:.9f}",
        "USD_PER_REQUEST": f"{known.request:.9f}",
        "USD_PER_KEY_OPERATION": f"{known.operation(options['KEY_ALGORITHM'], options['PROTECTION']):.9f}",
    }


def marked(path: Path, document: Any, values: Mapping[str, str]) -> tuple[Any, str]:
    """The document to send, and its mark."""
    if isinstance(document, dict) and not values["CHANNEL"]:
        document = {name: value for name, value in document.items() if name != "notificationChannels"}
    # The renderer takes no empty value; what it stood in is gone.
    filled = render(document, {**values, "CHANNEL": values["CHANNEL"] or "none"})
    mark = hashlib.sha256(json.dumps(filled, sort_keys=True).encode()).hexdigest()[:12]
    return _with_mark(path, filled, mark), mark


def _with_mark(path: Path, document: Any, mark: str) -> Any:
    if isinstance(document, list):
        is_labels = "--user-labels="
        return [f"{text},{CONTENT}={mark}" if text.startswith(is_labels) else text for text in document]
    if path.parent.name == "metrics":
        return {**document, "description": f"{document['description']} [{mark}]"}
    if path.parent.name == "alerts":
        return {**document, "userLabels": {**document["userLabels"], CONTENT: mark}}
    return {**document, "labels": {**document.get("labels", {}), f"kas_{mark}": ""}}


def main(arguments: Sequence[str]) -> int:
    work, words = Path(arguments[0]) / "watch", arguments[1:]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    values = {**options, **prices(options)}
    for name in (word for word in words if "=" not in word):
        path = Path(name)
        try:
            document, mark = marked(path, json.loads(path.read_text("utf-8")), values)
        except (OSError, ValueError, KeyError, RenderError) as error:
            sys.stderr.write(f"{path}: {error}\n")
            return 1
        target = work / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        is_list = isinstance(document, list)
        target.write_text(
            "".join(f"{one}\n" for one in document) if is_list else json.dumps(document, indent=2), "utf-8"
        )
        print(path.stem if path.parent.name == "deploy" else path.parent.name, path.stem, mark, target, sep="\t")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
