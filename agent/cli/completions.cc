// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/completions.h"

#include <fmt/format.h>

namespace kiln::agent {
namespace {

std::string Join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Escapes `characters` of `text` by a backslash.
std::string Escape(std::string_view text, std::string_view characters) {
  std::string result;
  for (const char c : text) {
    if (characters.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

// For text inside '…' of a POSIX shell.
std::string QuoteForShell(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result;
}

std::vector<std::string> Spellings(const OptionModel& option) {
  std::vector<std::string> names;
  if (!option.short_name.empty()) names.push_back("-" + option.short_name);
  if (!option.long_name.empty()) names.push_back("--" + option.long_name);
  return names;
}

std::string BashWords(const std::string& value, const std::vector<std::string>& choices) {
  if (!choices.empty()) return fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", Join(choices));
  if (value == "FILE") return "COMPREPLY=($(compgen -f -- \"$cur\"))";
  if (value == "FOLDER") return "COMPREPLY=($(compgen -d -- \"$cur\"))";
  if (value == "PID") return "COMPREPLY=($(compgen -W \"$(cd /proc && echo [0-9]*)\" -- \"$cur\"))";
  return "COMPREPLY=()";
}

// All options of one command, those of the program included.
std::vector<OptionModel> OptionsOf(const ProgramModel& model, const CommandModel& command) {
  std::vector<OptionModel> options = command.options;
  for (const OptionModel& option : model.program.options) {
    if (option.long_name != "help" && option.long_name != "version") options.push_back(option);
  }
  return options;
}

std::string BashCommand(const ProgramModel& model, const CommandModel& command) {
  std::string text = fmt::format("    {})\n", command.name);
  std::vector<std::string> all;
  std::string values;
  for (const OptionModel& option : OptionsOf(model, command)) {
    const auto names = Spellings(option);
    all.insert(all.end(), names.begin(), names.end());
    if (option.value.empty()) continue;
    std::string pattern;
    for (const std::string& name : names) pattern += (pattern.empty() ? "" : "|") + name;
    values += fmt::format("        {}) {}; return ;;\n", pattern, BashWords(option.value, option.Choices()));
  }
  if (!values.empty()) text += "      case $prev in\n" + values + "      esac\n";
  text += fmt::format("      if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return; fi\n",
                      Join(all));
  if (!command.positionals.empty() && !command.positionals.front().is_command()) {
    const PositionalModel& first = command.positionals.front();
    text += fmt::format("      {}\n", BashWords(first.value, first.Choices()));
  }
  return text + "      ;;\n";
}

std::string Bash(const ProgramModel& model) {
  std::vector<std::string> names;
  for (const CommandModel& command : model.commands) names.push_back(command.name);
  std::string text = fmt::format(R"(# bash completion of kiln
_kiln() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command='' i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ ${{COMP_WORDS[i]}} == -- ]]; then
      if declare -F _command_offset >/dev/null; then _command_offset $((i + 1))
      elif ((COMP_CWORD == i + 1)); then COMPREPLY=($(compgen -c -- "$cur"))
      else COMPREPLY=($(compgen -f -- "$cur")); fi
      return
    fi
    if [[ -z $command && ${{COMP_WORDS[i]}} != -* ]]; then command=${{COMP_WORDS[i]}}; fi
  done
  case $command in
    '')
      COMPREPLY=($(compgen -W '{}' -- "$cur"))
      ;;
)",
                                 Join(names) + " --help --version --verbose");
  for (const CommandModel& command : model.commands) text += BashCommand(model, command);
  return text + "  esac\n}\ncomplete -o filenames -F _kiln kiln\n";
}

std::string ZshAction(const std::string& value, const std::vector<std::string>& choices) {
  if (!choices.empty()) return "(" + Join(choices) + ")";
  if (value == "FILE") return "_files";
  if (value == "FOLDER") return "_files -/";
  if (value == "PID") return "_pids";
  return " ";
}

std::string Zsh(const ProgramModel& model) {
  std::string text = "#compdef kiln\n\n_kiln() {\n  local -a commands=(\n";
  for (const CommandModel& command : model.commands) {
    text += fmt::format("    '{}:{}'\n", command.name, QuoteForShell(Escape(command.description, ":")));
  }
  text +=
      "  )\n"
      "  if ((CURRENT == 2)); then\n"
      "    _describe -t commands 'kiln command' commands\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  ((CURRENT--))\n"
      "  case $command in\n";
  for (const CommandModel& command : model.commands) {
    text += fmt::format("    {})\n      _arguments -s -S", command.name);
    for (const OptionModel& option : OptionsOf(model, command)) {
      const std::string about = QuoteForShell(Escape(option.description, "[]:\\"));
      const std::string action = option.value.empty() ? ""
                                                      : fmt::format(":{}:{}", Escape(option.value, ":"),
                                                                    ZshAction(option.value, option.Choices()));
      for (const std::string& name : Spellings(option)) {
        text += fmt::format(" \\\n        '*{}[{}]{}'", name, about, action);
      }
    }
    for (const PositionalModel& positional : command.positionals) {
      text += positional.is_command() ? std::string(" \\\n        '*::command:_normal'")
                                      : fmt::format(" \\\n        '{}:{}:{}'", positional.repeated ? "*" : "",
                                                    positional.name, ZshAction(positional.value, positional.Choices()));
    }
    text += "\n      ;;\n";
  }
  return text + "  esac\n}\n\nif [[ $funcstack[1] == _kiln ]]; then _kiln \"$@\"; else compdef _kiln kiln; fi\n";
}

std::string FishArgument(const std::string& value, const std::vector<std::string>& choices) {
  if (!choices.empty()) return fmt::format(" -x -a '{}'", Join(choices));
  if (value == "FILE") return " -r -F";
  if (value == "FOLDER") return " -x -a '(__fish_complete_directories)'";
  if (value == "PID") return " -x -a '(__fish_complete_pids)'";
  return " -x";
}

std::string Fish(const ProgramModel& model) {
  std::string text = R"(# fish completion of kiln
function __kiln_command
  set -l words (commandline -opc) (commandline -ct)
  set -l first (math (contains -i -- -- $words) + 1)
  complete -C (string join ' ' -- $words[$first..-1])
end
complete -c kiln -f
)";
  for (const CommandModel& command : model.commands) {
    text += fmt::format("complete -c kiln -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                        Escape(command.description, "'\\"));
  }
  for (const CommandModel& command : model.commands) {
    const std::string when = fmt::format("complete -c kiln -n '__fish_seen_subcommand_from {}'", command.name);
    for (const OptionModel& option : OptionsOf(model, command)) {
      text += when;
      if (!option.short_name.empty()) text += " -s " + option.short_name;
      if (!option.long_name.empty()) text += " -l " + option.long_name;
      if (!option.value.empty()) text += FishArgument(option.value, option.Choices());
      text += fmt::format(" -d '{}'\n", Escape(option.description, "'\\"));
    }
    if (command.positionals.empty()) continue;
    const PositionalModel& first = command.positionals.front();
    if (first.is_command()) {
      text +=
          "complete -c kiln -n '__fish_seen_subcommand_from record; and contains -- -- (commandline -opc)' -x "
          "-a '(__kiln_command)'\n";
    } else if (!first.Choices().empty()) {
      text += when + fmt::format(" -a '{}'\n", Join(first.Choices()));
    } else if (first.value == "FILE") {
      text += when + " -F\n";
    }
  }
  return text;
}

}  // namespace

StatusOr<std::string> RenderCompletions(const ProgramModel& model, std::string_view shell) {
  if (shell == "bash") return Bash(model);
  if (shell == "zsh") return Zsh(model);
  if (shell == "fish") return Fish(model);
  return Error(absl::StatusCode::kInvalidArgument, "SHELL is '{}': give bash, zsh or fish", shell);
}

}  // namespace kiln::agent
