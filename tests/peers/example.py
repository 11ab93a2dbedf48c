# SPDX-License-Identifier: Apache-2.0
"""A small valid OTLP export request, made without kiln: two processes, a link, an inlined function, a kernel frame."""
import peers

peers.need_python()
from opentelemetry.proto.collector.profiles.v1development import profiles_service_pb2  # noqa: E402

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"
TRACE_ID, SPAN_ID = bytes(range(1, 17)), bytes(range(1, 9))
PERIOD_NS = 10101010


def request(time_ns=1_700_000_000 * 10**9, service="shop"):
    message = profiles_service_pb2.ExportProfilesServiceRequest()
    d = message.dictionary
    strings = {}

    def text(value):
        if value not in strings:
            strings[value] = len(strings)
            d.string_table.append(value)
        return strings[value]

    def attribute(key, value):
        entry = d.attribute_table.add(key_strindex=text(key))
        entry.value.string_value = value
        return len(d.attribute_table) - 1

    def location(mapping, address, frame_type, *lines):
        entry = d.location_table.add(mapping_index=mapping, address=address, attribute_indices=[frame_type])
        for function, line in lines:
            entry.lines.add(function_index=function, line=line)
        return len(d.location_table) - 1

    def function(name, file=""):
        d.function_table.add(name_strindex=text(name), filename_strindex=text(file))
        return len(d.function_table) - 1

    text("")
    for table in (d.mapping_table, d.location_table, d.function_table, d.link_table, d.attribute_table, d.stack_table):
        table.add()
    native, kernel = attribute("profile.frame.type", "native"), attribute("profile.frame.type", "kernel")
    worker = attribute("thread.name", "worker")
    build_id = attribute("process.executable.build_id.gnu", "0123456789abcdef0123456789abcdef01234567")
    d.mapping_table.add(memory_start=0x1000, memory_limit=0x9000, file_offset=0x1000,
                        filename_strindex=text("/usr/bin/shop"), attribute_indices=[build_id])
    d.mapping_table.add(filename_strindex=text("[kernel.kallsyms]"))
    main, serve, add = function("main", "main.cc"), function("serve", "serve.cc"), function("add", "add.h")
    read = function("vfs_read")
    at_main = location(1, 0x2000, native, (main, 10))
    at_serve = location(1, 0x2345, native, (add, 3), (serve, 20))
    at_read = location(2, 0xffffffff81000100, kernel, (read, 0))
    for stack in ([at_serve, at_main], [at_read, at_main], [at_main]):
        d.stack_table.add(location_indices=stack)
    d.link_table.add(trace_id=TRACE_ID, span_id=SPAN_ID)
    for number, samples in enumerate([[(1, 70, [worker], 1), (2, 20, [], 0), (3, 10, [], 0)], [(3, 5, [], 0)]]):
        resource = message.resource_profiles.add(schema_url=SCHEMA)
        for key, value in (("service.name", f"{service}{number or ''}"), ("process.executable.name", "shop")):
            resource.resource.attributes.add(key=key).value.string_value = value
        resource.resource.attributes.add(key="process.pid").value.int_value = 42 + number
        scope = resource.scope_profiles.add(schema_url=SCHEMA)
        scope.scope.name, scope.scope.version = "kiln", "1"
        profile = scope.profiles.add(time_unix_nano=time_ns, duration_nano=10 * 10**9, period=PERIOD_NS,
                                     profile_id=bytes([number + 1] * 16))
        profile.sample_type.type_strindex, profile.sample_type.unit_strindex = text("samples"), text("count")
        profile.period_type.type_strindex, profile.period_type.unit_strindex = text("cpu"), text("nanoseconds")
        for stack, count, attributes, link in samples:
            profile.samples.add(stack_index=stack, values=[count], attribute_indices=attributes, link_index=link)
    return message


def profiles_of(message):
    return [profile for resource in message.resource_profiles for scope in resource.scope_profiles
            for profile in scope.profiles]


def set_types(message, sample, period=None, values=None, period_value=None):
    """Gives all profiles this (type, unit); without a `period` they have none."""
    table = message.dictionary.string_table

    def text(value):
        table.append(value)
        return len(table) - 1

    for profile in profiles_of(message):
        profile.sample_type.type_strindex, profile.sample_type.unit_strindex = map(text, sample)
        profile.ClearField("period_type")
        profile.period = period_value or 0
        if period:
            profile.period_type.type_strindex, profile.period_type.unit_strindex = map(text, period)
        for one in profile.samples if values else ():
            one.values[:] = values
    return message
