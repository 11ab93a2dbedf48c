// SPDX-License-Identifier: Apache-2.0
// The one definition of kiln's command line. Parsing, help, man page and shell completion all come from the tree that
// DefineCommandLine builds. Values stay text here; what they mean is checked later, each with a sentence of its own
// (record_validation.h, top_validation.h, commands.h).
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace kiln::agent {

// Of record and top alike.
struct SamplingArguments {
  std::vector<std::string> pids;  // each a pid or a comma list
  std::string comm;
  std::vector<std::string> cgroups;
  std::string frequency = "99";
  std::string duration;  // empty = none
  bool no_kernel = false;
  std::string unwind_memory = "64MiB";
  std::string unwind_cache;  // empty = the default
  bool no_debug_info = false;
  std::vector<std::string> debug_folders;
  std::string debug_info_cache;  // empty = the default
  std::string debug_info_memory = "512MiB";
  bool debuginfod = false;
  std::string debuginfod_urls;  // DEBUGINFOD_URLS of the environment
};

struct RecordArguments : SamplingArguments {
  bool all = false;
  std::string event = "cpu-clock";
  std::vector<std::string> outputs;
  std::string stats;                 // empty = none
  std::vector<std::string> stray;    // arguments that stood where no "--" was before them
  bool has_separator = false;        // "--" was there
  std::vector<std::string> command;  // what followed it
};

struct TopArguments : SamplingArguments {
  std::string interval;  // empty = 2s
  std::string sort = "self";
  std::string by = "function";
  bool tree = false;
  std::string lines;  // empty = what fits
  bool once = false;
  bool json = false;
};

struct ReportArguments {
  std::string file;
  std::string top = "15";
  bool tree = false;
  std::string min_percent = "1";
};

struct ConvertArguments {
  std::string input;
  std::string output;
};

struct ViewArguments {
  std::string file;
  std::string output;  // empty = none
  bool no_serve = false;
};

struct DoctorArguments {
  std::string pid;  // empty: this machine
  bool json = false;
};

struct SymbolizeArguments {
  std::string exe;  // empty = none
  std::string section;
  std::string pid;  // empty = none
  std::vector<std::string> addresses;
  bool json = false;
  bool no_inlines = false;
  bool no_demangle = false;
  bool return_addresses = false;
  std::vector<std::string> debug_folders;
  std::string root;  // empty = none
};

struct AgentArguments {
  std::vector<std::string> configs;
  bool validate = false;
  bool print_config = false;
};

struct Arguments {
  int verbose = 0;
  bool version = false;
  RecordArguments record;
  TopArguments top;
  ReportArguments report;
  ConvertArguments convert;
  ViewArguments view;
  DoctorArguments doctor;
  SymbolizeArguments symbolize;
  AgentArguments agent;
  std::string shell;  // of completions
};

// Fills `app` with the commands and options; parsing then writes to `arguments`, which must outlive the parse.
// Conventions that help, man page and completion rely on: an option's type name tells what its value is (FILE, FOLDER,
// PID, or the choices joined by '|'); a command's footer holds its examples, one a line; the positional COMMAND stands
// behind "--".
void DefineCommandLine(CLI::App& app, Arguments& arguments);

}  // namespace kiln::agent
