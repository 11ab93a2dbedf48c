// SPDX-License-Identifier: Apache-2.0
// The texts of /proc/PID/cgroup and /proc/PID/mountinfo: whoever may make cgroups or mounts chooses names in them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/identity/cgroup_path.h"
#include "agent/identity/mount_facts.h"
#include "agent/identity/systemd_unit.h"

using namespace kiln::agent::identity;

namespace {

void Check(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const CgroupFacts facts = ParseCgroup(text);
  if (facts.hidden) Check(facts == CgroupFacts{});
  Check(facts.container_id.size() <= 255 && facts.systemd_unit.size() <= 255);
  Check(facts.pod_uid.empty() || facts.pod_uid == PodUid(facts.pod_uid));
  Check(facts.systemd_unit.empty() || IsServiceUnit(facts.systemd_unit));
  Check(facts.container_runtime.empty() || !facts.container_id.empty());
  for (const std::string& outer : facts.outer_container_ids) Check(!outer.empty());
  Check(ServiceNameOfUnit(text).size() <= 255);
  Check(UnescapeUnit(text).size() <= text.size());

  const MountFacts mounts = ParseMountInfo(text);
  Check(mounts.pod_uid.empty() || mounts.pod_uid == PodUid(mounts.pod_uid));
  Check(mounts.container_name.size() <= 253);
  Check(mounts.container_runtime.empty() || !mounts.container_id.empty());
  return 0;
}
