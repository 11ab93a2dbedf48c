#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_protos.py: kiln's .proto files of OTLP (otlp/*.proto) against the upstream ones, as Debian packages them, and
google.rpc as googleapis-common-protos has it.

Every message, enum and service that kiln declares must agree: names, numbers, types, labels and oneofs of all fields,
values, methods. What upstream has and kiln does not is listed as information. Exit status 0: they agree, 1: faults,
which it prints, 77: Debian's package is not to be had.
"""
import pathlib
import sys

import peers

peers.need_python()
import google.rpc  # noqa: E402
from google.protobuf import descriptor_pb2  # noqa: E402

import protos  # noqa: E402

FIELD = descriptor_pb2.FieldDescriptorProto
# Of google.rpc kiln declares what it reads and writes; a field more or less does no harm there.
PARTIAL = ("google.rpc.",)
OURS = ("opentelemetry.", *PARTIAL)
# kiln has Google's messages in a package of its own, where they don't collide with those of libraries.
RENAMED = "kiln.rpc."


def upstream_folders():
    """Where the upstream .proto files are."""
    fetched = pathlib.Path(peers.install(peers.HERE / "fetch_proto", peers.PEERS / "opentelemetry-proto").strip())
    return [fetched, pathlib.Path(next(iter(google.rpc.__path__))).parents[1]]


def declarations(files):
    """{full name: {what: description}} of a FileDescriptorSet."""
    found = {}

    def add_message(prefix, message):
        name = f"{prefix}.{message.name}"
        found[name] = {f"field {field.number}": describe(field, message) for field in message.field}
        for nested in message.nested_type:
            add_message(name, nested)
        for enum in message.enum_type:
            add_enum(name, enum)

    def add_enum(prefix, enum):
        found[f"{prefix}.{enum.name}"] = {f"value {value.name}": str(value.number) for value in enum.value}

    for file in files.file:
        for message in file.message_type:
            add_message(file.package, message)
        for enum in file.enum_type:
            add_enum(file.package, enum)
        for service in file.service:
            found[f"{file.package}.{service.name}"] = {
                f"method {method.name}": f"{method.input_type} -> {method.output_type}"
                f"{' streaming' if method.client_streaming or method.server_streaming else ''}"
                for method in service.method}
    return found


def describe(field, message):
    kind = field.type_name or FIELD.Type.Name(field.type)
    label = "optional" if field.proto3_optional else FIELD.Label.Name(field.label)
    oneof = ""
    if field.HasField("oneof_index") and not field.proto3_optional:
        oneof = f" of oneof {message.oneof_decl[field.oneof_index].name}"
    packed = " unpacked" if field.options.HasField("packed") and not field.options.packed else ""
    return f"{field.name} : {label} {kind}{oneof}{packed}"


def with_upstream_names(ours, theirs):
    """`ours` with the messages of RENAMED under the names that they have upstream."""
    names = {name: next((there for package in ("google.rpc.", "google.protobuf.")
                         if (there := package + name.removeprefix(RENAMED)) in theirs), name)
             for name in ours if name.startswith(RENAMED)}

    def renamed(description):
        return " ".join("." + names.get(word[1:], word[1:]) if word.startswith(".") else word
                        for word in description.split(" "))

    return {names.get(name, name): {what: renamed(text) for what, text in mine.items()} for name, mine in ours.items()}


def compare(ours, theirs):
    """(faults, information), each a list of texts."""
    faults, information = [], []
    ours = with_upstream_names(ours, theirs)
    for name, mine in sorted(ours.items()):
        if not name.startswith((*OURS, RENAMED)) and name not in theirs:
            continue
        if name not in theirs:
            faults.append(f"{name}: upstream has no such message, enum or service")
            continue
        for what in sorted(mine.keys() | theirs[name].keys()):
            here, there = mine.get(what), theirs[name].get(what)
            if here is None:
                (information if name.startswith(PARTIAL) else faults).append(f"{name}: {what} is missing: {there}")
            elif here != there:
                faults.append(f"{name}: {what} is {here}, upstream {there or 'has none'}")
    information += [f"{name} is only upstream" for name in sorted(theirs.keys() - ours.keys())
                    if name.startswith("opentelemetry.")]
    return faults, information


def files_below(folder, pattern):
    return sorted(path.relative_to(folder) for path in folder.glob(pattern))


def main():
    debian, googleapis = upstream_folders()
    theirs = declarations(protos.descriptors(
        [*files_below(debian, "opentelemetry/**/*.proto"), "google/rpc/status.proto", "google/rpc/error_details.proto"],
        debian, googleapis))
    ours = declarations(protos.descriptors(files_below(peers.ROOT, "otlp/*.proto"), peers.ROOT))
    faults, information = compare(ours, theirs)
    for line in information:
        print(f"note: {line}")
    for line in faults:
        print(f"FAULT: {line}")
    version = (debian.parent / "version").read_text(encoding="utf-8").split()
    compared = sum(name.startswith((*OURS, RENAMED)) for name in ours)
    if compared == 0:
        faults = ["nothing was compared"]
    print(f"{compared} messages, enums and services of kiln against {', '.join(version)}: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
