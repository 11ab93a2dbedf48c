// SPDX-License-Identifier: Apache-2.0
// Texts that others write and the agent reads or shows: cgroup files, request lines, names of processes. The first byte
// chooses.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/telemetry/cgroup_limits.h"
#include "agent/telemetry/log_line.h"
#include "agent/telemetry/text.h"
#include "base/net/http_server.h"
#include "profile/utf8.h"

namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

void Cgroups(std::string_view text) {
  const size_t half = text.size() / 2;
  for (const std::string_view controller : {std::string_view(), std::string_view("cpu"), text.substr(0, half)}) {
    (void)kiln::agent::FindCgroupMount(text, controller);
    const auto path = kiln::agent::FindCgroupPath(text, controller);
    Require(!path || path->starts_with('/'));
  }
  const auto cpus = kiln::agent::ParseCpuMax(text);
  Require(!cpus || *cpus > 0);
}

void Requests(std::string_view text) {
  (void)kiln::IsLoopbackHost(text);
  (void)kiln::AcceptsGzip(text);
  const auto address = kiln::ParseListenAddress(text);
  Require(!address.ok() || (address->second >= 0 && address->second <= 65535));
  const kiln::HttpServerRequest request{.query = std::string(text)};
  (void)request.QueryParameter("format");
}

void Names(std::string_view text) {
  const std::string visible = kiln::agent::VisibleText(text);
  Require(kiln::profile::IsValidUtf8(visible));
  for (const char c : visible) Require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
  for (const char c : kiln::agent::HtmlText(text)) Require(c != '<' && c != '>' && c != '"' && c != '\'');
  const kiln::agent::LogRecord record{
      .time = absl::UnixEpoch(), .event = text, .message = text, .fields = {{std::string(text), std::string(text)}}};
  for (const std::string& line : {RenderLogText(record, true), RenderLogJson(record)}) {
    Require(line.find('\n') == std::string::npos && kiln::profile::IsValidUtf8(line));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: Cgroups(text); break;
    case 1: Requests(text); break;
    case 2: Names(text); break;
  }
  return 0;
}
