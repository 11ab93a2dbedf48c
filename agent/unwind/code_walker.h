// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/process/maps.h"
#include "agent/process/object_files.h"
#include "bpf/unwind_table.h"
#include "bpf/wire.h"

namespace kiln::agent {

// How the frames of a mapping's code are walked.
struct CodeWalker {
  kiln_walker walker = KILN_WALKER_NONE;  // NONE, TABLE or FRAME_POINTER
  kiln_stop stop = KILN_STOP_ROOT;        // of NONE: why a walk ends there
  ElfAddress address{};                   // of TABLE: of the mapping's first byte; may wrap around
};

// Whether a file (or the vDSO) is behind the mapping. What isn't so is generated code.
bool HasObject(const Mapping& mapping);

// `object` is what is behind the mapping; nullptr if nothing is.
CodeWalker ChooseWalker(const Mapping& mapping, const ObjectFile* object);

}  // namespace kiln::agent
