"""The protocol's messages as gRPC sends them. Of each its fields, which are numbered from 1 in this order.

They are built here and not compiled from a .proto file: the table says as much, and nothing generated lies in the tree.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClassesForFiles

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
PARAMETERS = "repeated ParametersEntry parameters"
"""`map<string, InferParameter> parameters`: over gRPC this server knows none, but what is no such map is no message."""
ENTRY = ("string key", "InferParameter value")

FIELDS = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("bool ready",),
    "ModelReadyRequest": ("string name", "string version"),
    "ModelReadyResponse": ("bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("string name", "string version", "repeated string extensions"),
    "ModelMetadataRequest": ("string name", "string version"),
    "ModelMetadataResponse": (
        "string name", "repeated string versions", "string platform",
        "repeated TensorMetadata inputs", "repeated TensorMetadata outputs",
    ),
    "TensorMetadata": ("string name", "string datatype", "repeated int64 shape"),
    "InferParameter": (
        "bool bool_param", "int64 int64_param", "string string_param", "double double_param", "uint64 uint64_param",
    ),
    "ModelInferRequest": (
        "string model_name", "string model_version", "string id", PARAMETERS,
        "repeated InferInputTensor inputs", "repeated InferRequestedOutputTensor outputs",
        "repeated bytes raw_input_contents",
    ),
    "InferInputTensor": (
        "string name", "string datatype", "repeated int64 shape", PARAMETERS, "InferTensorContents contents",
    ),
    "InferRequestedOutputTensor": ("string name", PARAMETERS),
    "ModelInferResponse": (
        "string model_name", "string model_version", "string id", PARAMETERS,
        "repeated InferOutputTensor outputs", "repeated bytes raw_output_contents",
    ),
    "InferOutputTensor": (
        "string name", "string datatype", "repeated int64 shape", PARAMETERS, "InferTensorContents contents",
    ),
    "InferTensorContents": (
        "repeated bool bool_contents", "repeated int32 int_contents", "repeated int64 int64_contents",
        "repeated uint32 uint_contents", "repeated uint64 uint64_contents",
        "repeated float fp32_contents", "repeated double fp64_contents", "repeated bytes bytes_contents",
    ),
}  # fmt: skip


def _described() -> FileDescriptorProto:
    file = FileDescriptorProto(name="schwarz/open_inference.proto", package=PACKAGE, syntax="proto3")
    for name, fields in FIELDS.items():
        message = file.message_type.add(name=name)
        message.field.extend(_field(number, text) for number, text in enumerate(fields, 1))
        if PARAMETERS in fields:
            entry = message.nested_type.add(name="ParametersEntry")
            entry.field.extend(_field(number, text) for number, text in enumerate(ENTRY, 1))
            entry.options.map_entry = True
    return file


def _field(number: int, text: str) -> FieldDescriptorProto:
    """`repeated string versions`, as a .proto file would say it."""
    *repeated, kind, name = text.split()
    label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    field = FieldDescriptorProto(name=name, number=number, label=label)
    if kind[0].isupper():
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind  # of the message, or beside it
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    return field


def _classes() -> dict[str, Any]:
    """In a pool of their own: another library of the process may know the protocol too."""
    pool, file = DescriptorPool(), _described()
    pool.Add(file)
    found = GetMessageClassesForFiles([file.name], pool)
    return {name: found[f"{PACKAGE}.{name}"] for name in FIELDS}


MESSAGES = _classes()
"""The class of each message, by its name."""
