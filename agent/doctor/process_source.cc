// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/process_source.h"

#include <sys/stat.h>

#include "agent/process/jit_files.h"
#include "agent/process/live_system.h"
#include "symbolizer/jitdump.h"
#include "symbolizer/perf_map.h"

namespace kiln::agent {
namespace {

StatusOr<size_t> FunctionsIn(const JitFile& file) {
  if (file.kind == JitFile::Kind::kPerfMap) {
    KILN_ASSIGN_OR_RETURN(const auto map, symbolizer::PerfMap::Read(*file.file));
    return map.size();
  }
  KILN_ASSIGN_OR_RETURN(const auto dump, symbolizer::JitDump::Read(*file.file));
  if (dump.pid().value != 0 && dump.pid() != file.writer) {
    return Error(absl::StatusCode::kInvalidArgument, "it tells of process {}", dump.pid().value);
  }
  return dump.size();
}

}  // namespace

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

GeneratedNames LiveProcessSource::NamesOfGeneratedCode() {
  if (auto mappings = Mappings(); mappings.ok()) {
    process_.mappings = std::make_shared<MappingTable>(*std::move(mappings));
  }
  JitFiles found;
  FindJitFiles(process_, {process_.pid}, found);
  GeneratedNames names;
  if (found.miss != symbolizer::Miss::kNoPerfMap) names.sentence = symbolizer::MissName(found.miss);
  for (const JitFile& file : found.files) {
    const StatusOr<size_t> functions = FunctionsIn(file);
    names.origin += fmt::format("{}{}", names.origin.empty() ? "" : " and ",
                                file.kind == JitFile::Kind::kJitDump ? "jitdump" : "perf map");
    if (functions.ok()) {
      names.functions += *functions;
    } else if (names.sentence.empty()) {
      names.sentence = fmt::format("{} can't be used: {}", file.path, Message(functions.status()));
    }
  }
  return names;
}

}  // namespace kiln::agent
