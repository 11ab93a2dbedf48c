// SPDX-License-Identifier: Apache-2.0
// Small profiles for tests of everything that reads a Profile.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profile/builder.h"

namespace kiln::profile {

// A valid profile with kernel, native, inlined, jit and truncated frames, two processes, three threads, properties, one
// sample type samples/count and period cpu/nanoseconds at 99 Hz. Fixed content and times.
inline Profile ExampleProfile() {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetPeriod(b.Type("cpu", "nanoseconds"), 10'101'010);
  b.SetTime(1'700'000'000'000'000'000, 10'000'000'000);
  const StringIndex none(0);
  const auto function = [&](std::string_view name, std::string_view system_name, std::string_view file, int64_t start) {
    return b.AddFunction({b.String(name), b.String(system_name), b.String(file), start});
  };
  const MappingIndex app =
      b.AddMapping({0x1000, 0x9000, 0x1000, b.String("/usr/bin/app"), b.String("0123456789abcdef")});
  const MappingIndex libc = b.AddMapping({0x26000, 0x17b000, 0x26000, b.String("/lib/libc.so.6"), b.String("fe12")});
  const MappingIndex kernel =
      b.AddMapping({0xffffffff81000000, 0xffffffff82000000, 0, b.String("[kernel.kallsyms]"), none});
  const MappingIndex jit = b.AddMapping({0, 0, 0, b.String("/tmp/perf-42.map"), none});
  const auto main = function("main", "", "app.cc", 10);
  const auto work = function("work<int>(int)", "_Z4workIiEvi", "work.h", 3);
  const auto add = function("add(int)", "_Z3addi", "work.h", 1);
  const auto read = function("read", "", "", 0);
  const auto vfs = function("vfs_read", "", "", 0);
  const auto js = function("LazyCompile:~run app.js:7", "", "", 0);
  const auto cut = function("[truncated: bad frame pointer]", "", "", 0);
  const auto main_at = b.AddLocation({app, 0x1234, FrameType::kNative, {{main, 12, 3}}});
  const auto work_at = b.AddLocation({app, 0x2345, FrameType::kNative, {{add, 1, 0}, {work, 5, 9}}});
  const auto read_at = b.AddLocation({libc, 0x30010, FrameType::kNative, {{read, 0, 0}}});
  const auto bare_at = b.AddLocation({libc, 0x30020, FrameType::kNative, {}});
  const auto vfs_at = b.AddLocation({kernel, 0xffffffff81234567, FrameType::kKernel, {{vfs, 0, 0}}});
  const auto js_at = b.AddLocation({jit, 0x7f0000001000, FrameType::kJit, {{js, 0, 0}}});
  const auto cut_at = b.AddLocation({std::nullopt, 0, FrameType::kTruncated, {{cut, 0, 0}}});
  const auto set = [&](std::vector<AttributeIndex> attributes) { return b.AddAttributeSet(attributes); };
  const auto app_process = set({b.AddAttribute("process.pid", 42), b.AddAttribute("process.executable.name", "app")});
  const auto other_process =
      set({b.AddAttribute("process.pid", 43), b.AddAttribute("process.executable.name", "other")});
  const auto main_thread = set({b.AddAttribute("thread.id", 42), b.AddAttribute("thread.name", "app")});
  const auto worker_thread = set({b.AddAttribute("thread.id", 44), b.AddAttribute("thread.name", "worker")});
  const auto other_thread = set({b.AddAttribute("thread.id", 43), b.AddAttribute("thread.name", "other")});
  const auto add_sample = [&](std::vector<LocationIndex> stack, AttributeSetIndex process, AttributeSetIndex thread,
                              int64_t count) {
    b.AddSample({b.AddStack(std::move(stack)), process, thread, std::nullopt}, {{count}});
  };
  add_sample({work_at, main_at}, app_process, main_thread, 70);
  add_sample({vfs_at, read_at, main_at}, app_process, main_thread, 20);
  add_sample({work_at, main_at}, app_process, worker_thread, 7);
  add_sample({js_at, main_at, cut_at}, app_process, worker_thread, 2);
  add_sample({bare_at, main_at}, other_process, other_thread, 1);
  b.SetProperties(set({b.AddAttribute("kiln.samples.lost", 0), b.AddAttribute("kiln.version", "0.1.0")}));
  return std::move(b).Finish();
}

// Total of the first value per stack, each stack as names leaf first joined by ';' (all lines; "?" without a name).
inline std::map<std::string, int64_t> TotalsByStack(const Profile& p) {
  std::map<std::string, int64_t> totals;
  for (const Sample& sample : p.samples) {
    std::string text;
    for (const LocationIndex index : p.stacks[sample.key.stack].locations) {
      if (p.locations[index].lines.empty()) text += (text.empty() ? "?" : ";?");
      for (const Line& line : p.locations[index].lines) {
        if (!text.empty()) text += ';';
        text += p.strings[p.functions[line.function].name];
      }
    }
    totals[text] += sample.values.at(0);
  }
  return totals;
}

}  // namespace kiln::profile
