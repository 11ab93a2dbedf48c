// SPDX-License-Identifier: Apache-2.0
#include "agent/cli/arguments.h"

#include <CLI/CLI.hpp>

namespace kiln::agent {
namespace {

// One value per mention of the option; without this CLI11 would also take the words that follow.
void OneValueEach(CLI::Option* option) { option->allow_extra_args(false)->take_all(); }

// The options that record and top share. `verb` begins the descriptions: "Record".
void DefineTargets(CLI::App* command, SamplingArguments& to, const std::string& verb) {
  OneValueEach(
      command->add_option("-p,--pid", to.pids, verb + " this process and its children; repeat or join by commas")
          ->type_name("PID"));
  command
      ->add_option("--comm", to.comm,
                   verb +
                       " threads whose name, or whose process, matches this regular expression (RE2); with --pid or "
                       "--cgroup both must match")
      ->type_name("REGEX");
  OneValueEach(
      command->add_option("--cgroup", to.cgroups, verb + " this cgroup v2 folder and those below it; repeatable")
          ->type_name("FOLDER"));
}

void DefineFrequency(CLI::App* command, SamplingArguments& to) {
  command->add_option("-F,--frequency", to.frequency, "Samples per second and CPU, 1 to 10000")
      ->type_name("HZ")
      ->default_str("99");
}

void DefineDuration(CLI::App* command, SamplingArguments& to) {
  command->add_option("-d,--duration", to.duration, "How long: 10, 10s, 500ms, 2m, 1h; without it until Ctrl-C")
      ->type_name("TIME");
}

void DefineStacks(CLI::App* command, SamplingArguments& to) {
  command->add_flag("--no-kernel", to.no_kernel, "Leave kernel frames out");
  command->add_option("--unwind-memory", to.unwind_memory, "Memory for unwind tables: 4MiB to 1GiB")
      ->type_name("SIZE")
      ->default_str("64MiB");
  command
      ->add_option("--unwind-cache", to.unwind_cache,
                   "Folder that keeps compiled unwind tables, or none; without it /var/cache/kiln/unwind for root")
      ->type_name("FOLDER|none");
}

void DefineDebugInfo(CLI::App* command, SamplingArguments& to) {
  command->add_flag("--no-debug-info", to.no_debug_info, "Names alone: no files, lines and inlined functions");
  OneValueEach(command
                   ->add_option("--debug-dir", to.debug_folders,
                                "Folder with debug files, laid out like /usr/lib/debug; may be repeated")
                   ->type_name("FOLDER"));
  command
      ->add_option(
          "--debug-info-cache", to.debug_info_cache,
          "Folder that keeps what was read of debug information, or none; without it /var/cache/kiln/lines for root")
      ->type_name("FOLDER|none");
  command
      ->add_option("--debug-info-memory", to.debug_info_memory,
                   "Memory for reading debug information: 64MiB to 64GiB; files that need more have names alone")
      ->type_name("SIZE")
      ->default_str("512MiB");
  command->add_flag("--debuginfod", to.debuginfod,
                    "Ask the servers in DEBUGINFOD_URLS for debug files: they learn which programs run here");
}

void DefineRecord(CLI::App& app, RecordArguments& to) {
  CLI::App* record = app.add_subcommand("record", "Sample stacks and write profiles; without a target the whole host");
  DefineTargets(record, to, "Record");
  record->add_flag("-a,--all", to.all, "Record the whole host, also while a command runs (default without a target)");
  DefineFrequency(record, to);
  record->add_option("-e,--event", to.event, "What to sample on; cycles needs a CPU with performance counters")
      ->type_name("cpu-clock|cycles")
      ->default_str("cpu-clock");
  DefineDuration(record, to);
  OneValueEach(record
                   ->add_option("-o,--output", to.outputs,
                                "Write to this file, the suffix chooses the format; repeatable. Without it "
                                "kiln-HOST-TIME.pb.gz and .html")
                   ->type_name("FILE"));
  DefineStacks(record, to);
  DefineDebugInfo(record, to);
  record->add_option("--stats", to.stats, "Write what the recording cost to this file, as JSON")->type_name("FILE");
  record->add_option("COMMAND", to.stray, "Program to start and record, behind --")->type_name("COMMAND");
  record->footer(
      "sudo kiln record -d 10s\n"
      "sudo kiln record -p $(pidof nginx | tr ' ' ,) -F 199 -o nginx.html\n"
      "sudo kiln record -o app.pb.gz -o app.folded -- ./app --flag");
}

void DefineTop(CLI::App& app, TopArguments& to) {
  CLI::App* top = app.add_subcommand("top", "Show what uses the CPU, live; without a target on the whole host");
  DefineTargets(top, to, "Show");
  DefineFrequency(top, to);
  top->add_option("-i,--interval", to.interval, "What one table covers, 0.5s to 60s; then it is renewed")
      ->type_name("TIME")
      ->default_str("2s");
  DefineDuration(top, to);
  top->add_option("--by", to.by, "What the lines of the table are (key b)")
      ->type_name("function|process|thread")
      ->default_str("function");
  top->add_option(
         "--sort", to.sort,
         "Which column orders functions: self (the function alone), total (with all that it calls) or cpu, which "
         "is self in CPUs; processes and threads are always ordered by CPU (key s)")
      ->type_name("self|total|cpu")
      ->default_str("self");
  top->add_flag("-t,--tree", to.tree, "Show the call tree, the most expensive branch first (key t)");
  top->add_option("-n,--lines", to.lines, "How many lines of the table; without it what fits, 20 without a terminal")
      ->type_name("N");
  top->add_flag("--once", to.once, "Print one interval, of the length that -i or -d gives, and end");
  top->add_flag("--json", to.json, "Print each interval as one line of JSON");
  DefineStacks(top, to);
  DefineDebugInfo(top, to);
  top->footer(
      "sudo kiln top\n"
      "sudo kiln top -p $(pidof nginx | tr ' ' ,) --tree\n"
      "sudo kiln top --by process --once -d 10s\n"
      "sudo kiln top --json -i 10s >> usage.jsonl");
}

void DefineReading(CLI::App& app, Arguments& to) {
  CLI::App* report = app.add_subcommand("report", "Print the hottest functions of a profile, or its call tree");
  report->add_option("FILE", to.report.file, "A profile: .pb.gz, .folded, .speedscope.json or .otlp")
      ->type_name("FILE")
      ->required();
  report->add_option("-n,--top", to.report.top, "How many functions")->type_name("N")->default_str("15");
  report->add_flag("-t,--tree", to.report.tree, "Print the call tree, the most expensive branch first");
  report->add_option("--min-percent", to.report.min_percent, "Leave branches of the tree out below this share")
      ->type_name("PERCENT")
      ->default_str("1");
  report->footer("kiln report app.pb.gz --top 40\nkiln report app.pb.gz --tree --min-percent 5");

  CLI::App* convert = app.add_subcommand("convert", "Convert a profile; the suffixes choose the formats");
  convert->add_option("IN", to.convert.input, "Profile to read")->type_name("FILE")->required();
  convert->add_option("OUT", to.convert.output, "File to write")->type_name("FILE")->required();
  convert->footer("kiln convert app.pb.gz app.speedscope.json");

  CLI::App* view = app.add_subcommand("view", "Show a profile as a flame graph in the browser");
  view->add_option("FILE", to.view.file, "A profile, or an .html that kiln wrote")->type_name("FILE")->required();
  view->add_option("-o,--output", to.view.output, "Also write the page to this .html file")->type_name("FILE");
  view->add_flag("--no-serve", to.view.no_serve, "Don't serve the page; needs -o");
  view->footer("kiln view app.pb.gz\nkiln view app.pb.gz --no-serve -o app.html");
}

void DefineSymbolize(CLI::App& app, SymbolizeArguments& to) {
  CLI::App* symbolize = app.add_subcommand(
      "symbolize",
      "Name addresses of a file or a process: the address, then for each function at it, innermost inlined one first, "
      "a line with its name and a line FILE:LINE, as addr2line -a -f -i -C does; ?? and ??:0 where there is no name, "
      "and why not in a sentence on stderr");
  symbolize
      ->add_option("-e,--exe", to.exe,
                   "Program, library or kernel module whose own addresses (ELF addresses) are given")
      ->type_name("FILE");
  symbolize->add_option("-p,--pid", to.pid, "Process whose addresses are given; the kernel's are named, too")
      ->type_name("PID");
  symbolize->add_option("-j,--section", to.section, "Addresses count from the start of this section of FILE")
      ->type_name("NAME");
  symbolize->add_flag("--return-addresses", to.return_addresses,
                      "Addresses are where calls return to: name the byte before each");
  symbolize->add_flag("--no-inlines", to.no_inlines, "Only the innermost function, as addr2line without -i");
  symbolize->add_flag("--no-demangle", to.no_demangle, "Names as in the symbol table");
  symbolize->add_flag("--json", to.json,
                      "Print each answer as one line of JSON: address, lines (function, system_name, file, line, "
                      "column, start_line; what is not known is left out), module, build_id, elf_address, miss");
  OneValueEach(symbolize
                   ->add_option("--debug-dir", to.debug_folders,
                                "Folder with debug files, laid out like /usr/lib/debug; repeatable")
                   ->type_name("FOLDER"));
  symbolize
      ->add_option("--root", to.root,
                   "Folder that FILE and its debug files are looked for in, a container's root; debug files are then "
                   "looked for on the host, too")
      ->type_name("FOLDER");
  symbolize
      ->add_option("ADDRESS", to.addresses,
                   "Hexadecimal, with or without 0x; without any they are read from standard input, separated by "
                   "blanks or newlines, and answered as they come")
      ->type_name("ADDRESS");
  symbolize->footer(
      "kiln symbolize -e /usr/bin/git 0x2a6c0\n"
      "kiln symbolize -e app --json < addresses\n"
      "sudo kiln symbolize -p 1234 7f12a4c0 ffffffff81000000");
}

}  // namespace

void DefineCommandLine(CLI::App& app, Arguments& arguments) {
  app.name("kiln");
  app.description("A profiler for everything that runs on a Linux host");
  // Words that fit nothing are told apart by us, with a suggestion. The order of these calls matters: commands inherit.
  app.set_help_flag("-h,--help", "Print this help");
  app.allow_extras();
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.add_flag("-v,--verbose", arguments.verbose, "Log what happens to stderr; -vv for more");
  app.add_flag("-V,--version", arguments.version, "Print the version and end");
  DefineRecord(app, arguments.record);
  DefineTop(app, arguments.top);
  CLI::App* agent =
      app.add_subcommand("agent", "Profile this host all the time and send the profiles where the configuration says");
  OneValueEach(agent
                   ->add_option("-c,--config", arguments.agent.configs,
                                "YAML file or folder of them, later ones laid over earlier ones; without any: to "
                                "$OTEL_EXPORTER_OTLP_ENDPOINT")
                   ->type_name("FILE"));
  agent->add_flag("--validate", arguments.agent.validate, "Check the configuration, tell every error, and end");
  agent->add_flag("--print-config", arguments.agent.print_config,
                  "Print the configuration as it holds, defaults and origins included, and end");
  agent->footer(
      "sudo kiln agent --config /etc/kiln/agent.yaml\n"
      "kiln agent --config agent.yaml --validate\n"
      "sudo OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 kiln agent");
  DefineReading(app, arguments);
  DefineSymbolize(app, arguments.symbolize);
  CLI::App* doctor = app.add_subcommand("doctor",
                                        "Check whether this machine can record, or the stacks of a process be "
                                        "walked and named, and say what mends it");
  doctor
      ->add_option("-p,--pid", arguments.doctor.pid,
                   "Tell for each executable mapping of this process how its frames are walked and named, and why not")
      ->type_name("PID");
  doctor->add_flag("--json", arguments.doctor.json, "Print the findings as JSON");
  doctor->footer("sudo kiln doctor\nsudo kiln doctor -p 1234");
  app.add_subcommand("version", "Print the version");
  CLI::App* completions = app.add_subcommand("completions", "Print the completion script of a shell");
  completions->add_option("SHELL", arguments.shell, "Which shell")->type_name("bash|zsh|fish")->required();
  completions->footer("kiln completions bash > /etc/bash_completion.d/kiln");
  app.add_subcommand("man", "Print the manual page (roff)")->footer("kiln man | man -l -");
}

}  // namespace kiln::agent
