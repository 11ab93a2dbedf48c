// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/process_source.h"

#include <sys/stat.h>

#include "agent/process/live_system.h"
#include "agent/process/perf_map_file.h"
#include "symbolizer/perf_map.h"

namespace kiln::agent {

LiveProcessSource::LiveProcessSource(const ProcessFacts& facts)
    : process_{.id = ImageId{0},
               .pid = facts.pid,
               .namespaced_pid = facts.namespaced_pid,
               .mount_namespace = facts.mount_namespace} {}

StatusOr<std::vector<Mapping>> LiveProcessSource::Mappings() { return LiveProcessSystem().ReadMaps(process_.pid); }

const ObjectFile& LiveProcessSource::Object(const Mapping& mapping) {
  return objects_.object(objects_.Find(process_, mapping, [this] { return std::vector{process_.pid}; }));
}

bool LiveProcessSource::IsOnDisk(const Mapping& mapping) {
  struct stat info {};
  const std::string path = fmt::format("/proc/{}/root{}", process_.pid.value, mapping.path);
  return ::stat(path.c_str(), &info) == 0 && info.st_ino == mapping.inode;
}

DebugFilePlaces LiveProcessSource::DebugPlaces(const Mapping& mapping) {
  return DebugFilePlacesOf(process_.pid.value, mapping.path);
}

std::optional<size_t> LiveProcessSource::PerfMapFunctions() {
  const std::shared_ptr<const File> file = FindPerfMap(process_, {process_.pid});
  if (file == nullptr) return std::nullopt;
  const auto map = symbolizer::PerfMap::Read(*file);
  return map.ok() ? std::optional(map->size()) : std::nullopt;
}

}  // namespace kiln::agent
