// SPDX-License-Identifier: Apache-2.0
// Whatever DecodePprof accepts is valid and survives another round through pprof.
#include <cstdlib>

#include "pprof/pprof.h"
#include "profile/dump.h"
#include "profile/validate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto profile = kiln::pprof::DecodePprof({reinterpret_cast<const char*>(data), size});
  if (!profile.ok()) return 0;
  if (!Validate(*profile).ok()) std::abort();
  const auto again = kiln::pprof::DecodePprof(kiln::pprof::EncodePprof(*profile));
  if (!again.ok() || Dump(*again) != Dump(*profile)) std::abort();
  return 0;
}
