# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of scripts/bench, on numbers that can be checked by hand."""

import copy
import unittest

import figures

MEASURED = {
    "null": {"runs": 1000, "run_time_ns": 100_000, "pace": 200.0},
    "kiln": {
        "pace": 190.0,
        "cpu_seconds": 1.0,
        "lost": 3,
        "own_percent": 98.0,
        "stats": {
            "elapsed_seconds": 2.0,
            "samples": 2000,
            "complete_samples": 1000,
            "distinct_stacks": 7,
            "distinct_frames": 9,
            "frames": 80_000,
            "bpf_runs": 2000,
            "bpf_run_time_ns": 4_200_000,
            "ring_bytes": 700_000,
            "map_bytes": 2 << 20,
            "peak_rss_bytes": 32 << 20,
            "waits": 50,
            "cpu_seconds": {"collect": 0.01, "aggregate": 0.02, "locate": 0.03, "tables": 0.015, "name": 0.1,
                            "encode": 0.2, "own_total": 0.1},
        },
    },
    "steal_percent": 0.5,
}


class RoundFigures(unittest.TestCase):
    def test_bpf_time_is_told_above_the_null_sampler(self):
        result = figures.round_figures(MEASURED)
        self.assertAlmostEqual(result["bpf_ns_null"], 100)
        self.assertAlmostEqual(result["bpf_ns_kiln"], 2100)
        self.assertAlmostEqual(result["bpf_ns_above_null"], 2000)
        self.assertAlmostEqual(result["bpf_ratio_to_null"], 21)
        self.assertAlmostEqual(result["bpf_ns_above_null_per_frame"], 50)

    def test_stages_add_up_to_all_of_the_recording(self):
        result = figures.round_figures(MEASURED)
        self.assertAlmostEqual(result["cpu_s_per_million_by_stage"]["other"], 12.5)
        self.assertAlmostEqual(result["waits_per_second"], 25)
        self.assertAlmostEqual(result["cpu_s_per_million"], (0.1 + 0.1 + 0.2) / 2000 * 1e6)
        self.assertAlmostEqual(result["start_seconds"], 0.6)
        self.assertAlmostEqual(result["cpu_percent_of_one"], 5)

    def test_per_sample_figures_and_slowdown(self):
        result = figures.round_figures(MEASURED)
        self.assertAlmostEqual(result["frames_per_sample"], 40)
        self.assertAlmostEqual(result["ring_bytes_per_sample"], 350)
        self.assertAlmostEqual(result["complete_percent"], 50)
        self.assertAlmostEqual(result["slowdown_percent"], 5)
        self.assertAlmostEqual(result["peak_rss_mib"], 32)

    def test_without_kernel_statistics_there_are_no_bpf_figures(self):
        measured = copy.deepcopy(MEASURED)
        measured["null"].update(runs=0, run_time_ns=0)
        self.assertNotIn("bpf_ns_above_null", figures.round_figures(measured))

    def test_no_sample_is_an_error(self):
        measured = copy.deepcopy(MEASURED)
        measured["kiln"]["stats"]["samples"] = 0
        with self.assertRaises(ValueError):
            figures.round_figures(measured)


def round_with(samples, **cpu_seconds):
    """A round with a longer recording beside the short one."""
    short = MEASURED["kiln"]["stats"]
    long = copy.deepcopy(short)
    long["samples"] = samples
    long["cpu_seconds"] |= cpu_seconds
    return {**MEASURED, "lengths": [short, long]}


class FurtherMillion(unittest.TestCase):
    def test_leaves_out_what_a_recording_costs_once(self):
        medians = {}
        figures.add_further(medians, [round_with(12_000, name=0.11, own_total=0.12, collect=0.03)])
        self.assertAlmostEqual(medians["further_million"]["collect"], 2)
        self.assertAlmostEqual(medians["further_million"]["name"], 1)
        self.assertAlmostEqual(medians["further_million"]["locate"], 0)
        self.assertAlmostEqual(medians["further_million"]["all"], 3)
        self.assertAlmostEqual(medians["ring_bytes_per_further_sample"], 0)  # the same bytes in both

    def test_shows_a_whole_round_and_how_far_the_others_are(self):
        medians = {}
        rounds = [round_with(12_000, own_total=total) for total in (0.15, 0.11, 0.12)]
        figures.add_further(medians, rounds)
        self.assertAlmostEqual(medians["further_million"]["all"], 2)
        self.assertAlmostEqual(medians["further_lowest"], 1)
        self.assertAlmostEqual(medians["further_highest"], 5)

    def test_needs_recordings_of_different_length(self):
        medians = {}
        figures.add_further(medians, [round_with(2001), {**MEASURED, "lengths": None}])
        self.assertEqual(medians, {})


class Images(unittest.TestCase):
    def test_tell_what_a_row_costs_and_a_table_takes(self):
        image = figures.image_figures({"code_bytes": 4 << 20, "pages": 64, "rows": 100_000, "table_bytes": 500_000,
                                       "cpu_seconds": 0.02})
        self.assertAlmostEqual(image["us_per_row"], 0.2)
        self.assertAlmostEqual(image["bytes_per_row"], 5)
        self.assertIn("libc.so.6", figures.render_images({"libc.so.6": image}))


class Medians(unittest.TestCase):
    def test_go_into_nested_figures_and_skip_what_is_missing(self):
        rounds = [{"a": 1, "b": {"c": 5}, "d": None}, {"a": 9, "b": {"c": 7}, "d": 4}, {"a": 2, "b": {"c": 6}, "d": None}]
        self.assertEqual(figures.median_figures(rounds), {"a": 2, "b": {"c": 6}, "d": 4})


class Budgets(unittest.TestCase):
    def test_the_most_special_one_counts(self):
        self.assertEqual(figures.budget("clang", 99, "bpf_ns_above_null"), 15_000)
        self.assertEqual(figures.budget("clang", 997, "bpf_ns_above_null"), 8_000)
        self.assertEqual(figures.budget("storm", 99, "peak_rss_mib"), 64)
        self.assertIsNone(figures.budget("cold", 99, "bpf_ns_above_null"))


class Table(unittest.TestCase):
    def test_marks_what_is_over_its_budget(self):
        result = figures.round_figures(MEASURED)
        result["ring_bytes_per_further_sample"] = 351
        text = figures.render({"hot": {997: result}})
        self.assertIn("2,000", text)  # exactly at the budget
        self.assertNotIn("2,000!", text)
        self.assertIn("350!", text)
        self.assertIn("351.0", text)

    def test_says_a_dash_for_what_was_not_measured(self):
        measured = copy.deepcopy(MEASURED)
        measured["kiln"]["pace"] = None
        result = figures.round_figures(measured)
        last_row = figures.render({"hot": {997: result}}).strip().splitlines()[-1]
        self.assertEqual(last_row.split()[-2:], ["-", "0.5"])


if __name__ == "__main__":
    unittest.main()
