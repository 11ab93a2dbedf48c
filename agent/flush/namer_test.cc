// SPDX-License-Identifier: Apache-2.0
#include "agent/flush/namer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "agent/process/maps.h"

namespace kiln::agent {
namespace {

using symbolizer::Miss;

// Names frames of this very test program.
class NamerTest : public ::testing::Test {
 protected:
  NamerTest() {
    const Process self{.pid = {::getpid()}};
    const ProcessAddress here(reinterpret_cast<uint64_t>(&ReadMaps));
    const auto mappings = ReadMaps(self.pid);
    for (const Mapping& mapping : *mappings) {
      if (here < mapping.start || mapping.end <= here) continue;
      id_ = files_.Find(self, mapping, [&] { return std::vector<Pid>{self.pid}; });
      const FileOffset offset(here.value() - mapping.start.value() + mapping.offset.value());
      address_ = files_.object(id_).elf->ToElfAddress(offset)->value();
    }
    window_.objects[id_] = files_.Share(id_);
  }
  Frame Own(uint64_t offset = 0) const { return {FrameSpace::kObject, id_.value, address_ + offset}; }
  std::string Name(Namer& namer, const Frame& frame) { return namer.Name(window_, frame).lines.front().name; }

  ObjectFiles files_;
  ObjectId id_{};
  uint64_t address_ = 0;
  Window window_;
};

TEST_F(NamerTest, FramesOfAWindowAreNamedAtOnceAndStayKnown) {
  Namer namer;
  window_.frames.Add(Own());
  window_.frames.Add(Own(1));
  namer.BeginWindow(window_);
  const size_t prepared = namer.memory_bytes();
  EXPECT_GT(prepared, 0u);
  const NamedFrame first = namer.Name(window_, Own());
  EXPECT_THAT(first.lines.front().name, testing::HasSubstr("ReadMaps"));
  EXPECT_EQ(first.miss, Miss::kNone);
  EXPECT_EQ(Name(namer, Own(1)), first.lines.front().name);
  namer.EndWindow(window_);
  namer.BeginWindow(window_);
  EXPECT_EQ(Name(namer, Own()), first.lines.front().name);
  EXPECT_EQ(namer.memory_bytes(), prepared);
}

TEST_F(NamerTest, WhatWasUsedLongestAgoIsForgottenFirst) {
  Namer namer(1);  // nothing may be kept
  namer.BeginWindow(window_);
  const std::string name = Name(namer, Own());
  EXPECT_GT(namer.memory_bytes(), 0u);
  namer.EndWindow(window_);
  EXPECT_EQ(namer.memory_bytes(), 0u);
  namer.BeginWindow(window_);
  EXPECT_EQ(Name(namer, Own()), name);
}

TEST_F(NamerTest, AFileThatIsMissingNowMayBeFoundInTheNextWindow) {
  Namer namer;
  const std::shared_ptr<const ObjectFile> file = window_.objects[id_];
  auto missing = std::make_shared<ObjectFile>();
  missing->path = "/gone";
  missing->miss = Miss::kNoFile;
  window_.objects[id_] = missing;
  namer.BeginWindow(window_);
  EXPECT_EQ(namer.Name(window_, Own()).miss, Miss::kNoFile);
  namer.EndWindow(window_);
  window_.objects[id_] = file;
  namer.BeginWindow(window_);
  EXPECT_THAT(Name(namer, Own()), testing::HasSubstr("ReadMaps"));
}

TEST_F(NamerTest, GeneratedCodeWithoutAPerfMapHasAStandIn) {
  Namer namer;
  window_.images[ImageId{7}] = {.pid = {1}};
  namer.BeginWindow(window_);
  const NamedFrame named = namer.Name(window_, {FrameSpace::kJit, 7, 0x1234});
  EXPECT_EQ(named.miss, Miss::kNoPerfMap);
  EXPECT_EQ(named.lines.front().name, "[jit+0x1234]");
}

}  // namespace
}  // namespace kiln::agent
