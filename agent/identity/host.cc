// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/host.h"

#include <sys/utsname.h>

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/root_folder.h"
#include "otlp/semconv.h"
#include "profile/utf8.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxFileBytes = 64 << 10;
constexpr size_t kMaxHostNameBytes = 253;

// The file `path` in the host's root, without white space at its end; empty if it can't be read. Symbolic links are
// the host's.
std::string ReadIn(const std::string& root, const std::string& path) {
  const auto file = OpenInRoot(root, path);
  if (!file.ok()) return "";
  // Files of /sys are shorter than they say they are.
  auto read = ReadFile(fmt::format("/proc/self/fd/{}", file->fd()), kMaxFileBytes);
  if (!read.ok()) return "";
  std::string text = *std::move(read);
  text.erase(text.find_last_not_of(" \t\r\n") + 1);
  return text;
}

std::string MachineId(const std::string& root) {
  for (const char* path : {"etc/machine-id", "var/lib/dbus/machine-id"}) {
    std::string id = ReadIn(root, path);
    const bool valid = id.size() == 32 &&
                       std::ranges::all_of(id, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (valid && id.find_first_not_of('0') != std::string::npos) return id;
  }
  return "";
}

std::string HostName(const HostOptions& options, const utsname& system) {
  if (!options.name.empty()) return options.name;
  if (options.root != "/") {
    std::string name = ReadIn(options.root, "etc/hostname");
    if (!name.empty() && name.size() <= kMaxHostNameBytes && name.find('\n') == std::string::npos) return name;
  }
  const std::string_view node = system.nodename;
  return node == "(none)" ? "" : std::string(node);
}

// On Nitro instances the product is the instance type; elsewhere it is a model that tells less than it costs.
std::string HostType(const std::string& root) {
  if (ReadIn(root, "sys/class/dmi/id/sys_vendor") != "Amazon EC2") return "";
  return ReadIn(root, "sys/class/dmi/id/product_name");
}

}  // namespace

std::string HostArch(std::string_view machine) {
  if (machine == "x86_64") return "amd64";
  if (machine == "aarch64" || machine == "aarch64_be" || machine == "arm64") return "arm64";
  if (machine.starts_with("arm")) return "arm32";
  if (machine.size() == 4 && machine.starts_with('i') && machine.ends_with("86")) return "x86";
  if (machine == "ppc64" || machine == "ppc64le") return "ppc64";
  if (machine == "ppc") return "ppc32";
  return std::string(machine);
}

absl::flat_hash_map<std::string, std::string> ParseOsRelease(std::string_view text) {
  absl::flat_hash_map<std::string, std::string> values;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t begin = line.find_first_not_of(" \t");
    const size_t equals = line.find('=');
    if (begin == std::string_view::npos || line[begin] == '#' || equals == std::string_view::npos) continue;
    const std::string_view key = line.substr(begin, equals - begin);
    std::string_view rest = line.substr(equals + 1);
    char quote = '\0';
    std::string value;
    for (size_t i = 0; i < rest.size(); ++i) {
      const char c = rest[i];
      if (c == '\r') continue;
      if (quote == '\0' && (c == '"' || c == '\'')) {
        quote = c;
      } else if (quote != '\0' && c == quote) {
        quote = '\0';
      } else if (c == '\\' && quote != '\'' && i + 1 < rest.size()) {
        value += rest[++i];
      } else if (quote == '\0' && (c == ' ' || c == '\t')) {
        break;
      } else {
        value += c;
      }
    }
    values[std::string(key)] = value;
  }
  return values;
}

Attributes ReadHostAttributes(const HostOptions& options) {
  utsname system{};
  ::uname(&system);
  std::string release = ReadIn(options.root, "etc/os-release");
  if (release.empty()) release = ReadIn(options.root, "usr/lib/os-release");
  auto os = ParseOsRelease(release);
  if (os["BUILD_ID"].empty()) os["BUILD_ID"] = system.release;

  Attributes attributes;
  const auto add = [&](std::string_view key, std::string_view value) {
    if (!value.empty()) attributes.push_back({.key = std::string(key), .value = profile::ToValidUtf8(value)});
  };
  add(otlp::kHostName, HostName(options, system));
  if (options.id) add(otlp::kHostId, MachineId(options.root));
  add(otlp::kHostArch, HostArch(system.machine));
  add(otlp::kHostType, HostType(options.root));
  add(otlp::kOsType, "linux");
  add(otlp::kOsName, os["NAME"]);
  add(otlp::kOsVersion, os["VERSION_ID"]);
  add(otlp::kOsDescription, os["PRETTY_NAME"]);
  add(otlp::kOsBuildId, os["BUILD_ID"]);
  return attributes;
}

}  // namespace kiln::agent::identity
