# SPDX-License-Identifier: Apache-2.0
# cmake -DOUTPUT=FILE -DINPUTS=FILE;… -P table_format.cmake: writes the definition of kTableFormat (table_file_format.h),
# the first 64 bits of a SHA-256 over the inputs in the order of their names.
list(SORT INPUTS COMPARE FILE_BASENAME)
foreach(input ${INPUTS})
  file(SHA256 ${input} hash)
  string(APPEND hashes ${hash})
endforeach()
string(SHA256 hash "${hashes}")
string(SUBSTRING ${hash} 0 16 number)
file(WRITE ${OUTPUT} "// SPDX-License-Identifier: Apache-2.0
#include \"agent/unwind/table_file_format.h\"

namespace kiln::agent {
const uint64_t kTableFormat = 0x${number};
}  // namespace kiln::agent
")
