// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "agent/cli/symbolize_options.h"
#include "agent/symbolize/address_namer.h"
#include "base/status.h"

namespace kiln::agent {

// Names addresses of options.exe. Errors name the file: kNotFound, kPermissionDenied …: it can't be opened; kDataLoss:
// it is damaged, no ELF file or none of the kinds that are read; kInvalidArgument: it has no such section.
StatusOr<std::unique_ptr<AddressNamer>> OpenFileNamer(const SymbolizeOptions& options);

}  // namespace kiln::agent
