# SPDX-License-Identifier: Apache-2.0
"""What Pyroscope makes of OTLP profiles: series of labels and pprof. Written from facts about Pyroscope 2.2 (its wording
of errors too, for people compare logs); it keeps Pyroscope's oddities on purpose. Left out: for Go programs Pyroscope
cuts type parameters from function names."""
import collections
import dataclasses
import time

import peers
import protos

pb = protos.load(peers.HERE / "pyroscope.proto")


@dataclasses.dataclass
class Series:
    labels: list  # [(name, value)]
    profile: pb.Profile


class Refused(Exception):
    """`code` is Connect's word for it; `reason` that of pyroscope_discarded_samples_total, None if it is none of those."""

    def __init__(self, code, message, reason=None):
        super().__init__(message)
        self.code = code
        self.reason = reason


class Unconvertible(Exception):
    """A profile that makes the whole request fail."""


class UnknownAttribute(Exception):
    """An index out of range while looking for service.name: Pyroscope drops the profile and says nothing."""


def convert(request):
    """[Series] of an ExportProfilesServiceRequest or ProfilesData. Refused if it can't be converted."""
    if not request.HasField("dictionary"):
        raise Refused("invalid_argument", "missing profile metadata dictionary")
    if not request.resource_profiles:
        raise Refused("invalid_argument", "missing resource profiles")
    series = []
    for resource in request.resource_profiles:
        attributes = resource.resource.attributes
        for scope in resource.scope_profiles:
            for profile in scope.profiles:
                try:
                    parts = split_by_service(profile, request.dictionary)
                except Unconvertible as error:
                    raise Refused("invalid_argument", f"failed to convert otel profile: {error}") from error
                except UnknownAttribute:
                    continue
                for service, part in parts.items():
                    labels = [("__delta__", "false"), ("__otel__", "true"), ("__name__", part.name)]
                    seen = {"__name__"}
                    for attribute in [*attributes, *scope.scope.attributes]:
                        value = plain_text(attribute.value)
                        if value and attribute.key not in seen:
                            labels.append((attribute.key, value))
                            seen.add(attribute.key)
                    labels.append(("service_name", service or service_name(attributes)))
                    series.append(Series(labels, part.profile))
    return series


def service_name(attributes):
    name = "unknown_service"
    for attribute in attributes:
        value = plain_text(attribute.value)
        if value and attribute.key == "service.name":
            return value
        if value and attribute.key == "process.executable.name":
            name += ":" + value
    return name


def plain_text(value):
    """Text and integers, and arrays of just one; "" for everything else, which Pyroscope drops."""
    kind = value.WhichOneof("value")
    if kind == "array_value" and len(value.array_value.values) == 1:
        value = value.array_value.values[0]
        kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value
    return str(value.int_value) if kind == "int_value" else ""


def split_by_service(profile, dictionary):
    """{service.name of the samples or "": Builder}"""
    parts = {}
    for sample in profile.samples:
        service = attribute_text(sample.attribute_indices, dictionary, "service.name")
        if service not in parts:
            parts[service] = Builder(profile, dictionary)
        parts[service].add(sample)
    return parts


def attribute_text(indices, dictionary, key):
    try:
        for index in indices:
            attribute = at(dictionary.attribute_table, index)
            if at(dictionary.string_table, attribute.key_strindex) == key:
                return plain_text(attribute.value)
    except Unconvertible as error:
        raise UnknownAttribute from error
    return ""


def at(table, index):
    if not 0 <= index < len(table):
        raise Unconvertible(f"index {index} out of bounds")
    return table[index]


class Builder:
    """The pprof profile of one OTLP profile, as far as its samples are of one service."""

    def __init__(self, source, dictionary):
        self.source, self.dictionary = source, dictionary
        self.profile = pb.Profile(string_table=[""], time_nanos=source.time_unix_nano or time.time_ns(),
                                  duration_nanos=source.duration_nano or 10 * 10**9, period=source.period)
        self.strings = {"": 0}
        self.functions, self.mappings, self.locations = {}, {}, {}
        if not source.HasField("sample_type"):
            raise Unconvertible("sample type is missing")
        sample_type = self.value_type(source.sample_type)
        period_type = ("", "")
        if source.HasField("period_type"):
            period_type = self.value_type(source.period_type)
            self.profile.period_type.type, self.profile.period_type.unit = map(self.string, period_type)
        if source.period == 0:
            period_type = ("", "")
        self.name, self.convert_values = period_type[0], list
        if sample_type + period_type == ("samples", "count", "cpu", "nanoseconds"):
            self.name, sample_type = "process_cpu", ("cpu", "nanoseconds")
            self.convert_values = lambda values: [values[0] * source.period, *values[1:]]
        elif sample_type + period_type == ("off_cpu", "nanoseconds", "", ""):
            self.name, self.convert_values = "off_cpu", lambda values: [sum(values)]
        self.profile.sample_type.add(type=self.string(sample_type[0]), unit=self.string(sample_type[1]))

    def string(self, text):
        if text not in self.strings:
            self.strings[text] = len(self.profile.string_table)
            self.profile.string_table.append(text)
        return self.strings[text]

    def text(self, index):
        return at(self.dictionary.string_table, index)

    def value_type(self, kind):
        return self.text(kind.type_strindex), self.text(kind.unit_strindex)

    def add(self, sample):
        values = list(sample.values) or [len(sample.timestamps_unix_nano)] * bool(sample.timestamps_unix_nano)
        if not values:
            raise Unconvertible("sample value is required")
        values = self.convert_values(values)
        if self.source.period and self.source.HasField("period_type") and len(values) != 1:
            raise Unconvertible(f"sample values length mismatch {len(values)} 1")
        labels = self.labels(sample)
        if not 0 <= sample.stack_index < len(self.dictionary.stack_table):
            raise Unconvertible(f"invalid stack index: {sample.stack_index}")
        indices = self.dictionary.stack_table[sample.stack_index].location_indices
        by_mapping = collections.defaultdict(list)
        for index in indices:
            location = at(self.dictionary.location_table, index)
            at(self.dictionary.mapping_table, location.mapping_index)
            by_mapping[location.mapping_index].append(location)
        for index, locations in by_mapping.items():
            self.mapping(index, locations)
        self.profile.sample.add(location_id=map(self.location, indices), value=values, label=labels)

    def labels(self, sample):
        labels = {}
        for index in sample.attribute_indices:
            attribute = at(self.dictionary.attribute_table, index)
            key, value = self.text(attribute.key_strindex), plain_text(attribute.value)
            if value and key != "service.name":
                labels[key] = value
        if sample.link_index:
            link = at(self.dictionary.link_table, sample.link_index)
            labels["span_id"] = link.span_id.hex()
            if len(link.trace_id) == 16:
                labels["trace_id"] = link.trace_id.hex()
        return [pb.Label(key=self.string(key), str=self.string(value)) for key, value in labels.items()]

    def mapping(self, index, locations):
        """Adds it for each sample anew, as Pyroscope does: what counts as symbolized is asked per stack."""
        source = self.dictionary.mapping_table[index]
        build_id = ""
        try:
            build_id = attribute_text(source.attribute_indices, self.dictionary, "process.executable.build_id.gnu")
        except UnknownAttribute:
            pass
        has_functions = all(location.lines and all(line.function_index > 0 for line in location.lines)
                            for location in locations)
        key = (index, has_functions)
        if key not in self.mappings:
            mapping = self.profile.mapping.add(
                id=len(self.profile.mapping) + 1, memory_start=source.memory_start, memory_limit=source.memory_limit,
                file_offset=source.file_offset, filename=self.string(self.text(source.filename_strindex)),
                build_id=self.string(build_id), has_functions=has_functions)
            self.mappings[key] = mapping.id
        self.mappings[index] = self.mappings[key]

    def location(self, index):
        if index not in self.locations:
            source = self.dictionary.location_table[index]
            location = self.profile.location.add(id=len(self.profile.location) + 1, address=source.address,
                                                 mapping_id=self.mappings[source.mapping_index])
            for line in source.lines:
                location.line.add(function_id=self.function(line.function_index), line=line.line)
            self.locations[index] = location.id
        return self.locations[index]

    def function(self, index):
        if index not in self.functions:
            source = at(self.dictionary.function_table, index)
            function = self.profile.function.add(
                id=len(self.profile.function) + 1, name=self.string(self.text(source.name_strindex)),
                system_name=self.string(self.text(source.system_name_strindex)),
                filename=self.string(self.text(source.filename_strindex)), start_line=source.start_line)
            self.functions[index] = function.id
        return self.functions[index]
