// SPDX-License-Identifier: Apache-2.0
// Machine code made at run time, in anonymous memory, named by a perf map as a JIT compiler would.
#pragma once

#include <cstdint>
#include <string>

namespace kiln::programs {

// A loop that counts its argument down to zero and keeps a frame pointer.
using JittedLoop = void (*)(uint64_t rounds);

// Maps the loop as read-only executable memory and writes "/tmp/perf-<getpid()>.map" that calls it `name`.
// Exits with a message on failure.
JittedLoop MakeJittedLoop(const std::string& name);

// Where MakeJittedLoop writes the map.
std::string PerfMapPath();

// Runs `loop` until the thread's CPU clock reads `until_ns`; returns what it then reads.
int64_t RunJitted(JittedLoop loop, int64_t until_ns);

}  // namespace kiln::programs
