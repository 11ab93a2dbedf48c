// SPDX-License-Identifier: Apache-2.0
// The command line as plain data, taken from the tree that the parser uses, for all that describes it to people and
// shells (help.h, man_page.h, completions.h).
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kiln::agent {

struct OptionModel {
  std::string short_name;  // without '-'; empty if there is none
  std::string long_name;   // without "--"; empty for positionals
  std::string value;       // FILE, HZ, "bash|zsh|fish"; empty for flags
  std::string description;
  std::string default_value;  // empty if there is none
  bool required = false;

  // The choices of `value`, empty if it is free text.
  std::vector<std::string> Choices() const;
  // "-o, --output FILE", "--json".
  std::string Synopsis() const;
};

struct PositionalModel {
  std::string name;
  std::string value;  // as in OptionModel
  std::string description;
  bool required = false;
  bool repeated = false;  // any number of them, none too

  std::vector<std::string> Choices() const;
  bool is_command() const { return name == "COMMAND"; }
};

struct CommandModel {
  std::string name;  // empty for kiln itself
  std::string description;
  std::vector<OptionModel> options{};  // --help included
  std::vector<PositionalModel> positionals{};
  std::vector<std::string> examples{};

  // "kiln record [OPTION]… [-- COMMAND…]".
  std::string Usage() const;
};

struct ProgramModel {
  CommandModel program;                  // its options are valid with every command
  std::vector<CommandModel> commands{};  // in the order of definition
};

// Reads the tree of DefineCommandLine.
ProgramModel DescribeCommandLine(const CLI::App& app);

}  // namespace kiln::agent
