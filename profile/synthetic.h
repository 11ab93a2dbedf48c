// SPDX-License-Identifier: Apache-2.0
// Large profiles for tests and benchmarks.
#pragma once

#include <random>

#include "profile/builder.h"

namespace kiln::profile {

// A valid CPU profile with (at most) `samples` samples over some processes, threads and links, with deep and shared
// stacks, inlined functions, frames without names and texts that formats must escape. Equal arguments, equal profile.
inline Profile SyntheticProfile(size_t samples, uint32_t seed = 1) {
  std::mt19937 random(seed);
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % limit); };
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetPeriod(b.Type("cpu", "nanoseconds"), 1'003'009);
  b.SetTime(1'700'000'000'123'456'789, 30'000'000'000);
  const StringIndex none(0);
  std::vector<LocationIndex> locations;
  for (size_t m = 0; m < 24; ++m) {
    const bool kernel = m % 8 == 7;
    const bool jit = m % 8 == 6;
    const std::string file = kernel ? fmt::format("[module{}]", m)
                             : jit  ? fmt::format("/tmp/perf-{}.map", 1000 + m)
                                    : fmt::format("/usr/lib/libsynthetic {}.so.{}", m, m % 3);
    const uint64_t start = kernel ? 0xffffffff81000000 + (m << 20) : jit ? 0 : m << 16;
    const auto mapping = b.AddMapping({start, jit ? 0 : start + 0x100000, jit ? 0 : m << 12, b.String(file),
                                       b.String(kernel || jit ? "" : fmt::format("{:040x}", m * 7919 + 1))});
    const FrameType type = FrameTypeFromConvention(file, "");
    for (size_t i = 0; i < 40; ++i) {
      std::vector<Line> lines;
      for (size_t depth = i % 10 == 9 ? 0 : 1 + (i % 4 == 3 ? below(3) : 0); depth > 0; --depth) {
        const size_t number = m * 40 + below(40);
        const auto name = b.String(fmt::format("ns::f{}<\"a;b\\c\", é>\t({})", number, m));
        const bool has_file = !jit && number % 3 != 0;
        lines.push_back({b.AddFunction({name, number % 2 == 0 ? b.String(fmt::format("_Zf{}", number)) : none,
                                        has_file ? b.String(fmt::format("src/file{}.cc", number % 50)) : none,
                                        has_file ? static_cast<int64_t>(number) : 0}),
                         has_file ? static_cast<int64_t>(number + i) : 0, has_file ? static_cast<int64_t>(i % 80) : 0});
      }
      locations.push_back(b.AddLocation({mapping, start + 0x40 * i + 3, type, std::move(lines)}));
    }
  }
  const auto cut = b.AddFunction({b.String("[truncated: depth limit]"), none, none, 0});
  locations.push_back(b.AddLocation({std::nullopt, 0, FrameType::kTruncated, {{cut, 0, 0}}}));
  locations.push_back(b.AddLocation({std::nullopt, 0x12345, FrameType::kUnknown, {}}));
  for (size_t i = 0; i < samples; ++i) {
    std::vector<LocationIndex> stack;
    for (size_t depth = below(60); depth > 0; --depth) stack.push_back(locations[below(locations.size())]);
    const auto pid = static_cast<int64_t>(1000 + below(12));
    const auto tid = pid + static_cast<int64_t>(below(5));
    std::vector resource = {b.AddAttribute("process.pid", pid),
                            b.AddAttribute("process.executable.name", fmt::format("program \"{}\"", pid % 7)),
                            b.AddAttribute("service.name", fmt::format("service-{}", pid % 5))};
    if (pid % 4 == 0) resource.push_back(b.AddAttribute("container.id", fmt::format("{:064x}", pid)));
    std::vector attributes = {b.AddAttribute("thread.id", tid), b.AddAttribute("thread.name", fmt::format("t{}", tid))};
    if (tid % 3 == 0) attributes.push_back(b.AddAttribute("empty", ""));
    if (tid % 3 == 1) attributes.push_back(b.AddAttribute("zero", 0, "bytes"));
    std::optional<LinkIndex> link;
    if (i % 5 == 0) {
      Link content{};
      for (uint8_t& byte : content.trace_id) byte = static_cast<uint8_t>(1 + below(4));
      for (uint8_t& byte : content.span_id) byte = static_cast<uint8_t>(1 + below(2));
      link = b.AddLink(content);
    }
    b.AddSample({b.AddStack(std::move(stack)), b.AddAttributeSet(resource), b.AddAttributeSet(attributes), link},
                {{static_cast<int64_t>(1 + below(1000))}});
  }
  b.SetProperties(
      b.AddAttributeSet(std::vector{b.AddAttribute("kiln.samples.lost", 17), b.AddAttribute("kiln.version", "0.1.0")}));
  return std::move(b).Finish();
}

}  // namespace kiln::profile
