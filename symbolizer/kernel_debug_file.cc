// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/kernel_debug_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <vector>

namespace kiln::symbolizer {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxModuleTreeDepth = 16;
constexpr std::string_view kModuleTrees[] = {"/lib/modules", "/usr/lib/modules"};

bool IsPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

// Whether a file of this name may be the module's. The kernel has '_' for each '-'.
bool IsNameOf(std::string_view module, std::string_view file) {
  if (file.ends_with(".debug")) file.remove_suffix(6);
  if (!file.ends_with(".ko")) return false;
  file.remove_suffix(3);
  return std::ranges::equal(file, module, [](char a, char b) { return (a == '-' ? '_' : a) == (b == '-' ? '_' : b); });
}

// Adds the files below `tree` that may be the module's, with `tree` taken for `shown`. Links are not followed.
void AddModuleFiles(const std::string& tree, std::string_view shown, std::string_view module,
                    std::set<std::string>& files) {
  std::error_code error;
  auto entry = fs::recursive_directory_iterator(tree, fs::directory_options::skip_permission_denied, error);
  for (int i = 0; !error && entry != fs::recursive_directory_iterator() && i < kMaxModuleTreeEntries; ++i) {
    if (entry.depth() >= kMaxModuleTreeDepth) entry.disable_recursion_pending();
    const std::string& path = entry->path().native();
    if (IsNameOf(module, std::string_view(path).substr(path.rfind('/') + 1))) {
      files.insert(fmt::format("{}{}", shown, std::string_view(path).substr(tree.size())));
    }
    entry.increment(error);
  }
}

void AddKernelPaths(const std::string& release, CodeByBuildId& code) {
  code.in_debug_folders = {fmt::format("/boot/vmlinux-{}", release),
                           fmt::format("/boot/vmlinux-{}.debug", release),
                           fmt::format("/lib/modules/{}/vmlinux", release),
                           fmt::format("/lib/modules/{}/vmlinux.debug", release),
                           fmt::format("/usr/lib/modules/{}/vmlinux", release),
                           fmt::format("/vmlinux-{}", release)};
  code.in_roots = {fmt::format("/lib/modules/{}/vmlinux", release),
                   fmt::format("/lib/modules/{}/build/vmlinux", release), fmt::format("/boot/vmlinux-{}", release)};
}

void AddModulePaths(const KernelImage& image, const DebugPlaces& places, CodeByBuildId& code) {
  std::set<std::string> in_debug_folders;
  std::set<std::string> in_roots;
  for (const std::string_view trees : kModuleTrees) {
    const std::string tree = fmt::format("{}/{}", trees, image.release);
    for (const std::string& folder : places.debug_folders) {
      AddModuleFiles(folder + tree, tree, image.module, in_debug_folders);
      AddModuleFiles(fmt::format("{}/usr/lib/debug{}", folder, tree), tree, image.module, in_debug_folders);
    }
    for (const std::string& root : places.roots) {
      AddModuleFiles(fmt::format("{}/usr/lib/debug{}", root, tree), tree, image.module, in_debug_folders);
    }
  }
  const std::string tree = fmt::format("{}/{}", kModuleTrees[0], image.release);
  for (const std::string& root : places.roots) AddModuleFiles(root + tree, tree, image.module, in_roots);
  code.in_debug_folders.assign(in_debug_folders.begin(), in_debug_folders.end());
  code.in_roots.assign(in_roots.begin(), in_roots.end());
}

}  // namespace

DebugSearch FindKernelDebugFile(const KernelImage& image, const DebugPlaces& places) {
  CodeByBuildId code{.build_id = image.build_id};
  if (image.module.empty()) {
    if (IsPlainName(image.release)) AddKernelPaths(image.release, code);
    return FindDebugFileByBuildId(code, places);
  }
  DebugSearch by_id = FindDebugFileByBuildId(code, places);
  if (by_id.file || by_id.miss == DebugMiss::kNothingToGoBy) return by_id;
  if (!IsPlainName(image.release) || !IsPlainName(image.module)) return by_id;
  AddModulePaths(image, places, code);
  return FindDebugFileByBuildId(code, places);
}

}  // namespace kiln::symbolizer
