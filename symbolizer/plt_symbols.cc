// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/plt_symbols.h"

namespace kiln::symbolizer {

std::vector<PltStub> ReadPltStubs(const ElfFile&) { return {}; }

}  // namespace kiln::symbolizer
