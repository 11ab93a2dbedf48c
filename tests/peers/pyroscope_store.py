# SPDX-License-Identifier: Apache-2.0
"""What a stand-in for Pyroscope has stored, and the queries it answers. Times are milliseconds."""
import re

from pyroscope_otlp import pb

# A name that is not quoted has no dots.
MATCHER = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([a-zA-Z_:][\w:]*))\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
LEGACY_NAME = re.compile(r"[a-zA-Z_]\w*", re.ASCII)


def parse_matchers(selector):
    """[(name, operator, value)] of `{a="b", "dotted.name"=~"c"}`; ValueError if it is none."""
    inside = selector.strip()
    if inside.startswith("{") != inside.endswith("}"):
        raise ValueError(f"not a label selector: {selector}")
    inside, at, matchers = inside.removeprefix("{").removesuffix("}"), 0, []
    while at < len(inside.rstrip()):
        match = MATCHER.match(inside, at)
        if not match:
            raise ValueError(f"not a label selector: {selector}")
        matchers.append((match[1] or match[2], match[3], re.sub(r"\\(.)", r"\1", match[4])))
        at = match.end()
    return matchers


def matches(labels, matchers):
    for name, operator, value in matchers:
        have = labels.get(name, "")
        hit = re.fullmatch(value, have) is not None if "~" in operator else have == value
        if hit == operator.startswith("!"):
            return False
    return True


class Store:
    def __init__(self):
        self.series = []

    def add(self, stored):
        self.series.append(stored)

    def select(self, start, end, selectors=("{}",), type_id=None):
        groups = [parse_matchers(selector) for selector in selectors] or [[]]
        if type_id is not None and type_id.count(":") != 4:
            raise ValueError(f"profile-type selection must be of the form <name>:<type>:<unit>:<period-type>:<period-unit>"
                             f", not {type_id}")
        return [one for one in self.series
                if start <= one.time_ns / 1e6 <= end and type_id in (None, one.type_id)
                and any(matches(visible_labels(one), matchers) for matchers in groups)]

    def profile_types(self, start, end):
        types = {one.type_id: one for one in self.select(start, end)}
        return pb.ProfileTypesResponse(profile_types=[
            pb.ProfileType(ID=identity, name=one.labels["__name__"], sample_type=one.sample_type[0],
                           sample_unit=one.sample_type[1], period_type=one.period_type[0],
                           period_unit=one.period_type[1]) for identity, one in sorted(types.items())])

    def label_names(self, start, end, selectors, utf8):
        """Names with dots only for a client that says it knows them (`utf8`)."""
        names = {name for one in self.select(start, end, selectors) for name in visible_labels(one)}
        return pb.Names(names=sorted(name for name in names if utf8 or LEGACY_NAME.fullmatch(name)))

    def label_values(self, name, start, end, selectors):
        values = {visible_labels(one).get(name, "") for one in self.select(start, end, selectors)}
        return pb.Names(names=sorted(values - {""}))

    def label_sets(self, names, start, end, selectors, utf8):
        names = set(names or self.label_names(start, end, selectors, utf8).names)
        sets = {tuple(sorted((name, value) for name, value in visible_labels(one).items()
                             if name in names and (utf8 or LEGACY_NAME.fullmatch(name))))
                for one in self.select(start, end, selectors)}
        return pb.SeriesResponse(labels_set=[
            pb.Labels(labels=[pb.LabelPair(name=name, value=value) for name, value in labels])
            for labels in sorted(sets) if labels])

    def samples(self, query):
        for one in self.select(query.start, query.end, [query.label_selector], query.profile_typeID):
            for sample in one.samples:
                if query.span_selector and sample.span_id not in query.span_selector:
                    continue
                if query.trace_id_selector and sample.trace_id not in query.trace_id_selector:
                    continue
                yield sample

    def flame_graph(self, query):
        """Frames without a line don't show; a stack without any only adds to the total."""
        root = {}  # name: [total, self, children]
        total = 0
        for sample in self.samples(query):
            total += sample.value
            level, node = root, None
            for frame in reversed(sample.frames):
                for name, _, _ in reversed(frame[3]):
                    node = level.setdefault(name, [0, 0, {}])
                    node[0] += sample.value
                    level = node[2]
            if node:
                node[1] += sample.value
        graph = pb.FlameGraph(total=total)
        fill(graph, [("total", 0, [total, 0, root])])
        return pb.SelectMergeStacktracesResponse(flamegraph=graph)

    def merged_profile(self, query):
        """As pprof, addresses of frames without a line included."""
        name, sample_type, sample_unit, period_type, period_unit = query.profile_typeID.split(":")
        profile = pb.Profile(string_table=[""])
        strings, functions, locations, mappings, counts = {"": 0}, {}, {}, {}, {}

        def string(text):
            if text not in strings:
                strings[text] = len(profile.string_table)
                profile.string_table.append(text)
            return strings[text]

        def function(key):
            if key not in functions:
                functions[key] = len(functions) + 1
                profile.function.add(id=functions[key], name=string(key[0]), filename=string(key[1]))
            return functions[key]

        def location(frame):
            if frame not in locations:
                file, build_id, address, lines = frame
                if (file, build_id) not in mappings:
                    mappings[file, build_id] = len(mappings) + 1
                    profile.mapping.add(id=len(mappings), filename=string(file), build_id=string(build_id))
                locations[frame] = len(locations) + 1
                profile.location.add(id=locations[frame], mapping_id=mappings[file, build_id], address=address, line=[
                    pb.Line(function_id=function((name, source)), line=line) for name, source, line in lines])
            return locations[frame]

        profile.sample_type.add(type=string(sample_type), unit=string(sample_unit))
        profile.period_type.type, profile.period_type.unit = string(period_type), string(period_unit)
        for sample in self.samples(query):
            key = tuple(location(frame) for frame in sample.frames)
            counts[key] = counts.get(key, 0) + sample.value
        for key, value in counts.items():
            profile.sample.add(location_id=key, value=[value])
        return profile


def visible_labels(one):
    """With the labels that Pyroscope adds, and without what it takes away."""
    labels = {name: value for name, value in one.labels.items() if name != "__delta__"}
    return {**labels, "__service_name__": labels["service_name"], "__profile_type__": one.type_id,
            "__type__": one.sample_type[0], "__unit__": one.sample_type[1],
            "__period_type__": one.period_type[0], "__period_unit__": one.period_type[1]}


def fill(graph, nodes):
    """Levels of (offset from the end of the bar before, total, self, name) each, children by name."""
    names = {}
    while nodes:
        level, end, below = graph.levels.add(), 0, []
        for name, start, (total, own, children) in nodes:
            index = names.setdefault(name, len(names))
            level.values.extend((start - end, total, own, index))
            graph.max_self = max(graph.max_self, own)
            end, at = start + total, start + own
            for child in sorted(children):
                below.append((child, at, children[child]))
                at += children[child][0]
        nodes = below
    graph.names.extend(names)
