"""The protobuf messages that OpenTDF clients exchange, for those that speak protobuf: between bytes and its JSON form.

The service itself works on the JSON form; this module translates, and it is imported on the first protobuf request,
so that nobody else pays for the library. The messages are stated as data: name, fields with number and type. A type
that begins with a capital is a message or an enumeration of these tables, one that begins with a dot is protobuf's own;
``map:`` stands before the values of a map from text, ``[]`` behind what is repeated. Fields that we neither send nor
read are left out; a reader skips them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, struct_pb2, wrappers_pb2
from google.protobuf.message import DecodeError, Message

_FILE: Final = "kas/opentdf.proto"
_Field = descriptor_pb2.FieldDescriptorProto
_STRUCT: Final = ".google.protobuf.Struct"
_VALUE: Final = ".google.protobuf.Value"
_BOOL: Final = ".google.protobuf.BoolValue"

# Message -> its fields: (name, number, type).
_MESSAGES: Final[Mapping[str, tuple[tuple[str, int, str], ...]]] = {
    "PublicKeyRequest": (("algorithm", 1, "string"), ("fmt", 2, "string"), ("v", 3, "string")),
    "PublicKeyResponse": (("public_key", 1, "string"), ("kid", 2, "string")),
    "LegacyPublicKeyRequest": (("algorithm", 1, "string"),),
    "RewrapRequest": (("signed_request_token", 1, "string"),),
    "RewrapResponse": (
        ("metadata", 1, f"map:{_VALUE}"),
        ("entity_wrapped_key", 2, "bytes"),
        ("session_public_key", 3, "string"),
        ("schema_version", 4, "string"),
        ("responses", 5, "PolicyRewrapResult[]"),
    ),
    "PolicyRewrapResult": (("policy_id", 1, "string"), ("results", 2, "KeyAccessRewrapResult[]")),
    "KeyAccessRewrapResult": (
        ("metadata", 1, f"map:{_VALUE}"),
        ("key_access_object_id", 2, "string"),
        ("status", 3, "string"),
        ("kas_wrapped_key", 4, "bytes"),
        ("error", 5, "string"),
    ),
    "GetWellKnownConfigurationRequest": (),
    "GetWellKnownConfigurationResponse": (("configuration", 1, _STRUCT),),
    "ListKeyAccessServersRequest": (),
    "ListKeyAccessServersResponse": (
        ("key_access_servers", 1, "KeyAccessServer[]"),
        ("pagination", 10, "PageResponse"),
    ),
    "KeyAccessServer": (("id", 1, "string"), ("uri", 2, "string"), ("name", 20, "string")),
    "PageResponse": (("current_offset", 1, "int32"), ("next_offset", 2, "int32"), ("total", 3, "int32")),
    "GetKeyMappingsByFqnsRequest": (("fqns", 1, "string[]"),),
    "GetKeyMappingsByFqnsResponse": (("fqn_key_mappings", 1, "map:FqnKeyMapping"),),
    "FqnKeyMapping": (("rule", 1, "AttributeRuleTypeEnum"), ("keys", 2, "SimpleKasKey[]")),
    "SimpleKasKey": (("kas_uri", 1, "string"), ("public_key", 2, "SimpleKasPublicKey"), ("kas_id", 3, "string")),
    "SimpleKasPublicKey": (("algorithm", 1, "Algorithm"), ("kid", 2, "string"), ("pem", 3, "string")),
    "GetAttributeValuesByFqnsRequest": (("fqns", 1, "string[]"),),
    "GetAttributeValuesByFqnsResponse": (("fqn_attribute_values", 1, "map:AttributeAndValue"),),
    "AttributeAndValue": (("attribute", 1, "Attribute"), ("value", 2, "Value")),
    "Attribute": (
        ("id", 1, "string"),
        ("namespace", 2, "Namespace"),
        ("name", 3, "string"),
        ("rule", 4, "AttributeRuleTypeEnum"),
        ("values", 5, "Value[]"),
        ("fqn", 7, "string"),
        ("active", 8, _BOOL),
        ("kas_keys", 9, "SimpleKasKey[]"),
    ),
    "Namespace": (("id", 1, "string"), ("name", 2, "string"), ("fqn", 3, "string"), ("active", 4, _BOOL)),
    "Value": (
        ("id", 1, "string"),
        ("value", 3, "string"),
        ("fqn", 6, "string"),
        ("active", 7, _BOOL),
        ("kas_keys", 9, "SimpleKasKey[]"),
    ),
    "HealthCheckRequest": (("service", 1, "string"),),
    "HealthCheckResponse": (("status", 1, "ServingStatus"),),
}
_ENUMS: Final[Mapping[str, Mapping[str, int]]] = {
    "AttributeRuleTypeEnum": {
        "ATTRIBUTE_RULE_TYPE_ENUM_UNSPECIFIED": 0,
        "ATTRIBUTE_RULE_TYPE_ENUM_ALL_OF": 1,
        "ATTRIBUTE_RULE_TYPE_ENUM_ANY_OF": 2,
        "ATTRIBUTE_RULE_TYPE_ENUM_HIERARCHY": 3,
    },
    "Algorithm": {
        "ALGORITHM_UNSPECIFIED": 0,
        "ALGORITHM_RSA_2048": 1,
        "ALGORITHM_RSA_4096": 2,
        "ALGORITHM_EC_P256": 3,
        "ALGORITHM_EC_P384": 4,
        "ALGORITHM_EC_P521": 5,
    },
    "ServingStatus": {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2},
}
_SCALARS: Final[Mapping[str, _Field.Type.ValueType]] = {
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
    "int32": _Field.TYPE_INT32,
}


def decode(message: str, data: bytes) -> dict[str, Any]:
    """The JSON form of a serialised message. Raises ValueError for what does not parse."""
    try:
        return dict(json_format.MessageToDict(_CLASSES[message].FromString(data)))
    except (DecodeError, json_format.Error) as error:
        raise ValueError("not a message of this type") from error


def encode(message: str, value: Any) -> bytes:
    """The serialised message of a JSON form that we made."""
    return json_format.ParseDict(value, _CLASSES[message]()).SerializeToString()


def _build() -> Mapping[str, type[Message]]:
    file = descriptor_pb2.FileDescriptorProto(name=_FILE, package="kas.opentdf", syntax="proto3")
    file.dependency.extend((struct_pb2.DESCRIPTOR.name, wrappers_pb2.DESCRIPTOR.name))
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add_field(message, *field)
    pool = descriptor_pool.DescriptorPool()
    for dependency in (struct_pb2, wrappers_pb2):
        pool.AddSerializedFile(dependency.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    found = {name: pool.FindMessageTypeByName(f"kas.opentdf.{name}") for name in _MESSAGES}
    classes = {name: message_factory.GetMessageClass(descriptor) for name, descriptor in found.items()}
    return {**classes, "StringValue": wrappers_pb2.StringValue}


def _add_field(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    if kind.startswith("map:"):
        entry = message.nested_type.add(name=f"{''.join(part.title() for part in name.split('_'))}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", 1, "string")
        _add_field(entry, "value", 2, kind.removeprefix("map:"))
        kind = f"{message.name}.{entry.name}[]"
    field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
    if kind.endswith("[]"):
        kind, field.label = kind.removesuffix("[]"), _Field.LABEL_REPEATED
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _Field.TYPE_ENUM if kind in _ENUMS else _Field.TYPE_MESSAGE
    field.type_name = kind if kind.startswith(".") else f".kas.opentdf.{kind}"


_CLASSES: Final = _build()
