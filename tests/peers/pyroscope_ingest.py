# SPDX-License-Identifier: Apache-2.0
"""What Pyroscope does with pushed series: limits, validation, normalisation, splitting by sample labels."""
import dataclasses
import time
import zlib

from http_server import gunzip
from pyroscope_otlp import Refused, Series, pb

MIB = 1 << 20
NOT_PROMOTED = {"span_id", "trace_id", "profile_id"}  # kept in the samples


@dataclasses.dataclass
class Limits:
    """Defaults of a tenant."""

    rate_bytes: float = 4 * MIB  # a second
    burst_bytes: float = 2 * MIB
    body_bytes: int = 256 * MIB
    profile_bytes: int = 4 * MIB
    samples: int = 16000
    sample_labels: int = 100
    stack_depth: int = 1000
    symbol_bytes: int = 65535
    labels: int = 30
    label_name_bytes: int = 1024
    label_value_bytes: int = 2048
    older_seconds: float = 3600
    newer_seconds: float = 600


@dataclasses.dataclass
class Stored:
    labels: dict
    sample_type: tuple  # (type, unit)
    period_type: tuple
    time_ns: int
    samples: list  # [StoredSample]

    @property
    def type_id(self):
        return ":".join((self.labels["__name__"], *self.sample_type, *self.period_type))


@dataclasses.dataclass
class StoredSample:
    frames: tuple  # leaf first: (mapping file, build id, address, ((function, file, line), …) innermost first)
    value: int
    span_id: str
    trace_id: str


class Ingest:
    """One tenant's way in. Thread-compatible."""

    def __init__(self, store, limits=None, now=time.time):
        self.store, self.limits, self.now = store, limits or Limits(), now
        self.tokens, self.filled = self.limits.burst_bytes, now()
        self.discarded = {}  # reason: profiles

    def push(self, series):
        """Takes each series by itself: after Refused some of them may be stored."""
        refused = []
        for index, one in enumerate(series):
            try:
                self._push_one(one)
            except Refused as error:
                if error.reason:
                    self.discarded[error.reason] = self.discarded.get(error.reason, 0) + 1
                refused.append((index, error))
        if refused:
            texts = [f"push series with index {index} and id - failed: {error}" for index, error in refused]
            first = refused[0][1]
            raise Refused(first.code, texts[0] if len(texts) == 1 else f"{len(texts)} errors: {'; '.join(texts)}",
                          first.reason)

    def _push_one(self, series):
        labels = sorted(series.labels)
        if not any(name == "service_name" and value for name, value in labels):
            labels = sorted([*labels, ("service_name", "unknown_service")])
        profile = series.profile
        size = profile.ByteSize()
        self._rate_limit(size + sum(len(name.encode()) + len(value.encode()) for name, value in labels))
        self._validate(profile, size, labels)
        samples = normalise(profile, self.limits)
        if samples:
            for part in self._split(profile, samples, labels):
                self.store.add(part)

    def _rate_limit(self, size):
        now = self.now()
        self.tokens = min(self.limits.burst_bytes, self.tokens + (now - self.filled) * self.limits.rate_bytes)
        self.filled = now
        if size > self.tokens:
            raise Refused("resource_exhausted", f"push rate limit ({self.limits.rate_bytes / MIB:g} MiB) exceeded while "
                          f"adding {size / 1024:.0f} KiB", "rate_limited")
        self.tokens -= size

    def _validate(self, profile, size, labels):
        limits, text = self.limits, profile.string_table

        def refuse(reason, message):
            raise Refused("invalid_argument", message, reason)

        named = "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"
        if not profile.sample_type:
            refuse("malformed_profile", "empty profile")
        profile.time_nanos = profile.time_nanos or int(self.now() * 1e9)
        age = self.now() - profile.time_nanos / 1e9
        if not -limits.newer_seconds < age < limits.older_seconds:
            refuse("not_in_ingestion_window", f"profile with labels '{named}' is outside of ingestion window")
        if size > limits.profile_bytes:
            refuse("profile_size_limit", f"the profile with labels '{named}' exceeds the size limit "
                   f"(max_profile_size_byte, actual: {size}, limit: {limits.profile_bytes})")
        if len(profile.sample) > limits.samples:
            refuse("samples_limit", f"the profile with labels '{named}' exceeds the samples count limit "
                   f"(max_profile_stacktrace_samples, actual: {len(profile.sample)}, limit: {limits.samples})")
        for sample in profile.sample:
            if len(sample.label) > limits.sample_labels:
                refuse("sample_labels_limit", f"the profile with labels '{named}' exceeds the sample labels limit")
        if any(entry.id == 0 for entry in [*profile.location, *profile.function]):
            refuse("malformed_profile", "location or function id is 0")
        if any(len(sample.value) != len(profile.sample_type) for sample in profile.sample):
            refuse("malformed_profile", "sample value length mismatch")
        if not text or text[0] != "":
            refuse("malformed_profile", "string 0 should be empty string")
        indices = [index for kind in profile.sample_type for index in (kind.type, kind.unit)]
        indices += [index for label in (label for s in profile.sample for label in s.label)
                    for index in (label.key, label.str)]
        indices += [index for f in profile.function for index in (f.name, f.system_name, f.filename)]
        if any(not 0 <= index < len(text) for index in indices):
            refuse("malformed_profile", "string index out of range")
        if any("-" in text[kind.type] for kind in profile.sample_type):
            refuse("malformed_profile", "sample type contains -")

    def _split(self, profile, samples, labels):
        """[Stored], one for each set of sample labels and each sample type."""
        text, series = profile.string_table, dict(labels)
        frames = frames_of(profile)
        groups = {}
        for sample in samples:
            own = {text[label.key]: text[label.str] for label in sample.label}
            span_id = own.get("span_id") or own.get("profile_id") or ""
            promoted = tuple(sorted((name, value) for name, value in own.items()
                                    if name not in NOT_PROMOTED and name not in series))
            stack = tuple(frames[identity] for identity in sample.location_id if identity in frames)
            groups.setdefault(promoted, []).append((stack, sample.value, span_id, own.get("trace_id", "")))
        stored = []
        for promoted, rows in groups.items():
            self._validate_labels(sorted([*labels, *promoted]))
            for index, kind in enumerate(profile.sample_type):
                stored.append(Stored(
                    {**series, **dict(promoted)}, (text[kind.type], text[kind.unit]),
                    (text[profile.period_type.type], text[profile.period_type.unit]), profile.time_nanos,
                    [StoredSample(stack, values[index], span, trace) for stack, values, span, trace in rows
                     if values[index]]))
        return stored

    def _validate_labels(self, labels):
        """`labels` are sorted by name."""
        limits = self.limits
        named = "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"

        def refuse(reason, message):
            raise Refused("invalid_argument", message, reason)

        if len(labels) > limits.labels:
            refuse("max_label_names_per_series",
                   f"profile series '{named}' has {len(labels)} label names; limit {limits.labels}")
        if not dict(labels).get("__name__"):
            refuse("invalid_labels", f"invalid labels '{named}' with error: invalid metric name")
        last = ""
        for name, value in labels:
            if len(name.encode()) > limits.label_name_bytes:
                refuse("label_name_too_long", f"profile with labels '{named}' has label name too long: '{name}'")
            if len(value.encode()) > limits.label_value_bytes:
                refuse("label_value_too_long", f"profile with labels '{named}' has label value too long: '{value}'")
            if not name:
                refuse("invalid_labels", f"invalid labels '{named}' with error: invalid label name ''")
            if name == last:
                refuse("duplicate_label_names", f"profile with labels '{named}' has duplicate label name: '{name}'")
            last = name


def normalise(profile, limits):
    """The samples that are kept: with a positive and no negative value, text labels only, equal ones added up."""
    merged = {}
    for sample in profile.sample:
        if any(value < 0 for value in sample.value) or not any(sample.value):
            continue
        labels = sorted(((label.key, label.str) for label in sample.label if label.str))
        key = (tuple(sample.location_id[-limits.stack_depth:]), tuple(labels))
        if key in merged:
            merged[key].value[:] = [a + b for a, b in zip(merged[key].value, sample.value)]
        else:
            merged[key] = pb.Sample(location_id=key[0], value=sample.value,
                                    label=[pb.Label(key=name, str=value) for name, value in labels])
    return list(merged.values())


def frames_of(profile):
    """{location id: frame of StoredSample}; locations that refer to nothing are left out, addresses of symbolized mappings
    are cleared."""
    text = profile.string_table
    functions = {function.id: function for function in profile.function}
    mappings = {mapping.id: mapping for mapping in profile.mapping}
    frames = {}
    for location in profile.location:
        if not location.line and not location.address:
            continue
        if location.mapping_id and location.mapping_id not in mappings:
            continue
        if any(line.function_id not in functions for line in location.line):
            continue
        mapping = mappings.get(location.mapping_id) or pb.Mapping()
        lines = tuple((text[functions[line.function_id].name], text[functions[line.function_id].filename], line.line)
                      for line in location.line)
        frames[location.id] = (text[mapping.filename], text[mapping.build_id],
                               0 if mapping.has_functions else location.address, lines)
    return frames


def series_of_push(request, limits):
    """[Series] of a PushRequest."""
    series = []
    for one in request.series:
        labels = [(label.name, label.value) for label in one.labels]
        for sample in one.samples:
            raw = sample.raw_profile
            try:
                if raw[:2] == b"\x1f\x8b":
                    raw = gunzip(raw, limits.profile_bytes)
                profile = pb.Profile.FromString(raw)
            except OverflowError as error:
                raise Refused("invalid_argument", "uncompressed profile payload size exceeds limit of "
                              f"{limits.profile_bytes / 1e6:.1f} MB", "profile_size_limit") from error
            except (ValueError, zlib.error) as error:  # DecodeError is a ValueError
                raise Refused("unknown", f"failed to parse the profile: {error}") from error
            series.append(Series(list(labels), profile))
    if not series:
        raise Refused("invalid_argument", "no profiles received")
    return series
