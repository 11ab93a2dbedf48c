// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/flush/namer.h"
#include "agent/session/window.h"
#include "profile/profile.h"

namespace kiln::agent {

// What the profile says about itself besides its samples.
struct ProfileFacts {
  bool thread_id = true;
  bool thread_name = true;
  std::vector<std::pair<std::string, std::string>> texts;  // kiln.host, kiln.command …
  std::vector<std::pair<std::string, int64_t>> numbers;    // kiln.samples.lost …
};

// How well naming went, in samples' frames.
struct NamingCounts {
  int64_t frames = 0;                     // frames of all samples, marks of cut stacks not counted
  std::map<std::string, int64_t> missed;  // reason -> frames without a name
  // Of native code with a name, if debug information is wanted at all.
  int64_t native = 0;
  std::map<std::string, int64_t> without_lines;  // reason -> frames without file and line
};

// Stages 5 to 7 for one window: names what the aggregator counted and makes a Profile of it. Resource attributes: those
// of the process's identity (docs/resource-attributes.md) if somebody asked for it; else process.pid,
// process.executable.name (the name in /proc/PID/status), process.pid.namespaced where the process sees itself under
// another pid. Sample attributes: thread.id, thread.name as `facts` say.
profile::Profile MakeProfile(const Window& window, Namer& namer, const ProfileFacts& facts, NamingCounts& naming);

}  // namespace kiln::agent
