// SPDX-License-Identifier: Apache-2.0
// Whatever DecodeFolded accepts is valid, and what EncodeFolded makes of it reads back as the same text.
#include <cstdlib>

#include "pprof/folded.h"
#include "profile/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto profile = kiln::pprof::DecodeFolded({reinterpret_cast<const char*>(data), size});
  if (!profile.ok()) return 0;
  if (!Validate(*profile).ok()) std::abort();
  const std::string text = kiln::pprof::EncodeFolded(*profile);
  const auto again = kiln::pprof::DecodeFolded(text);
  if (!again.ok() || kiln::pprof::EncodeFolded(*again) != text) std::abort();
  return 0;
}
