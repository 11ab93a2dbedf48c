# SPDX-License-Identifier: Apache-2.0
"""From what one round measured to the figures of a case, and their table.

A round is {"null": …, "kiln": …, "pace": …} as measure.py makes it. Everything here is arithmetic: it runs nothing.
"""

import statistics

MIB = 1 << 20
STAGES = ("collect", "aggregate", "locate", "tables", "other", "name", "encode")

# Upper limits by case and figure; one for a frequency goes before that of the case alone, "*" is every case. Those of BPF
# time are meant for stacks that reach their root: a case of cut stacks (complete %) keeps them for nothing.
BUDGETS = {
    ("hot", 997, "bpf_ns_above_null"): 2_000,
    ("clang", 997, "bpf_ns_above_null"): 8_000,
    ("clang", 99, "bpf_ns_above_null"): 15_000,
    ("hot", "further_million.all"): 2,
    ("mixed", "further_million.all"): 8,
    ("storm", "further_million.all"): 30,
    ("hot", "ring_bytes_per_further_sample"): 350,
    ("cold", "ring_bytes_per_further_sample"): 350,
    ("*", "peak_rss_mib"): 64,
    ("*", "map_mib"): 64,
}


def budget(case, frequency, figure):
    """The limit, or None if there is none."""
    for key in ((case, frequency, figure), (case, figure), ("*", figure)):
        if key in BUDGETS:
            return BUDGETS[key]
    return None


def stage_seconds(stats):
    """{stage: CPU seconds}: all that a recording took but its start."""
    cpu = stats["cpu_seconds"]
    stages = {stage: cpu[stage] for stage in STAGES if stage != "other"}
    # The threads that show progress and wait for readers of tables.
    stages["other"] = cpu["own_total"] - cpu["collect"] - cpu["aggregate"] - cpu["locate"] - cpu["tables"]
    return stages


def round_figures(measured):
    """The figures of one round. BPF figures are missing where the kernel kept no statistics."""
    null, kiln = measured["null"], measured["kiln"]
    stats = kiln["stats"]
    samples = stats["samples"]
    if samples == 0:
        raise ValueError("kiln took no sample")
    cpu = stats["cpu_seconds"]
    stages = stage_seconds(stats)
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
        "waits_per_second": stats["waits"] / stats["elapsed_seconds"],
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


def further_million(short, long):
    """CPU seconds that a million samples more cost, by stage and in all, from two recordings of the same load.

    A recording has costs that do not grow with its length: reading the maps of processes, tables, symbol tables, the
    kernel's symbols. In recordings of seconds they are nearly everything, and they vary by more than all the rest. The
    difference is what is left in long ones: samples, new stacks and their names, and whatever is done by the clock.
    None if `long` has hardly more samples.
    """
    samples = long["samples"] - short["samples"]
    if samples < long["samples"] / 2:
        return None
    seconds = [stage_seconds(stats) for stats in (short, long)]
    cost = {stage: (seconds[1][stage] - seconds[0][stage]) / samples * 1e6 for stage in STAGES}
    return {**cost, "all": sum(cost.values())}


def add_further(medians, rounds):
    """Adds to the medians of a frequency what a further million samples cost, from the rounds that measured it."""
    costs = [further_million(*one["lengths"]) for one in rounds if one["lengths"]]
    costs = [cost for cost in costs if cost]
    if not costs:
        return
    middle = sorted(costs, key=lambda cost: cost["all"])[len(costs) // 2]
    medians["further_million"] = middle  # one round, so that the stages add up; of two the dearer one
    medians["further_lowest"] = min(cost["all"] for cost in costs)
    medians["further_highest"] = max(cost["all"] for cost in costs)
    # Without the copies of stacks from before a process is known.
    medians["ring_bytes_per_further_sample"] = statistics.median(
        (long["ring_bytes"] - short["ring_bytes"]) / (long["samples"] - short["samples"])
        for short, long in (one["lengths"] for one in rounds if one["lengths"])
        if further_million(short, long)
    )


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
        ("per frame", "bpf_ns_above_null_per_frame", 1, False),
    )),
    ("CPU seconds of kiln per million samples of a recording as long as one block, by stage", (
        *((stage, f"cpu_s_per_million_by_stage.{stage}", 2, False) for stage in STAGES),
        ("all", "cpu_s_per_million", 2, False),
    )),
    ("CPU seconds of kiln per further million samples: what a long recording of the load alone costs more than a short\n"
     "one, by the samples that it has more. Leaves out what a recording costs once (reading maps, tables and symbols),\n"
     "takes in what is done by the clock. The median round, the lowest and the highest: far apart, they are noise", (
        *((stage, f"further_million.{stage}", 2, False) for stage in STAGES),
        ("all", "further_million.all", 2, True),
        ("lowest", "further_lowest", 2, False),
        ("highest", "further_highest", 2, False),
    )),
    ("CPU seconds of kiln in one recording, and the share of one CPU that it took while it recorded", (
        ("start", "start_seconds", 3, False),
        ("locate", "cpu_s_by_stage.locate", 3, False),
        ("name", "cpu_s_by_stage.name", 3, False),
        ("encode", "cpu_s_by_stage.encode", 3, False),
        ("while recording %", "cpu_percent_of_one", 2, False),
        ("waits/s", "waits_per_second", 0, False),
        ("stacks", "distinct_stacks", 0, False),
        ("frames", "distinct_frames", 0, False),
    )),
    ("Bytes, losses, and how much slower the load got than under null", (
        ("ring B/sample", "ring_bytes_per_sample", 0, False),
        ("/further", "ring_bytes_per_further_sample", 1, True),
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


# Head, figure, digits.
IMAGE_COLUMNS = (("code MiB", "code_mib", 2), ("pages", "pages", 0), ("rows", "rows", 0),
                 ("us per row", "us_per_row", 3), ("B per row", "bytes_per_row", 2), ("table MiB", "mib", 3),
                 ("% of code", "percent_of_code", 1))


def image_figures(measured):
    """Of one file as table_cost reports it."""
    rows = max(1, measured["rows"])
    return {"code_mib": measured["code_bytes"] / MIB, "pages": measured["pages"], "rows": measured["rows"],
            "us_per_row": measured["cpu_seconds"] / rows * 1e6, "bytes_per_row": measured["table_bytes"] / rows,
            "mib": measured["table_bytes"] / MIB,
            "percent_of_code": 100 * measured["table_bytes"] / max(1, measured["code_bytes"])}


def render_images(images):
    """Text for people. `images` is {name: image_figures(…)}."""
    rows = [["file", *(head for head, _, _ in IMAGE_COLUMNS)]]
    rows += [[name, *(_number(figures[key], digits) for _, key, digits in IMAGE_COLUMNS)]
             for name, figures in images.items()]
    return ("Unwind tables of whole files, made from the file without a cache; CPU time includes opening it\n\n"
            f"{_grid(rows)}\n")


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
