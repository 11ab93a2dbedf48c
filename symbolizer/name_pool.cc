// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/name_pool.h"

namespace kiln::symbolizer {

uint32_t NamePool::Add(std::string_view name) {
  if (name.empty() || name.size() >= UINT32_MAX - bytes_.size() || name.find('\0') != std::string_view::npos) return 0;
  const auto offset = static_cast<uint32_t>(bytes_.size());
  bytes_.append(name);
  bytes_.push_back('\0');
  return offset;
}

uint32_t NameCopier::Add(uint64_t offset, std::string_view name) {
  const uint32_t at = pool_.Add(name);
  if (at != 0) {
    last_start_ = offset;
    last_end_ = offset + name.size();
    last_at_ = at;
  }
  return at;
}

}  // namespace kiln::symbolizer
