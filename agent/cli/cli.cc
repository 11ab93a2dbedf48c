// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/cli.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "agent/cli/arguments.h"
#include "agent/cli/command_model.h"
#include "agent/cli/commands.h"
#include "agent/cli/completions.h"
#include "agent/cli/exit_code.h"
#include "agent/cli/help.h"
#include "agent/cli/man_page.h"
#include "agent/cli/record_validation.h"
#include "agent/cli/symbolize_validation.h"
#include "agent/cli/top_validation.h"
#include "agent/cli/values.h"
#include "agent/doctor/doctor.h"

namespace kiln::agent {
namespace {

constexpr std::string_view kVersion = KILN_VERSION;

// Quiet unless asked: warnings and errors; -v adds what happens, -vv what is decided and why.
void SetUpLogging(int verbose) {
  auto logger = spdlog::get("kiln");
  if (!logger) logger = spdlog::stderr_color_mt("kiln");
  logger->set_pattern("kiln: %^%l%$: %v");
  logger->set_level(verbose <= 0 ? spdlog::level::warn : verbose == 1 ? spdlog::level::info : spdlog::level::debug);
  spdlog::set_default_logger(logger);
}

int PrintVersion() {
  fmt::print("kiln {}\n", kVersion);
  return 0;
}

// A word that fits no option and no argument of the command, with the nearest that would.
int FailOnUnknownWord(const ProgramModel& model, const std::string& command, const std::string& word) {
  const std::string who = command.empty() ? "kiln" : "kiln " + command;
  if (!word.starts_with("-")) {
    if (!command.empty()) {
      return Fail(who, ExitCode::kUsage,
                  fmt::format("'{}' is one argument too many: see kiln {} --help", word, command));
    }
    std::vector<std::string_view> names;
    for (const CommandModel& known : model.commands) names.push_back(known.name);
    const std::string_view closest = ClosestWord(word, names);
    const std::string mend = closest.empty() ? "kiln --help lists them" : fmt::format("did you mean {}?", closest);
    return Fail(who, ExitCode::kUsage, fmt::format("there is no command '{}': {}", word, mend));
  }
  const std::string name = word.substr(0, word.find('='));
  std::vector<std::string> options;
  for (const OptionModel& option : model.program.options) options.push_back("--" + option.long_name);
  for (const CommandModel& known : model.commands) {
    if (known.name != command) continue;
    for (const OptionModel& option : known.options) options.push_back("--" + option.long_name);
  }
  const std::string_view closest =
      name.starts_with("--") ? ClosestWord(name, {options.begin(), options.end()}) : std::string_view();
  const std::string mend =
      closest.empty() ? fmt::format("see {} --help", who) : fmt::format("did you mean {}?", closest);
  return Fail(who, ExitCode::kUsage, fmt::format("there is no option '{}': {}", name, mend));
}

// CLI11's complaint as one sentence of ours.
int FailOnParseError(const CLI::App& app, const CLI::ParseError& error) {
  const auto parsed = app.get_subcommands();
  const std::string who = parsed.empty() ? "kiln" : "kiln " + parsed.front()->get_name();
  std::string message = error.what();
  if (error.get_name() == "ArgumentMismatch") message = message.substr(0, message.find(':')) + " needs one value";
  if (error.get_name() == "RequiredError") message = message.substr(0, message.find(' ')) + " is missing";
  return Fail(who, ExitCode::kUsage, fmt::format("{}: see {} --help", message, who));
}

int PrintHelp(const ProgramModel& model, const std::string& command) {
  for (const CommandModel& known : model.commands) {
    if (known.name != command) continue;
    fmt::print("{}", RenderCommandHelp(model, known));
    return 0;
  }
  fmt::print("{}", RenderProgramHelp(model));
  return 0;
}

int PrintCompletions(const ProgramModel& model, const std::string& shell) {
  const auto script = RenderCompletions(model, shell);
  if (!script.ok()) return Fail("kiln completions", ExitCode::kUsage, Message(script.status()));
  fmt::print("{}", *script);
  return 0;
}

std::string DebuginfodUrls() {
  const char* urls = std::getenv("DEBUGINFOD_URLS");
  return urls == nullptr ? "" : urls;
}

int Record(const Arguments& arguments, const CommandLineHooks& hooks) {
  RecordArguments record = arguments.record;
  record.debuginfod_urls = DebuginfodUrls();
  auto validated = ValidateRecordOptions(record, arguments.verbose, HostEnvironment());
  if (const auto* failure = std::get_if<Failure>(&validated)) {
    return Fail("kiln record", failure->code, failure->sentence);
  }
  return hooks.record(std::get<RecordOptions>(validated));
}

int Top(const Arguments& arguments, const CommandLineHooks& hooks) {
  TopArguments top = arguments.top;
  top.debuginfod_urls = DebuginfodUrls();
  auto validated = ValidateTopOptions(top, "/proc");
  if (const auto* failure = std::get_if<Failure>(&validated)) return Fail("kiln top", failure->code, failure->sentence);
  return hooks.top(std::get<TopOptions>(validated));
}

int Symbolize(const Arguments& arguments, const CommandLineHooks& hooks) {
  auto validated = ValidateSymbolizeOptions(arguments.symbolize);
  if (const auto* failure = std::get_if<Failure>(&validated)) {
    return Fail("kiln symbolize", failure->code, failure->sentence);
  }
  return hooks.symbolize(std::get<SymbolizeOptions>(validated));
}

int Dispatch(const ProgramModel& model, const std::string& command, const Arguments& arguments,
             const CommandLineHooks& hooks) {
  if (arguments.version || command == "version") return PrintVersion();
  if (command == "record") return Record(arguments, hooks);
  if (command == "top") return Top(arguments, hooks);
  if (command == "agent") {
    return hooks.agent({.configs = arguments.agent.configs,
                        .validate = arguments.agent.validate,
                        .print_config = arguments.agent.print_config});
  }
  if (command == "symbolize") return Symbolize(arguments, hooks);
  if (command == "report") return RunReport(arguments.report);
  if (command == "convert") return RunConvert(arguments.convert);
  if (command == "view") return RunView(arguments.view);
  if (command == "doctor")
    return arguments.doctor.pid.empty() ? RunDoctor(arguments.doctor.json) : RunProcessDoctor(arguments.doctor);
  if (command == "completions") return PrintCompletions(model, arguments.shell);
  if (command == "man") {
    fmt::print("{}", RenderManPage(model, kVersion));
    return 0;
  }
  fmt::print("{}", RenderOverview(model));
  return 0;
}

}  // namespace

int RunCommandLine(int argc, const char* const* argv, const CommandLineHooks& hooks) {
  Arguments arguments;
  CLI::App app;
  DefineCommandLine(app, arguments);
  const ProgramModel model = DescribeCommandLine(app);

  // What follows "--" belongs to the command that is started and never reaches the parser.
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (arguments.record.has_separator) {
      arguments.record.command.push_back(word);
    } else if (word == "--") {
      arguments.record.has_separator = true;
    } else {
      words.push_back(word);
    }
  }

  std::string command;
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes the last word first
  } catch (const CLI::CallForHelp&) {
    const auto parsed = app.get_subcommands();
    return PrintHelp(model, parsed.empty() ? "" : parsed.front()->get_name());
  } catch (const CLI::ParseError& error) {
    return FailOnParseError(app, error);
  }
  if (const auto parsed = app.get_subcommands(); !parsed.empty()) command = parsed.front()->get_name();
  if (const auto unknown = app.remaining(true); !unknown.empty()) {
    return FailOnUnknownWord(model, command, unknown.front());
  }
  if (arguments.record.has_separator && command != "record") {
    return Fail("kiln", ExitCode::kUsage, "-- goes with record only: kiln record -- COMMAND");
  }
  SetUpLogging(arguments.verbose);
  return Dispatch(model, command, arguments, hooks);
}

}  // namespace kiln::agent
