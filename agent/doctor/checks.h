// SPDX-License-Identifier: Apache-2.0
// What kiln needs of a machine, one function per need.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/doctor/system.h"

namespace kiln::agent {

enum class Health {
  kOk,
  kLimited,  // recording works, with less: the sentence says with what
  kFailed,   // recording cannot work
};

struct Finding {
  Health health = Health::kOk;
  std::string sentence{};  // what was found; for kLimited and kFailed what breaks because of it
  std::string mend{};      // one shell command that mends it; empty if nothing is wrong or no command can
};

struct Check {
  std::string_view id;     // stable, for JSON
  std::string_view title;  // for people
  Finding (*run)(System&);
};

// All checks, in the order in which they should be mended.
std::span<const Check> AllChecks();

}  // namespace kiln::agent
