"""Run by the Python that comes with gcloud, never by ours: what its messages say of documents, as JSON.

    …/platform/bundledpythonunix/bin/python3 tests/deploy/gcloud_messages.py SDK < {"v1.Dashboard": [document, …]}

Prints the fields that no message knows (`unknown`), and of each message that the documents use its fields with their types
(`messages`): what `google_messages.json` keeps, so that documents are checked where gcloud is absent.
"""

import importlib
import json
import sys

SDK = sys.argv[1]
sys.path[:0] = [f"{SDK}/lib", f"{SDK}/lib/third_party"]

from apitools.base.protorpclite import messages as rpc  # noqa: E402
from apitools.base.py import encoding  # noqa: E402

MODULES = {"v1": "monitoring.v1.monitoring_v1", "v3": "monitoring.v3.monitoring_v3", "v2": "logging.v2.logging_v2"}


def message_of(name):
    version, _, message = name.partition(".")
    module = importlib.import_module(f"googlecloudsdk.generated_clients.apis.{MODULES[version]}_messages")
    return getattr(module, message)


def type_of(field):
    if isinstance(field, rpc.EnumField):
        shown = "enum " + " ".join(sorted(value.name for value in field.type))
    elif isinstance(field, rpc.MessageField):
        shown = "map" if is_map(field.message_type) else "message " + field.message_type.__name__
    else:
        shown = type(field).__name__.removesuffix("Field").lower()
    return f"repeated {shown}" if field.repeated else shown


def is_map(message):
    return [field.name for field in message.all_fields()] == ["additionalProperties"]


def unknown(value, where):
    """Fields that were not recognised, here and below."""
    if isinstance(value, list):
        return [one for number, item in enumerate(value) for one in unknown(item, f"{where}[{number}]")]
    if not isinstance(value, rpc.Message) or is_map(type(value)):
        return []
    known = [field.name for field in value.all_fields()]
    below = [one for name in known for one in unknown(value.get_assigned_value(name), f"{where}.{name}")]
    return [f"{where}.{name}" for name in value.all_unrecognized_fields()] + below


def used(value, found):
    if isinstance(value, list):
        for item in value:
            used(item, found)
    elif isinstance(value, rpc.Message) and not is_map(type(value)):
        found[type(value).__name__] = {field.name: type_of(field) for field in value.all_fields()}
        for field in value.all_fields():
            used(value.get_assigned_value(field.name), found)


told, schema = [], {}
for name, documents in json.load(sys.stdin).items():
    for document in documents:
        message = encoding.PyValueToMessage(message_of(name), document)
        message.check_initialized()
        told += unknown(message, name)
        used(message, schema.setdefault(name, {}))
json.dump({"unknown": told, "messages": schema}, sys.stdout, indent=1, sort_keys=True)
