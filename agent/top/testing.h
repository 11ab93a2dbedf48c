// SPDX-License-Identifier: Apache-2.0
// Intervals for tests.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "agent/top/interval.h"
#include "profile/builder.h"

namespace kiln::agent {

struct TestSample {
  std::vector<std::string> functions;  // leaf first; "k:" in front = in the kernel, "cut:" = the mark of a cut stack
  int64_t count = 1;
  int64_t pid = 42;
  std::string process = "app";
  int64_t tid = 0;  // 0 = as pid
};

// 100 Hz for 2 s on 2 CPUs of "box", ending at 10:00:00 UTC; so 200 samples are one CPU. User functions are in
// /bin/app.
inline TopInterval IntervalOf(const std::vector<TestSample>& samples) {
  profile::ProfileBuilder b;
  const profile::StringIndex none(0);
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetPeriod(b.Type("cpu", "nanoseconds"), 10'000'000);
  b.SetTime(1'700'042'398'000'000'000, 2'000'000'000);
  const auto app = b.AddMapping({0, 0, 0, b.String("/bin/app"), none});
  const auto kernel = b.AddMapping({0, 0, 0, b.String("[kernel.kallsyms]"), none});
  for (const TestSample& sample : samples) {
    std::vector<profile::LocationIndex> stack;
    for (std::string name : sample.functions) {
      const bool in_kernel = name.starts_with("k:");
      const bool is_mark = name.starts_with("cut:");
      if (in_kernel || is_mark) name.erase(0, name.find(':') + 1);
      const auto function = b.AddFunction({b.String(name), none, none, 0});
      profile::Location location{.mapping = in_kernel ? kernel : app,
                                 .address = 0,
                                 .type = in_kernel ? profile::FrameType::kKernel : profile::FrameType::kNative,
                                 .lines = {{function, 0, 0}}};
      if (is_mark) {
        location.mapping.reset();
        location.type = profile::FrameType::kTruncated;
      }
      stack.push_back(b.AddLocation(std::move(location)));
    }
    const std::vector<profile::AttributeIndex> process{b.AddAttribute("process.pid", sample.pid),
                                                       b.AddAttribute("process.executable.name", sample.process)};
    const std::vector<profile::AttributeIndex> thread{
        b.AddAttribute("thread.id", sample.tid == 0 ? sample.pid : sample.tid),
        b.AddAttribute("thread.name", sample.tid == 0 ? sample.process : fmt::format("worker-{}", sample.tid))};
    b.AddSample({b.AddStack(std::move(stack)), b.AddAttributeSet(process), b.AddAttributeSet(thread), std::nullopt},
                {{sample.count}});
  }
  return {.profile = std::move(b).Finish(),
          .frequency_hz = 100,
          .lost = 0,
          .online_cpus = 2,
          .own_cpu_percent = 1.25,
          .host = "box",
          .target = "",
          .note = ""};
}

// Two processes that share a function, kernel frames, a cut stack: 200 samples, of which 199 are whole.
inline TopInterval ExampleInterval() {
  return IntervalOf({{{"add", "work", "main"}, 99, 42, "app"},
                     {{"k:read", "load", "main"}, 50, 42, "app", 77},
                     {{"add", "main"}, 30, 43, "other"},
                     {{"k:idle_work"}, 20, 2, "kworker"},
                     {{"add", "cut:[truncated: no table]"}, 1, 42, "app"}});
}

}  // namespace kiln::agent
