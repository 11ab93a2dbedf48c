// SPDX-License-Identifier: Apache-2.0
// write_samples DIR: writes the example profile and a larger synthetic one in every format, for checks by readers that
// share no code with kiln. `write_samples --golden DIR` writes the reviewed texts of the unit tests (run it from the
// root with DIR tests/formats/golden, then review the difference).
#include <cstdio>
#include <string>
#include <string_view>

#include "base/file.h"
#include "otlp/profiles.h"
#include "otlp/profiles_requests.h"
#include "pprof/folded.h"
#include "pprof/pprof.h"
#include "pprof/speedscope.h"
#include "profile/dump.h"
#include "profile/synthetic.h"
#include "profile/testing.h"

namespace {

bool failed = false;

void Write(const std::string& path, std::string_view content) {
  if (const kiln::Status status = kiln::WriteFileAtomically(path, content); !status.ok()) {
    std::fprintf(stderr, "write_samples: %s\n", std::string(kiln::Message(status)).c_str());
    failed = true;
  }
}

void WriteAll(const std::string& stem, const kiln::profile::Profile& profile) {
  Write(stem + ".pb.gz", kiln::pprof::EncodePprof(profile));
  Write(stem + ".folded", kiln::pprof::EncodeFolded(profile));
  Write(stem + ".speedscope.json", kiln::pprof::EncodeSpeedscope(profile));
  Write(stem + ".otlp", kiln::otlp::EncodeProfilesData(profile));
  kiln::otlp::RequestOptions limits;
  limits.max_bytes = 500'000;
  limits.max_samples = 4000;
  int part = 0;
  for (const auto& request : kiln::otlp::EncodeProfilesRequests(profile, limits)) {
    Write(stem + "-part" + std::to_string(part++) + ".otlp", request.bytes);
  }
}

// Two sample types, attributes of every kind, an empty mapping: what a recording of kiln itself does not have.
kiln::profile::Profile MixedProfile() {
  using namespace kiln::profile;
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("alloc_objects", "count"), b.Type("alloc_space", "bytes"), b.Type("idle", "count")});
  b.SetPeriod(b.Type("space", "bytes"), 524288);
  b.SetTime(1'700'000'000'000'000'000, 1'000'000'000);
  const StringIndex none(0);
  const auto mapping = b.AddMapping({0x1000, 0, 0, b.String("/bin/server"), none});
  const auto function = b.AddFunction({b.String("Allocate"), none, none, 0});
  const auto location = b.AddLocation({mapping, 0x1234, FrameType::kGo, {{function, 3, 0}}});
  const auto attributes = b.AddAttributeSet(
      std::vector{b.AddAttribute({b.String("yes"), true, none}), b.AddAttribute({b.String("ratio"), 0.25, none}),
                  b.AddAttribute("size", 64, "bytes"), b.AddAttribute("none", "")});
  const AttributeSetIndex resource(0);
  b.AddSample({b.AddStack({location, location}), resource, attributes, std::nullopt}, {{1, 64, 0}});
  b.AddSample({b.AddStack({location}), attributes, resource, b.AddLink({{1}, {2}})}, {{0, 7, 0}});
  b.AddSample({b.AddStack({}), resource, resource, std::nullopt}, {{0, 0, 0}});
  b.SetProperties(attributes);
  return std::move(b).Finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2) {
    const std::string folder = argv[1];
    WriteAll(folder + "/example", kiln::profile::ExampleProfile());
    WriteAll(folder + "/synthetic", kiln::profile::SyntheticProfile(20'000));
    WriteAll(folder + "/mixed", MixedProfile());
    kiln::profile::Profile empty = kiln::profile::SyntheticProfile(0);
    WriteAll(folder + "/empty", empty);
  } else if (argc == 3 && std::string_view(argv[1]) == "--golden") {
    const std::string stem = std::string(argv[2]) + "/example";
    const auto profile = kiln::profile::ExampleProfile();
    Write(stem + ".txt", kiln::profile::Dump(profile));
    Write(stem + ".folded", kiln::pprof::EncodeFolded(profile));
    Write(stem + ".speedscope.json", kiln::pprof::EncodeSpeedscope(profile));
  } else {
    std::fprintf(stderr, "usage: write_samples [--golden] DIR\n");
    return 2;
  }
  return failed ? 1 : 0;
}
