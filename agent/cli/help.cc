// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/help.h"

#include <fmt/format.h>

#include "agent/cli/profile_files.h"
#include "agent/cli/terminal.h"

namespace kiln::agent {
namespace {

constexpr size_t kWidth = 100;
constexpr size_t kIndent = 30;

// "  left            right", the right side broken into lines at spaces.
std::string Entry(std::string_view left, std::string_view right) {
  std::string text = fmt::format("  {}", left);
  size_t column = DisplayWidth(text);
  if (column + 2 > kIndent) {
    text += '\n';
    column = 0;
  }
  text.append(kIndent - column, ' ');
  column = kIndent;
  while (!right.empty()) {
    const std::string_view word = right.substr(0, right.find(' '));
    right.remove_prefix(std::min(right.size(), word.size() + 1));
    if (column + 1 + word.size() > kWidth) {
      text += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    } else if (column > kIndent) {
      text += ' ';
      ++column;
    }
    text += word;
    column += word.size();
  }
  return text + "\n";
}

std::string OptionEntries(const std::vector<OptionModel>& options) {
  std::string text;
  for (const OptionModel& option : options) {
    const std::string suffix = option.default_value.empty() ? "" : fmt::format(" (default {})", option.default_value);
    text += Entry((option.short_name.empty() ? "    " : "") + option.Synopsis(), option.description + suffix);
  }
  return text;
}

}  // namespace

std::string RenderOverview(const ProgramModel& model) {
  std::string text =
      "kiln: a profiler for everything that runs on a Linux host\n\n"
      "  sudo kiln record                  the whole host until Ctrl-C: a flame graph and a pprof file\n"
      "  sudo kiln record -- ./app         start a program and record it\n"
      "  sudo kiln record -p 1234 -d 10s   a running process for ten seconds\n"
      "  sudo kiln top                     what uses the CPU, live\n"
      "  kiln report app.pb.gz             the hottest functions of a file\n"
      "  kiln view app.pb.gz               its flame graph in the browser\n"
      "  sudo kiln doctor                  can this machine record, and if not, what mends it\n\n"
      "Commands:";
  for (const CommandModel& command : model.commands) text += " " + command.name;
  return text + "\nOptions of a command: kiln COMMAND --help. The manual: kiln man | man -l -\n";
}

std::string RenderProgramHelp(const ProgramModel& model) {
  std::string text = fmt::format("Usage: {}\n{}\n\nCommands:\n", model.program.Usage(), model.program.description);
  for (const CommandModel& command : model.commands) text += Entry(command.name, command.description);
  return text + "\nOptions of every command:\n" + OptionEntries(model.program.options);
}

std::string RenderCommandHelp(const ProgramModel& model, const CommandModel& command) {
  std::string text = fmt::format("Usage: {}\n{}\n", command.Usage(), command.description);
  if (!command.positionals.empty()) text += "\nArguments:\n";
  for (const PositionalModel& positional : command.positionals) text += Entry(positional.name, positional.description);
  text += "\nOptions:\n" + OptionEntries(command.options);
  for (const OptionModel& option : model.program.options) {
    if (option.long_name == "verbose") text += OptionEntries({option});
  }
  if (command.name == "record" || command.name == "convert") {
    text += "\nFormats by suffix:\n";
    for (const FileFormat& format : FileFormats()) text += Entry(format.suffix, format.description);
  }
  if (!command.examples.empty()) text += "\nExamples:\n";
  for (const std::string& example : command.examples) text += "  " + example + "\n";
  return text;
}

}  // namespace kiln::agent
