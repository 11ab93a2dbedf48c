// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/address.h"

namespace kiln::symbolizer {

// Code that one record of a table covers: an FDE, a Go function, a stretch that unwind rules were derived for.
struct CodeExtent {
  ElfAddress begin;
  ElfAddress end;  // exclusive
};

}  // namespace kiln::symbolizer
