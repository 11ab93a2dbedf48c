// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/man_page.h"

#include <fmt/format.h>

#include "agent/cli/exit_code.h"
#include "agent/cli/profile_files.h"
#include "agent/cli/top_help.h"

namespace kiln::agent {
namespace {

// Text that roff prints as it stands: '\' and '-' are special everywhere, '.' and '\'' at the start of a line.
std::string Roff(std::string_view text) {
  std::string result;
  if (text.starts_with('.') || text.starts_with('\'')) result = "\\&";
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      result += "\\e";
    } else if (text[i] == '-') {
      result += "\\-";
    } else if (text.substr(i).starts_with("…")) {
      result += "\\&...";
      i += std::string_view("…").size() - 1;
    } else {
      result += text[i];
    }
  }
  return result;
}

// A paragraph with a hanging tag.
std::string Tagged(std::string_view tag, std::string_view text) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}\n", Roff(tag), Roff(text));
}

std::string Options(const std::vector<OptionModel>& options, bool is_command) {
  std::string text;
  for (const OptionModel& option : options) {
    if (is_command && option.long_name == "help") continue;  // it stands among the options of every command
    const std::string suffix = option.default_value.empty() ? "" : fmt::format(" (default {})", option.default_value);
    text += Tagged(option.Synopsis(), option.description + suffix);
  }
  return text;
}

}  // namespace

std::string RenderManPage(const ProgramModel& model, std::string_view version) {
  std::string text = fmt::format(".TH KILN 1 \"\" \"kiln {}\" \"User Commands\"\n", Roff(version));
  text += ".SH NAME\nkiln \\- " + Roff("profile everything that runs on a Linux host") + "\n.SH SYNOPSIS\n";
  for (const CommandModel& command : model.commands) text += ".B " + Roff(command.Usage()) + "\n.br\n";
  text +=
      ".SH DESCRIPTION\n"
      "kiln samples the stacks of programs and the kernel by eBPF, names the frames and writes profiles and flame\n"
      "graphs. The programs need no preparation. Recording needs root, or the capabilities that\n.B kiln doctor\n"
      "lists.\n";
  text += ".SH COMMANDS\n";
  for (const CommandModel& command : model.commands) {
    text += fmt::format(".SS \"{}\"\n{}.\n", Roff(command.Usage()), Roff(command.description));
    for (const PositionalModel& positional : command.positionals) {
      text += Tagged(positional.name, positional.description);
    }
    text += Options(command.options, true);
  }
  text += ".SH \"OPTIONS OF EVERY COMMAND\"\n" + Options(model.program.options, false);
  text += ".SH FORMATS\nThe suffix of a file name chooses its format.\n";
  for (const FileFormat& format : FileFormats()) text += Tagged(format.suffix, format.description);
  text += ".SH \"EXIT STATUS\"\n";
  for (const ExitCodeMeaning& code : kExitCodes) {
    text += Tagged(fmt::format("{}", static_cast<int>(code.code)), code.meaning);
  }
  text += ".SH \"COLUMNS OF TOP\"\n";
  for (const TopHelpEntry& column : kTopColumns) text += Tagged(column.term, column.meaning);
  text += ".SH \"KEYS OF TOP\"\n";
  for (const TopHelpEntry& key : kTopKeys) text += Tagged(key.term, key.meaning);
  text +=
      ".SH SIGNALS\nThe first Ctrl\\-C ends a recording and writes the files, the second one gives up without them.\n";
  text += ".SH EXAMPLES\n.nf\n";
  for (const CommandModel& command : model.commands) {
    for (const std::string& example : command.examples) text += Roff(example) + "\n";
  }
  return text + ".fi\n";
}

}  // namespace kiln::agent
