# SPDX-License-Identifier: Apache-2.0
"""What a running kiln agent uses, as the kernel counts it."""

import dataclasses
import os
import pathlib
import time


@dataclasses.dataclass(frozen=True)
class Use:
    time: float  # seconds of a clock that only grows
    rss: int  # bytes
    peak_rss: int
    map_bytes: int  # of all its BPF maps
    cpu: float  # seconds, user and system
    bpf: float  # seconds in its BPF programs; 0 without kernel.bpf_stats_enabled


def read(pid):
    process = pathlib.Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    ticks = (process / "stat").read_text().rsplit(")", 1)[1].split()[11:13]
    maps, run_ns = {}, {}
    for file in (process / "fdinfo").iterdir():
        try:
            fields = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        except OSError:
            continue  # closed meanwhile
        if "map_id" in fields:
            maps[fields["map_id"]] = int(fields["memlock"])
        elif "run_time_ns" in fields:  # links have a prog_id, too
            run_ns[fields["prog_id"]] = int(fields["run_time_ns"])
    return Use(time.monotonic(), int(status["VmRSS"].split()[0]) * 1024, int(status["VmHWM"].split()[0]) * 1024,
               sum(maps.values()), sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"), sum(run_ns.values()) / 1e9)


def cpu_percent(before, after):
    """Between two readings, of all CPUs together: (all, thereof BPF)."""
    whole = (after.time - before.time) * os.cpu_count() / 100
    return (after.cpu - before.cpu + after.bpf - before.bpf) / whole, (after.bpf - before.bpf) / whole
