// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/command_model.h"

#include <CLI/CLI.hpp>

namespace kiln::agent {
namespace {

std::vector<std::string> SplitAt(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t from = 0;
  for (;;) {
    const size_t to = text.find(separator, from);
    if (to > from) parts.push_back(text.substr(from, to == std::string::npos ? to : to - from));
    if (to == std::string::npos) return parts;
    from = to + 1;
  }
}

std::vector<std::string> ChoicesOf(const std::string& value) {
  return value.find('|') == std::string::npos ? std::vector<std::string>() : SplitAt(value, '|');
}

CommandModel Describe(const CLI::App& app, bool is_program) {
  CommandModel command{.name = is_program ? "" : app.get_name(), .description = app.get_description()};
  for (const CLI::Option* option : app.get_options()) {
    const bool is_flag = option->get_items_expected_max() == 0;
    if (option->get_positional()) {
      command.positionals.push_back({.name = option->get_name(true),
                                     .value = option->get_type_name(),
                                     .description = option->get_description(),
                                     .required = option->get_required(),
                                     .repeated = option->get_items_expected_max() > 1});
      continue;
    }
    command.options.push_back({.short_name = option->get_snames().empty() ? "" : option->get_snames().front(),
                               .long_name = option->get_lnames().empty() ? "" : option->get_lnames().front(),
                               .value = is_flag ? "" : option->get_type_name(),
                               .description = option->get_description(),
                               .default_value = is_flag ? "" : option->get_default_str(),
                               .required = option->get_required()});
  }
  command.examples = SplitAt(app.get_footer(), '\n');
  return command;
}

}  // namespace

std::vector<std::string> OptionModel::Choices() const { return ChoicesOf(value); }
std::vector<std::string> PositionalModel::Choices() const { return ChoicesOf(value); }

std::string OptionModel::Synopsis() const {
  std::string text = short_name.empty() ? "" : "-" + short_name;
  if (!long_name.empty()) text += (text.empty() ? "--" : ", --") + long_name;
  return value.empty() ? text : text + " " + value;
}

std::string CommandModel::Usage() const {
  if (name.empty()) return "kiln COMMAND [OPTION]…";
  std::string text = "kiln " + name + " [OPTION]…";
  for (const PositionalModel& positional : positionals) {
    const auto choices = positional.Choices();
    const std::string shown = choices.empty() ? positional.name : positional.value;
    if (positional.is_command()) {
      text += " [-- COMMAND [ARGUMENT]…]";
    } else {
      text += positional.repeated ? " [" + shown + "]…" : " " + shown;
    }
  }
  return text;
}

ProgramModel DescribeCommandLine(const CLI::App& app) {
  ProgramModel model{.program = Describe(app, true)};
  for (const CLI::App* command : app.get_subcommands({})) model.commands.push_back(Describe(*command, false));
  return model;
}

}  // namespace kiln::agent
