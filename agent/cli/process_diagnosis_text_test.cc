// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/process_diagnosis_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace kiln::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

MappingDiagnosis WellMapping() {
  MappingDiagnosis mapping{.mapping = {.start = ProcessAddress(0x1000),
                                       .end = ProcessAddress(0x3000),
                                       .offset = FileOffset(0x1000),
                                       .path = "/bin/program"}};
  mapping.build_id = "00112233445566778899";
  mapping.walk.walker = KILN_WALKER_TABLE;
  mapping.walk.origins = {".eh_frame", "instructions"};
  mapping.walk.coverage = {.code = 0x2000, .cfi = 0x1800, .derived = 0x800, .rows = 1234, .table_bytes = 2048};
  mapping.names.origin = ".symtab";
  mapping.names.functions = 56789;
  return mapping;
}

ProcessDiagnosis Process() { return {.facts = {.pid = Pid{42}, .name = "program"}, .mappings = {WellMapping()}}; }

TEST(ProcessDiagnosisTextTest, HasALinePerMapping) {
  EXPECT_EQ(RenderProcessDiagnosis(Process()),
            "process 42 (program)\n"
            "\n"
            "STATE     CODE  CFI %  DERIVED %  UNCLEAR %  WITHOUT %   ROWS    TABLE  WALKED BY                "
            "NAMED BY          MAPPING\n"
            "OK     8.0 KiB  75.00      25.00       0.00       0.00  1,234  2.0 KiB  .eh_frame, instructions  "
            ".symtab (56,789)  1000-3000 /bin/program [001122334455]\n"
            "\n"
            "Stacks can be walked and named.\n");
}

TEST(ProcessDiagnosisTextTest, TellsWhatIsWrongAndWhatMendsIt) {
  ProcessDiagnosis process = Process();
  process.facts.other_mount_namespace = true;
  process.mappings.push_back(WellMapping());
  MappingDiagnosis& mapping = process.mappings.back();
  mapping.walk.health = Health::kFailed;
  mapping.walk.sentence = "no way";
  mapping.walk.issues = {{"page whose rows don't fit", 3}};
  mapping.names = {.health = Health::kLimited, .sentence = "stripped"};
  mapping.mend = "do this";
  const std::string text = RenderProcessDiagnosis(process);
  EXPECT_THAT(text, HasSubstr("in a mount namespace of its own"));
  EXPECT_THAT(text, HasSubstr("         walk: no way\n         left out: 3 × page whose rows don't fit\n"
                              "         names: stripped\n         mend: do this\n"));
  EXPECT_THAT(text, HasSubstr("Stacks are cut in 1 of 2 mappings; 1 of 2 mappings lack names.\n"));
  mapping.walk.health = Health::kLimited;
  EXPECT_THAT(RenderProcessDiagnosis(process),
              HasSubstr("Stacks can be walked, but for parts of 1 of 2 mappings; 1 of"));
}

TEST(ProcessDiagnosisTextTest, IsSafeToPrint) {
  ProcessDiagnosis process = Process();
  process.facts.name = "a\x1b[2J";
  process.mappings[0].mapping.path = "/b\n\x1b";
  process.mappings[0].walk.origins = {"\r"};
  process.mappings[0].walk.sentence = "\x1b";
  const std::string text = RenderProcessDiagnosis(process);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, Not(HasSubstr("\r")));
}

TEST(ProcessDiagnosisTextTest, WritesJson) {
  ProcessDiagnosis process = Process();
  process.mappings[0].mapping.path = "/b\xff";
  const auto json = nlohmann::json::parse(RenderProcessDiagnosisJson(process));
  EXPECT_EQ(json["pid"], 42);
  EXPECT_EQ(json["can_unwind"], true);
  const auto& mapping = json["mappings"][0];
  EXPECT_EQ(mapping["start"], "1000");
  EXPECT_EQ(mapping["health"], "ok");
  EXPECT_EQ(mapping["walk"]["method"], "table");
  EXPECT_EQ(mapping["walk"]["code_bytes"]["derived"], 0x800);
  EXPECT_EQ(mapping["names"]["functions"], 56789);
}

}  // namespace
}  // namespace kiln::agent
