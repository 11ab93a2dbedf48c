// SPDX-License-Identifier: Apache-2.0
// Writes the pages that the browser test opens: make_pages DIRECTORY
//   example.html  profile::ExampleProfile, whose shares are known
//   host.html     a host under mixed load
//   large.html    20 000 distinct stacks, 40 frames deep
//   hostile.html  names made to break out of the page
//   empty.html    no samples
#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "base/file.h"
#include "profile/testing.h"
#include "tests/browser/synthetic.h"
#include "viewer/html.h"

namespace kiln::testing {
namespace {

using profile::Profile;
using profile::ProfileBuilder;

Profile EmptyProfile() {
  ProfileBuilder b;
  b.SetSampleTypes({b.Type("samples", "count")});
  b.SetPeriod(b.Type("cpu", "nanoseconds"), 10'101'010);
  b.SetTime(1'700'000'000'000'000'000, 10'000'000'000);
  b.SetProperties(b.AddAttributeSet(std::vector{b.AddAttribute("kiln.command", "sleep 10")}));
  return std::move(b).Finish();
}

Profile HostileProfile() {
  ProfileBuilder b;
  const std::string_view text = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>{{DATA}}";
  b.SetSampleTypes({b.Type("samples", "count")});
  const auto mapping = b.AddMapping({0, 0, 0, b.String(text), b.String(text)});
  const auto function = b.AddFunction({b.String(text), b.String(text), b.String(text), 1});
  const auto at = b.AddLocation({mapping, 1, profile::FrameType::kNative, {{function, 1, 1}}});
  for (const int64_t pid : {1, 2}) {
    const auto process = b.AddAttributeSet(
        std::vector{b.AddAttribute("process.pid", pid), b.AddAttribute("process.executable.name", text)});
    const auto thread = b.AddAttributeSet(std::vector{b.AddAttribute("thread.name", text)});
    b.AddSample({b.AddStack({at}), process, thread, std::nullopt}, {{5}});
  }
  b.SetProperties(b.AddAttributeSet(std::vector{b.AddAttribute("kiln.command", text), b.AddAttribute(text, text)}));
  return std::move(b).Finish();
}

Status Write(const std::string& path, const Profile& profile) {
  KILN_RETURN_IF_ERROR(WriteFileAtomically(path, viewer::RenderHtml(profile)));
  fmt::print("{}: {} distinct stacks, {} samples\n", path, profile.stacks.size(), profile.samples.size());
  return absl::OkStatus();
}

Status WriteAll(const std::string& directory) {
  KILN_RETURN_IF_ERROR(Write(directory + "/example.html", profile::ExampleProfile()));
  KILN_RETURN_IF_ERROR(Write(directory + "/host.html", SyntheticProfile({})));
  KILN_RETURN_IF_ERROR(Write(directory + "/large.html", SyntheticProfile({.stacks = 24'000, .depth = 52, .seed = 2})));
  KILN_RETURN_IF_ERROR(Write(directory + "/hostile.html", HostileProfile()));
  return Write(directory + "/empty.html", EmptyProfile());
}

}  // namespace
}  // namespace kiln::testing

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make_pages DIRECTORY\n");
    return 64;
  }
  if (const kiln::Status status = kiln::testing::WriteAll(argv[1]); !status.ok()) {
    fmt::print(stderr, "make_pages: {}\n", kiln::Message(status));
    return 1;
  }
  return 0;
}
