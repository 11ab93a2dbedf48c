# SPDX-License-Identifier: Apache-2.0
"""From what one round measured to the figures of a case, and their table.

A round is {"null": …, "kiln": …, "pace": …} as measure.py makes it. Everything here is arithmetic: it runs nothing.
"""

import statistics

MIB = 1 << 20
STAGES = ("collect", "aggregate", "locate", "other", "name", "encode")

# Upper limits by case and figure; one for a frequency goes before that of the case alone, "*" is every case. Those of BPF
# time are meant for stacks that reach their root: a case of cut stacks (complete %) keeps them for nothing.
BUDGETS = {
    ("hot", 997, "bpf_ns_above_null"): 2_000,
    ("clang", 997, "bpf_ns_above_null"): 8_000,
    ("clang", 99, "bpf_ns_above_null"): 15_000,
    ("hot", "cpu_s_per_further_million"): 2,
    ("mixed", "cpu_s_per_further_million"): 8,
    ("storm", "cpu_s_per_further_million"): 30,
    ("hot", "ring_bytes_per_sample"): 350,
    ("cold", "ring_bytes_per_sample"): 350,
    ("*", "peak_rss_mib"): 64,
    ("*", "map_mib"): 64,
}


def budget(case, frequency, figure):
    """The limit, or None if there is none."""
    for key in ((case, frequency, figure), (case, figure), ("*", figure)):
        if key in BUDGETS:
            return BUDGETS[key]
    return None


def round_figures(measured):
    """The figures of one round. BPF figures are missing where the kernel kept no statistics."""
    null, kiln = measured["null"], measured["kiln"]
    stats = kiln["stats"]
    samples = stats["samples"]
    if samples == 0:
        raise ValueError("kiln took no sample")
    cpu = stats["cpu_seconds"]
    stages = {stage: cpu[stage] for stage in STAGES if stage != "other"}
    # The thread that waits and shows progress, reading counters, following CPUs.
    stages["other"] = max(0.0, cpu["own_total"] - cpu["collect"] - cpu["aggregate"] - cpu["locate"])
    million = {stage: stages[stage] / samples * 1e6 for stage in STAGES}
    figures = {
        "samples": samples,
        "frames_per_sample": stats["frames"] / samples,
        "complete_percent": 100 * stats["complete_samples"] / samples,
        "distinct_stacks": stats["distinct_stacks"],
        "distinct_frames": stats["distinct_frames"],
        "lost": kiln["lost"],
        "own_percent": kiln["own_percent"],
        "ring_bytes_per_sample": stats["ring_bytes"] / samples,
        "map_mib": stats["map_bytes"] / MIB,
        "peak_rss_mib": stats["peak_rss_bytes"] / MIB,
        "cpu_s_per_million_by_stage": million,
        "cpu_s_per_million": sum(million.values()),
        "cpu_s_by_stage": stages,
        "cpu_s": sum(stages.values()),
        "cpu_percent_of_one": 100 * cpu["own_total"] / stats["elapsed_seconds"],
        # Loading, attaching, printing: all of the process that no stage accounts for.
        "start_seconds": max(0.0, kiln["cpu_seconds"] - cpu["own_total"] - cpu["name"] - cpu["encode"]),
        "steal_percent": measured["steal_percent"],
    }
    if null["runs"] and stats["bpf_runs"]:
        figures["bpf_ns_null"] = null["run_time_ns"] / null["runs"]
        figures["bpf_ns_kiln"] = stats["bpf_run_time_ns"] / stats["bpf_runs"]
        figures["bpf_ns_above_null"] = figures["bpf_ns_kiln"] - figures["bpf_ns_null"]
        figures["bpf_ratio_to_null"] = figures["bpf_ns_kiln"] / figures["bpf_ns_null"]
        figures["bpf_ns_above_null_per_frame"] = figures["bpf_ns_above_null"] / figures["frames_per_sample"]
    if null["pace"] and kiln["pace"]:
        figures["slowdown_percent"] = 100 * (1 - kiln["pace"] / null["pace"])
    return figures


def further_million(fewer, more):
    """CPU seconds that a million samples more cost, from two recordings of the same load and length.

    A recording has costs that do not grow with its samples: waking up, reading the maps of processes, reading symbol
    tables. In recordings of seconds they are nearly everything; the difference is what is left in long ones. None if
    `more` has hardly more samples.
    """
    samples = more["samples"] - fewer["samples"]
    return (more["cpu_s"] - fewer["cpu_s"]) / samples * 1e6 if samples > more["samples"] / 2 else None


def median_figures(rounds):
    """Each figure's median over the rounds that have it."""
    medians = {}
    for key in rounds[0]:
        values = [figures[key] for figures in rounds if figures.get(key) is not None]
        if not values:
            medians[key] = None
        elif isinstance(values[0], dict):
            medians[key] = median_figures(values)
        else:
            medians[key] = statistics.median(values)
    return medians


def _number(value, digits):
    return "-" if value is None else f"{value:,.{digits}f}"


def _grid(rows):
    """Rows of texts under a head, columns aligned: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(w) if i < 1 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
        if number == 0:
            lines.append("-" * len(lines[0]))
    return "\n".join(lines)


# Title; then columns: head, figure (a dot goes into a dict), digits, and whether its budget stands behind it.
TABLES = (
    ("BPF time per sample, ns, by kernel.bpf_stats_enabled; null is a program that returns at once", (
        ("samples", "samples", 0, False),
        ("load %", "own_percent", 0, False),
        ("frames", "frames_per_sample", 1, False),
        ("complete %", "complete_percent", 1, False),
        ("null", "bpf_ns_null", 0, False),
        ("kiln", "bpf_ns_kiln", 0, False),
        ("ratio", "bpf_ratio_to_null", 1, False),
        ("above null", "bpf_ns_above_null", 0, True),
        ("per frame", "bpf_ns_above_null_per_frame", 0, False),
    )),
    ("CPU seconds of kiln per million samples, by stage; all of them; and of a further million, which leaves out what a\n"
     "recording costs once (reading maps and symbol tables)", (
        *((stage, f"cpu_s_per_million_by_stage.{stage}", 2, False) for stage in STAGES),
        ("all", "cpu_s_per_million", 2, False),
        ("further", "cpu_s_per_further_million", 2, True),
    )),
    ("CPU seconds of kiln in one recording, and the share of one CPU that it took while it recorded", (
        ("start", "start_seconds", 3, False),
        ("locate", "cpu_s_by_stage.locate", 3, False),
        ("name", "cpu_s_by_stage.name", 3, False),
        ("encode", "cpu_s_by_stage.encode", 3, False),
        ("while recording %", "cpu_percent_of_one", 2, False),
        ("stacks", "distinct_stacks", 0, False),
        ("frames", "distinct_frames", 0, False),
    )),
    ("Bytes, losses, and how much slower the load got than under null", (
        ("ring B/sample", "ring_bytes_per_sample", 0, True),
        ("peak RSS MiB", "peak_rss_mib", 1, True),
        ("maps MiB", "map_mib", 1, True),
        ("lost", "lost", 0, False),
        ("slowdown %", "slowdown_percent", 2, False),
        ("steal %", "steal_percent", 1, False),
    )),
)


def _figure(figures, path):
    for key in path.split("."):
        figures = figures.get(key) if figures else None
    return figures


def render(results):
    """Text for people. `results` is {case: {frequency: median figures}}. A figure over its budget bears a '!'."""
    parts = []
    for title, columns in TABLES:
        head = ["case", "Hz"]
        for name, _, _, has_budget in columns:
            head += [name, "budget"] if has_budget else [name]
        rows = [head]
        for case, by_frequency in results.items():
            for frequency, figures in by_frequency.items():
                row = [case, str(frequency)]
                for _, path, digits, has_budget in columns:
                    value = _figure(figures, path)
                    text = _number(value, digits)
                    if has_budget:
                        limit = budget(case, frequency, path)
                        over = value is not None and limit is not None and value > limit
                        row += [text, _number(limit, 0) + ("!" if over else " ")]
                    else:
                        row.append(text)
                rows.append(row)
        parts.append(f"{title}\n\n{_grid(rows)}\n")
    return "\n".join(parts)
