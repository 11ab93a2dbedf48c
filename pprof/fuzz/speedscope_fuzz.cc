// SPDX-License-Identifier: Apache-2.0
// Whatever DecodeSpeedscope accepts is valid, and EncodeSpeedscope writes it so that it can be read again.
#include <cstdlib>

#include "pprof/speedscope.h"
#include "profile/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto profile = kiln::pprof::DecodeSpeedscope({reinterpret_cast<const char*>(data), size});
  if (!profile.ok()) return 0;
  if (!Validate(*profile).ok()) std::abort();
  if (!kiln::pprof::DecodeSpeedscope(kiln::pprof::EncodeSpeedscope(*profile)).ok()) std::abort();
  return 0;
}
