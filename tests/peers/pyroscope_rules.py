# SPDX-License-Identifier: Apache-2.0
"""What Pyroscope refuses, loses or doesn't show of OTLP profiles that are otherwise valid: the stand-in's ingestion,
without a server, with the clock at the end of the profiles."""
import peers

peers.need_python()
import pyroscope_ingest  # noqa: E402
import pyroscope_otlp  # noqa: E402
from pyroscope_store import Store  # noqa: E402


def check(data):
    """[fault]"""
    try:
        all_series = pyroscope_otlp.convert(data)
    except pyroscope_otlp.Refused as error:
        return [f"Pyroscope can't convert it: {error}"]
    faults = []
    for series in all_series:
        end = (series.profile.time_nanos + series.profile.duration_nanos) / 1e9
        ingest = pyroscope_ingest.Ingest(Store(), now=lambda end=end: end)
        try:
            ingest.push([series])
        except pyroscope_otlp.Refused as error:
            faults.append(f"Pyroscope refuses it, {error.reason or error.code}: {error}")
            continue
        faults += [f"Pyroscope shows no frame for {address:#x} in {file or 'no mapping'}: the location has no line with a "
                   f"function that has a name" for file, address in nameless(ingest.store)]
        sent = sum(max(sample.value[0], 0) for sample in series.profile.sample)
        stored = sum(sample.value for one in ingest.store.series for sample in one.samples)
        if sent != stored or any(sample.value[0] <= 0 for sample in series.profile.sample):
            faults.append("Pyroscope drops samples without a positive value")
    sent = sum(len(profile.samples) > 0 for resource in data.resource_profiles for scope in resource.scope_profiles
               for profile in scope.profiles)
    if len(all_series) < sent:
        faults.append(f"Pyroscope loses {sent - len(all_series)} profiles without a word")
    return faults


def nameless(store):
    """{(mapping file, address)} of frames that a flame graph leaves out."""
    return sorted({(file, address) for one in store.series for sample in one.samples
                   for file, _, address, lines in sample.frames if not any(name for name, _, _ in lines)})
