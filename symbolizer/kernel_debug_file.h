// SPDX-License-Identifier: Apache-2.0
// Finds the file with the debug information of the running kernel or of one of its modules, where distributions and
// kernel builds put them. First in the debug folders, which are laid out like /usr/lib/debug, then in the roots:
//
//   both           /usr/lib/debug/.build-id/xx/rest.debug
//   the kernel     below /usr/lib/debug: boot/vmlinux-RELEASE[.debug], lib/modules/RELEASE/vmlinux[.debug],
//                  usr/lib/modules/RELEASE/vmlinux, vmlinux-RELEASE; /lib/modules/RELEASE/vmlinux and build/vmlinux
//                  there, /boot/vmlinux-RELEASE
//   module "a_b"   a_b.ko or a-b.ko, perhaps with ".debug" behind, anywhere below /usr/lib/debug/lib/modules/RELEASE,
//                  /usr/lib/debug/usr/lib/modules/RELEASE and /lib/modules/RELEASE
//
// Whatever its path, a file counts only if it has the build id of what runs, and debug information.
#pragma once

#include <string>

#include "symbolizer/debug_file.h"

namespace kiln::symbolizer {

// Entries of a module tree that are looked at; distributions have some 8000.
inline constexpr int kMaxModuleTreeEntries = 128 * 1024;

struct KernelImage {
  std::string module = {};    // as in /sys/module; "" = the kernel proper
  std::string build_id = {};  // lower-case hex; "" = not known: nothing is found then
  std::string release = {};   // as uname -r; "" = not known: by the build id alone
  friend bool operator==(const KernelImage&, const KernelImage&) = default;
};

// Only `roots` and `debug_folders` of `places` count. Lists folders for a module that is not found by its build id.
DebugSearch FindKernelDebugFile(const KernelImage& image, const DebugPlaces& places);

}  // namespace kiln::symbolizer
