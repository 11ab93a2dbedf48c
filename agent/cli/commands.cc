// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/commands.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <limits>
#include <string>

#include "agent/cli/exit_code.h"
#include "agent/cli/process_diagnosis_text.h"
#include "agent/cli/profile_files.h"
#include "agent/cli/report_summary.h"
#include "agent/cli/report_table.h"
#include "agent/cli/report_tree.h"
#include "agent/cli/terminal.h"
#include "agent/cli/values.h"
#include "agent/cli/view_server.h"
#include "base/file.h"
#include "viewer/html.h"

namespace kiln::agent {
namespace {

constexpr size_t kMaxPageBytes = size_t{1} << 30;

int Fail(std::string_view who, const Status& status) { return Fail(who, ExitCodeFor(status), Message(status)); }

// The page of a profile, or an .html file as it is.
StatusOr<std::string> LoadPage(const std::string& path) {
  if (path.ends_with(".html")) return ReadFile(path, kMaxPageBytes);
  KILN_ASSIGN_OR_RETURN(const profile::Profile profile, ReadProfileFile(path));
  return viewer::RenderHtml(profile);
}

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "this-host";
}

}  // namespace

int RunReport(const ReportArguments& arguments) {
  const auto top = ParseWholeNumber("--top", arguments.top, 1, 1'000'000);
  if (!top.ok()) return Fail("kiln report", top.status());
  const auto least = ParseNumber("--min-percent", arguments.min_percent, 0, 100);
  if (!least.ok()) return Fail("kiln report", least.status());
  const auto profile = ReadProfileFile(arguments.file);
  if (!profile.ok()) return Fail("kiln report", profile.status());

  const size_t width = TerminalWidth(STDOUT_FILENO);
  fmt::print("{}\n", RenderProfileSummary(*profile, width));
  if (arguments.tree) {
    fmt::print("{}", RenderCallTree(*profile, {.cut_off_percent = *least, .width = width}));
  } else {
    fmt::print("{}", RenderFunctionTable(*profile, {.rows = static_cast<size_t>(*top), .width = width}));
  }
  return 0;
}

int RunConvert(const ConvertArguments& arguments) {
  if (FormatOfPath(arguments.output) == nullptr) {
    return Fail("kiln convert", ExitCode::kUsage,
                fmt::format("OUT is '{}': end the name with one of {}", arguments.output, KnownSuffixes()));
  }
  const auto profile = ReadProfileFile(arguments.input);
  if (!profile.ok()) return Fail("kiln convert", profile.status());
  const Status written = WriteProfileFile(*profile, arguments.output);
  if (!written.ok()) return Fail("kiln convert", ExitCode::kCantCreate, Message(written));
  return 0;
}

int RunView(const ViewArguments& arguments) {
  if (arguments.no_serve && arguments.output.empty()) {
    return Fail("kiln view", ExitCode::kUsage, "--no-serve leaves nothing to do: name a file with -o page.html");
  }
  if (!arguments.output.empty() && !arguments.output.ends_with(".html")) {
    return Fail("kiln view", ExitCode::kUsage,
                fmt::format("--output is '{}': end the name with .html, or use kiln convert", arguments.output));
  }
  auto page = LoadPage(arguments.file);
  if (!page.ok()) return Fail("kiln view", page.status());
  if (!arguments.output.empty()) {
    const Status written = WriteFileAtomically(arguments.output, *page);
    if (!written.ok()) return Fail("kiln view", ExitCode::kCantCreate, Message(written));
    fmt::print("wrote {}\n", HarmlessText(arguments.output));
  }
  if (arguments.no_serve) return 0;

  auto server = ViewServer::Start(*std::move(page));
  if (!server.ok()) return Fail("kiln view", server.status());
  const int port = (*server)->port();
  fmt::print("{}\n", (*server)->url());
  fmt::print("Ctrl-C ends. From another machine: ssh -L {}:127.0.0.1:{} {}, then open the same address there.\n", port,
             port, HarmlessText(HostName()));
  std::fflush(stdout);
  (*server)->RunUntilSignal();
  return 0;
}

int RunProcessDoctor(const DoctorArguments& arguments) {
  const auto pid = ParseWholeNumber("--pid", arguments.pid, 1, std::numeric_limits<int32_t>::max());
  if (!pid.ok()) return Fail("kiln doctor", pid.status());
  const auto facts = ReadProcessFacts(Pid{static_cast<int32_t>(*pid)});
  if (!facts.ok()) return Fail("kiln doctor", facts.status());
  LiveProcessSource source(*facts);
  const auto diagnosis = DiagnoseProcess(*facts, source);
  if (!diagnosis.ok()) return Fail("kiln doctor", diagnosis.status());
  fmt::print("{}", arguments.json ? RenderProcessDiagnosisJson(*diagnosis) : RenderProcessDiagnosis(*diagnosis));
  return static_cast<int>(diagnosis->CanUnwind() ? ExitCode::kOk : ExitCode::kUnavailable);
}

}  // namespace kiln::agent
