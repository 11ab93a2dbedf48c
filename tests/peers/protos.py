# SPDX-License-Identifier: Apache-2.0
"""Descriptors and message classes of .proto files, by protoc."""
import pathlib
import subprocess
import tempfile
import types

import peers

peers.need_python()
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: E402


def descriptors(files, *folders):
    """The FileDescriptorSet of `files`, paths below one of the `folders`, and of what they import."""
    protoc = peers.program("protoc")
    with tempfile.TemporaryDirectory(prefix="kiln-protos-") as temporary:
        out = pathlib.Path(temporary) / "set"
        command = [protoc, *(f"-I{folder}" for folder in folders), "--include_imports", f"--descriptor_set_out={out}",
                   *map(str, files)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise SystemExit(f"FAILED: {' '.join(command)}\n{result.stderr}")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def load(path):
    """The message classes of one .proto file without imports, as attributes by name."""
    (file,) = descriptors([path.name], path.parent).file
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return types.SimpleNamespace(**{
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for message in file.message_type})
