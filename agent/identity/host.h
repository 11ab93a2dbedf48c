// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <string>
#include <string_view>

#include "agent/identity/attribute.h"

namespace kiln::agent::identity {

struct HostOptions {
  // Where the host's root is mounted: kiln in a container sees its own /etc. "/host" or the like there.
  std::string root = "/";
  std::string name;  // host.name; empty = as the system says
  bool id = true;    // host.id: the machine id is confidential in some places (machine-id(5))
};

// host.name, host.id, host.arch, host.type, os.type, os.name, os.version, os.description, os.build_id, in this order,
// without those that cannot be told:
//   host.name         options.name, else ROOT/etc/hostname if the root is not "/", else the kernel's node name
//   host.id           ROOT/etc/machine-id or ROOT/var/lib/dbus/machine-id, if it is 32 hex digits
//   host.arch         the kernel's machine in the words of the conventions (amd64, arm64, …)
//   host.type         on Amazon EC2 the instance type, as the firmware says
//   os.name …         NAME, VERSION_ID, PRETTY_NAME of ROOT/etc/os-release or ROOT/usr/lib/os-release (os-release(5))
//   os.build_id       its BUILD_ID, else the kernel's release
// Never fails; reads files, so call it once.
Attributes ReadHostAttributes(const HostOptions& options);

// uname(2)'s machine in the words of host.arch; unknown ones as they are.
std::string HostArch(std::string_view machine);

// Assignments of an os-release text, quotes and escapes resolved.
absl::flat_hash_map<std::string, std::string> ParseOsRelease(std::string_view text);

}  // namespace kiln::agent::identity
