// SPDX-License-Identifier: Apache-2.0
#include "agent/doctor/mapping_judge.h"

#include <elf.h>

#include <algorithm>

namespace kiln::agent {
namespace {

using symbolizer::ElfFile;
using symbolizer::Miss;
using symbolizer::UnwindIssue;

// A part of the code that is no reason to worry: a few hand-written functions, code between functions.
constexpr uint64_t kNegligiblePart = 100;
// The same of a very small file, such as the vDSO.
constexpr uint64_t kNegligibleBytes = 64;
// Exported functions may be nearly all there are: so much of the code, in 1/100, is well named by them.
constexpr uint64_t kNamedPercent = 75;

// How runtimes are made to write a perf map, by the begin of the process's name.
struct RuntimeMend {
  std::string_view name;
  std::string_view command;  // {} is the pid
};
constexpr RuntimeMend kRuntimeMends[] = {
    {"java", "jcmd {} Compiler.perfmap"},
    {"node", "NODE_OPTIONS=--perf-basic-prof node …  # start it so"},
    {"php", "php -d opcache.jit_debug=16 …  # start it so; with opcache.jit_buffer_size above 0"},
    {"python", "PYTHONPERFSUPPORT=1 python3 …  # start it so; Python 3.12 or newer"},
    {"dotnet", "DOTNET_PerfMapEnabled=1 dotnet …  # start it so"},
    {"ruby", "RUBYOPT='--yjit --yjit-perf' ruby …  # start it so; Ruby 3.3 or newer"},
};

std::string PerfMapMend(const ProcessFacts& facts) {
  for (const auto& [name, command] : kRuntimeMends) {
    if (!std::string_view(facts.name).starts_with(name)) continue;
    const size_t at = command.find("{}");
    if (at == std::string_view::npos) return std::string(command);
    return fmt::format("{}{}{}", command.substr(0, at), facts.pid.value, command.substr(at + 2));
  }
  return "";
}

// Puts the debug file of a build id where it is looked for.
std::string DebugFileMend(const std::string& build_id) {
  if (build_id.size() < 4) return "";
  return fmt::format("sudo install -Dm644 \"$(debuginfod-find debuginfo {})\" /usr/lib/debug/.build-id/{}/{}.debug",
                     build_id, build_id.substr(0, 2), build_id.substr(2));
}

void AddSentence(std::string& text, std::string_view sentence) {
  text += text.empty() ? "" : "; ";
  text += sentence;
}

bool IsNegligible(uint64_t bytes, uint64_t code) { return bytes <= std::max(code / kNegligiblePart, kNegligibleBytes); }

// The part as a percentage that is never 0 or 100 unless it is that.
std::string Share(uint64_t part, uint64_t whole) {
  if (part == 0 || whole == 0) return "0 %";
  if (part >= whole) return "100 %";
  return fmt::format("{:.2f} %",
                     std::clamp(100.0 * static_cast<double>(part) / static_cast<double>(whole), 0.01, 99.99));
}

std::vector<std::string> OriginsOf(const TableSource& table, const CodeCoverage& coverage) {
  std::vector<std::string> origins;
  for (const auto& [section, in_debug_file] : table.builder->cfi_origins()) {
    if (coverage.cfi == 0) break;
    origins.push_back(in_debug_file ? fmt::format("{} of {}", section, table.debug_file->path) : std::string(section));
  }
  if (table.builder->go_counts() != nullptr) origins.emplace_back("Go functions");
  if (coverage.derived > 0) origins.emplace_back("instructions");
  return origins;
}

void TellGaps(const CodeCoverage& coverage, std::string& sentence) {
  const std::pair<uint64_t, std::string_view> kGaps[] = {
      {coverage.without, "no unwind information"},
      {coverage.unclear, "no unwind information, and its instructions don't tell"},
      {coverage.inexpressible, "unwind information of a kind that is not supported"},
      {coverage.damaged, "damaged unwind information"},
  };
  for (const auto& [bytes, what] : kGaps) {
    if (bytes > 0) {
      AddSentence(sentence, fmt::format("{} of the code ({} bytes) has {}", Share(bytes, coverage.code), bytes, what));
    }
  }
}

}  // namespace

MappingDiagnosis MappingJudge::Judge(const Mapping& mapping) {
  MappingDiagnosis diagnosis{.mapping = mapping};
  const ObjectFile* object = HasObject(mapping) ? &source_.Object(mapping) : nullptr;
  const CodeWalker walker = ChooseWalker(mapping, object);
  diagnosis.walk.walker = walker.walker;
  if (object != nullptr) diagnosis.build_id = object->build_id;
  if (mapping.is_file()) diagnosis.on_disk = source_.IsOnDisk(mapping);
  if (walker.walker == KILN_WALKER_FRAME_POINTER) {
    JudgeGenerated(diagnosis);
  } else if (!object->elf) {
    JudgeUnreadable(*object, diagnosis);
  } else if (walker.walker == KILN_WALKER_NONE) {
    diagnosis.walk.health = Health::kFailed;
    diagnosis.walk.sentence = "no segment of the file has what is mapped here";
    diagnosis.names.health = Health::kLimited;
    diagnosis.names.sentence = "nor can it be named";
  } else {
    ReadFile(*object, mapping);
    const uint64_t begin = walker.address.value();
    const uint64_t end = begin + (mapping.end.value() - mapping.start.value());
    // The begin wraps around if the mapping reaches below address 0.
    const CodeRanges code = FindCode(*object->elf, begin < end ? begin : 0, end);
    JudgeTable(*object, code, diagnosis);
    JudgeNames(*object, code, diagnosis);
    if (!diagnosis.on_disk)
      AddSentence(diagnosis.walk.sentence, "the file was deleted or replaced; kiln reads the one that runs");
  }
  return diagnosis;
}

void MappingJudge::ReadFile(const ObjectFile& object, const Mapping& mapping) {
  if (object_ == &object) return;
  object_ = &object;
  table_ = OpenTableSource(*object.elf, source_.DebugPlaces(mapping));
  debug_ = symbolizer::FindDebugFiles(*object.elf, source_.DebugPlaces(mapping));
  const std::vector<const symbolizer::ElfFile*> files = debug_.SymbolFilesOf(*object.elf);
  symbols_ = symbolizer::SymbolTable::Read({.files = files});
}

void MappingJudge::JudgeGenerated(MappingDiagnosis& diagnosis) {
  if (diagnosis.mapping.path == "[vsyscall]" || diagnosis.mapping.path == "[uprobes]") {
    diagnosis.walk.sentence = "a page of the kernel's, which hardly ever runs";
    return;
  }
  diagnosis.walk.sentence = "generated code is walked by its frame pointers, if the runtime keeps them";
  if (!generated_names_) generated_names_ = source_.NamesOfGeneratedCode();
  const GeneratedNames& names = *generated_names_;
  diagnosis.names.origin = names.functions > 0 ? names.origin : "";
  diagnosis.names.functions = names.functions;
  if (names.functions > 0 && names.sentence.empty()) return;
  diagnosis.names.health = Health::kLimited;
  diagnosis.names.sentence =
      !names.sentence.empty() ? names.sentence
                              : fmt::format("{}: the runtime has to write /tmp/perf-{}.map",
                                            names.origin.empty() ? "no perf map" : "the " + names.origin + " is empty",
                                            facts_.namespaced_pid.value);
  diagnosis.mend = PerfMapMend(facts_);
}

void MappingJudge::JudgeUnreadable(const ObjectFile& object, MappingDiagnosis& diagnosis) {
  diagnosis.walk.health = Health::kFailed;
  std::string_view why = symbolizer::MissName(object.miss);
  if (object.miss == Miss::kNoFile && !diagnosis.on_disk) {
    why = "the file was deleted or replaced, and the one that runs is reached with cap_checkpoint_restore alone";
  }
  diagnosis.walk.sentence = why;
  diagnosis.names.health = Health::kLimited;
  if (object.miss == Miss::kNoFile || object.miss == Miss::kUnreadable) {
    diagnosis.mend = fmt::format("sudo kiln doctor -p {}", facts_.pid.value);
  }
}

void MappingJudge::JudgeTable(const ObjectFile& object, const CodeRanges& code, MappingDiagnosis& diagnosis) {
  WalkDiagnosis& walk = diagnosis.walk;
  if (!table_.ok()) {
    walk.health = Health::kFailed;
    walk.sentence = Message(table_.status());
    return;
  }
  walk.coverage = MeasureCoverage(*table_->builder, code);
  walk.origins = OriginsOf(*table_, walk.coverage);
  const symbolizer::UnwindCounts& counts = table_->builder->counts();
  for (size_t i = 0; i < symbolizer::kUnwindIssueCount; ++i) {
    if (counts.issues[i] == 0) continue;
    walk.issues.emplace_back(symbolizer::UnwindIssueText(static_cast<UnwindIssue>(i)), counts.issues[i]);
  }
  const CodeCoverage& coverage = walk.coverage;
  const uint64_t gaps = coverage.code - std::min(coverage.code, coverage.walkable());
  if (coverage.walkable() > 0 && IsNegligible(gaps, coverage.code)) return;
  if (gaps == 0) return;
  walk.health = coverage.walkable() > 0 ? Health::kLimited : Health::kFailed;
  TellGaps(coverage, walk.sentence);
  if (IsNegligible(coverage.without + coverage.unclear, coverage.code)) return;
  if (table_->debug_file == nullptr && diagnosis.mapping.is_file()) diagnosis.mend = DebugFileMend(object.build_id);
}

// Where files, lines and inlined functions are from, or why there are none.
std::string MappingJudge::LinesFrom(const ObjectFile& object) const {
  if (symbolizer::GoNames::Find(*object.elf).ok()) return "Go functions";
  if (const symbolizer::ElfFile* info = debug_.InfoOf(*object.elf); info != nullptr) {
    std::string text = info == &*object.elf ? ".debug_info" : fmt::format(".debug_info of {}", debug_.debug->path);
    if (debug_.supplementary_miss != symbolizer::DebugMiss::kNone) {
      text += fmt::format(", in part: the file of .gnu_debugaltlink: {}",
                          symbolizer::DebugMissName(debug_.supplementary_miss));
    }
    return text;
  }
  std::string text = fmt::format("none: no debug information, and of a separate file: {}",
                                 symbolizer::DebugMissName(debug_.debug_miss));
  if (!debug_.passed_over.empty()) text += fmt::format(" ({})", debug_.passed_over);
  return text;
}

void MappingJudge::JudgeNames(const ObjectFile& object, const CodeRanges& code, MappingDiagnosis& diagnosis) {
  NamesDiagnosis& names = diagnosis.names;
  names.lines = LinesFrom(object);
  if (!symbols_.ok()) {
    names.health = Health::kLimited;
    names.sentence = Message(symbols_.status());
    return;
  }
  uint64_t bytes = 0;
  for (const auto& [begin, end] : code) {
    bytes += end - begin;
    names.named_bytes += symbols_->NamedBytes(ElfAddress(begin), ElfAddress(end));
  }
  names.functions = symbols_->size();
  bool has_symtab = object.elf->FindSectionOfType(SHT_SYMTAB) != nullptr;
  names.origin = has_symtab ? ".symtab" : ".dynsym";
  if (debug_.debug && debug_.debug->elf.FindSectionOfType(SHT_SYMTAB) != nullptr) {
    names.origin = fmt::format(".symtab of {}", debug_.debug->path);
    has_symtab = true;
  } else if (debug_.mini) {
    names.origin = ".gnu_debugdata";
    has_symtab = true;
  }
  if (names.functions == 0) names.origin.clear();
  if (has_symtab && names.functions > 0) return;
  if (names.functions > 0 && names.named_bytes >= bytes / 100 * kNamedPercent) return;
  names.health = Health::kLimited;
  names.sentence = names.functions == 0 ? "stripped: the file names no function"
                                        : fmt::format("stripped: its exported functions have names, {} of the code",
                                                      Share(names.named_bytes, bytes));
}

}  // namespace kiln::agent
