// SPDX-License-Identifier: Apache-2.0
#include "symbolizer/debug_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/root_folder.h"
#include "symbolizer/debug_proof.h"

namespace kiln::symbolizer {
namespace {

constexpr std::string_view kDebugFolder = "/usr/lib/debug";
constexpr std::string_view kDwzFolder = ".dwz/";
// The first byte names the folder, so it takes two. Real ones have 8 to 20.
constexpr size_t kMinBuildIdDigits = 4;
constexpr size_t kMaxPathBytes = 4096;

// "/a" of "/a/b", "" of "/b" and "b".
std::string_view FolderOf(std::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? "" : path.substr(0, slash);
}
std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

DebugMiss MissOfOpening(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound: return DebugMiss::kNotFound;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange: return DebugMiss::kDamaged;
    default: return DebugMiss::kUnreadable;
  }
}

DebugMiss MissOfElf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument: return DebugMiss::kNotElf;
    case absl::StatusCode::kUnimplemented: return DebugMiss::kWrongKind;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kOutOfRange: return DebugMiss::kDamaged;
    case absl::StatusCode::kResourceExhausted: return DebugMiss::kTooLarge;
    default: return DebugMiss::kUnreadable;
  }
}

StatusOr<File> OpenAgain(const File& file) { return File::Open(fmt::format("/proc/self/fd/{}", file.fd())); }

class Search {
 public:
  // Whether the search is over: the file at `path` of `root` is the one.
  bool Try(const std::string& root, const std::string& path, const DebugProof& proof) {
    if (path.size() > kMaxPathBytes) return false;
    DebugMiss miss = DebugMiss::kNone;
    std::optional<ElfFile> elf = Open(root, path, proof, miss);
    if (elf) {
      result_ = {.file = DebugFile{.elf = *std::move(elf), .path = path, .root = root}, .miss = DebugMiss::kNone};
      return true;
    }
    if (miss != DebugMiss::kNotFound && result_.passed_over.empty()) {
      result_.miss = miss;
      result_.passed_over = root == "/" ? path : root + path;
    }
    return false;
  }

  DebugSearch Take() { return std::move(result_); }

 private:
  static std::optional<ElfFile> Open(const std::string& root, const std::string& path, const DebugProof& proof,
                                     DebugMiss& miss) {
    StatusOr<File> file = OpenInRoot(root, path);
    if (!file.ok()) {
      miss = MissOfOpening(file.status());
      return std::nullopt;
    }
    const File* self = proof.elf == nullptr ? nullptr : proof.elf->file();
    if (path == proof.own_path || (self != nullptr && self->identity() == file->identity())) {
      miss = DebugMiss::kItself;
      return std::nullopt;
    }
    const StatusOr<File> bytes = OpenAgain(*file);  // ElfFile keeps the first one
    StatusOr<ElfFile> elf =
        proof.take_relocatable ? ElfFile::OpenRelocatable(*std::move(file)) : ElfFile::Open(*std::move(file));
    miss = elf.ok() ? ExamineDebugFile(*elf, bytes, proof) : MissOfElf(elf.status());
    if (miss != DebugMiss::kNone) return std::nullopt;
    return *std::move(elf);
  }

  DebugSearch result_;
};

// Below a folder laid out like /usr/lib/debug; "" if the id is none to go by.
std::string BuildIdPath(std::string_view debug_folder, std::string_view build_id) {
  if (build_id.size() < kMinBuildIdDigits) return "";
  return fmt::format("{}/.build-id/{}/{}.debug", debug_folder, build_id.substr(0, 2), build_id.substr(2));
}

// "/lib/x" of "/usr/lib/x" and the other way round: one is a link to the other. "" where there is no other name.
std::string OtherNameOf(std::string_view path) {
  constexpr std::string_view kUsr = "/usr";
  const bool in_usr = path.starts_with("/usr/");
  const std::string_view rest = in_usr ? path.substr(kUsr.size()) : path;
  for (const std::string_view folder : {"/lib/", "/lib64/", "/bin/", "/sbin/"}) {
    if (rest.starts_with(folder)) return in_usr ? std::string(rest) : fmt::format("{}{}", kUsr, rest);
  }
  return "";
}

// `path` and what it is a link to in any of the places.
std::vector<std::string> WithoutLinks(std::string_view path, const DebugPlaces& places) {
  std::vector<std::string> paths{std::string(path)};
  for (const auto* const folders : {&places.debug_folders, &places.roots}) {
    for (const std::string& folder : *folders) {
      std::string end = FollowLinksInRoot(folder, paths.front());
      if (std::ranges::find(paths, end) == paths.end()) paths.push_back(std::move(end));
    }
  }
  return paths;
}

// One place after the other until one has the file.
class PlaceList {
 public:
  explicit PlaceList(const DebugPlaces& places) : places_(places) {}
  // A path of the system, below a folder that is laid out like /usr/lib/debug.
  void InDebugFoldersAt(const std::string& path) {
    InDebugFolders(path);
    InDebugFolders(OtherNameOf(path));
  }
  // A path below a folder that is laid out like /usr/lib/debug. Begins with '/'; "" is passed over.
  void InDebugFolders(std::string path) {
    if (path.empty()) return;
    for (const std::string_view prefix : {std::string_view(), kDebugFolder}) {
      in_folders_.push_back(fmt::format("{}{}", prefix, path));
    }
    in_roots_.push_back(fmt::format("{}{}", kDebugFolder, path));
  }
  void InFoldersOnly(std::string path) { in_folders_.push_back(std::move(path)); }
  // A path in the roots.
  void InRoots(std::string path) {
    if (!path.empty()) in_roots_.push_back(std::move(path));
  }

  // Folders first. `proof` is asked for each path.
  template <typename ProofOf>
  DebugSearch Run(const ProofOf& proof_of) const {
    Search search;
    for (const std::string& folder : places_.debug_folders) {
      for (const std::string& path : in_folders_) {
        if (search.Try(folder, path, proof_of(path))) return search.Take();
      }
    }
    for (const std::string& root : places_.roots) {
      for (const std::string& path : in_roots_) {
        if (search.Try(root, path, proof_of(path))) return search.Take();
      }
    }
    return search.Take();
  }

 private:
  const DebugPlaces& places_;
  std::vector<std::string> in_folders_;
  std::vector<std::string> in_roots_;
};

}  // namespace

std::string_view DebugMissName(DebugMiss miss) {
  switch (miss) {
    case DebugMiss::kNone: return "found";
    case DebugMiss::kNothingToGoBy: return "neither a build id nor a debug link";
    case DebugMiss::kNotFound: return "no debug file";
    case DebugMiss::kItself: return "the debug link names the file itself";
    case DebugMiss::kBuildIdDiffers: return "the debug file has another build id";
    case DebugMiss::kWrongCrc: return "the debug file has another CRC";
    case DebugMiss::kNotElf: return "the debug file is no ELF file";
    case DebugMiss::kWrongKind: return "the debug file is an unsupported kind of ELF file";
    case DebugMiss::kDamaged: return "the debug file is damaged";
    case DebugMiss::kUnreadable: return "the debug file is unreadable";
    case DebugMiss::kTooLarge: return "the debug file is too large";
    case DebugMiss::kNoDebugInfo: return "the file holds no debug information";
    case DebugMiss::kOtherSections: return "the debug file has other code sections";
  }
  return "unknown reason";
}

DebugSearch FindDebugFile(const ElfFile& elf, const DebugPlaces& places) {
  const std::string by_id = BuildIdPath("", elf.build_id());
  const std::optional<DebugLink> link = ReadDebugLink(elf);
  if (by_id.empty() && !link) return {.miss = DebugMiss::kNothingToGoBy};
  PlaceList list(places);
  list.InDebugFolders(by_id);
  if (link) {
    const bool has_folder = places.path.starts_with('/');
    const std::string_view folder = has_folder ? FolderOf(places.path) : "";
    if (has_folder) {
      list.InRoots(fmt::format("{}/{}", folder, link->name));
      list.InRoots(fmt::format("{}/.debug/{}", folder, link->name));
      list.InDebugFoldersAt(fmt::format("{}/{}", folder, link->name));
    }
    if (!has_folder || !folder.empty()) list.InFoldersOnly(fmt::format("/{}", link->name));
  }
  const bool has_id = !by_id.empty();
  // At that path lies the file itself, too, where a folder holds more than debug files.
  const std::string own_name(NameOf(places.path));
  if (has_id && !own_name.empty() && places.path.starts_with('/')) {
    list.InDebugFoldersAt(places.path);
    list.InDebugFoldersAt(fmt::format("{}.debug", places.path));
  }
  return list.Run([&](const std::string& path) {
    // Under the name of a build id only the build id counts.
    const bool is_by_id = has_id && path.ends_with(by_id);
    const bool at_own_path = NameOf(path) == own_name && (!link || link->name != own_name);
    return DebugProof{.elf = &elf,
                      .own_path = at_own_path ? std::string_view() : places.path,
                      .build_id = elf.build_id(),
                      .crc = link && !is_by_id ? std::optional(link->crc) : std::nullopt,
                      .take_relocatable = elf.relocatable(),
                      .same_code = elf.relocatable(),
                      .no_copy = at_own_path};
  });
}

DebugSearch FindDebugFileByBuildId(const CodeByBuildId& code, const DebugPlaces& places) {
  const std::string by_id = BuildIdPath("", code.build_id);
  if (by_id.empty()) return {.miss = DebugMiss::kNothingToGoBy};
  PlaceList list(places);
  list.InDebugFolders(by_id);
  for (const std::string& path : code.in_debug_folders) list.InDebugFolders(path);
  for (const std::string& path : code.in_roots) list.InRoots(path);
  return list.Run([&](const std::string&) {
    return DebugProof{.build_id = code.build_id, .take_relocatable = true, .needs_debug_info = true};
  });
}

DebugSearch FindAltFile(const ElfFile& elf, std::string_view path, const DebugPlaces& places) {
  const std::optional<AltLink> link = ReadAltLink(elf);
  if (!link) return {.miss = DebugMiss::kNothingToGoBy};
  PlaceList list(places);
  if (link->name.starts_with('/')) {
    list.InRoots(link->name);
    // In a debug folder the part behind /usr/lib/debug is what counts.
    list.InFoldersOnly(link->name.starts_with(fmt::format("{}/", kDebugFolder)) ? link->name.substr(kDebugFolder.size())
                                                                                : link->name);
  } else if (path.starts_with('/')) {
    for (const std::string& own_path : WithoutLinks(path, places)) {
      const std::string beside = fmt::format("{}/{}", FolderOf(own_path), link->name);
      list.InRoots(beside);
      list.InFoldersOnly(beside);
    }
  }
  list.InDebugFolders(BuildIdPath("", link->build_id));
  const size_t dwz = link->name.rfind(kDwzFolder);
  list.InDebugFolders(fmt::format(
      "/{}{}", kDwzFolder,
      dwz == std::string::npos ? std::string(NameOf(link->name)) : link->name.substr(dwz + kDwzFolder.size())));
  // dwz makes it a relocatable file.
  return list.Run([&](const std::string&) {
    return DebugProof{.elf = &elf, .build_id = link->build_id, .take_relocatable = true};
  });
}

DebugSearch FindDwpFile(const ElfFile& elf, std::string_view debug_path, const DebugPlaces& places) {
  PlaceList list(places);
  if (places.path.starts_with('/')) {
    list.InRoots(fmt::format("{}.dwp", places.path));
    list.InDebugFolders(fmt::format("{}.dwp", places.path));
    list.InFoldersOnly(fmt::format("/{}.dwp", NameOf(places.path)));
  }
  if (debug_path.starts_with('/')) {
    list.InRoots(fmt::format("{}.dwp", debug_path));
    list.InFoldersOnly(fmt::format("{}.dwp", debug_path));
  }
  return list.Run(
      [&](const std::string&) { return DebugProof{.elf = &elf, .none_needed = true, .take_relocatable = true}; });
}

DebugSearch FindDwoFile(const ElfFile& elf, std::string_view comp_dir, std::string_view name,
                        const DebugPlaces& places) {
  if (NameOf(name).empty()) return {.miss = DebugMiss::kNothingToGoBy};
  PlaceList list(places);
  const std::string path = name.starts_with('/') ? std::string(name) : fmt::format("{}/{}", comp_dir, name);
  if (path.starts_with('/')) {
    list.InRoots(path);
    list.InDebugFolders(path);
  }
  if (places.path.starts_with('/')) list.InRoots(fmt::format("{}/{}", FolderOf(places.path), NameOf(name)));
  list.InFoldersOnly(fmt::format("/{}", NameOf(name)));
  return list.Run(
      [&](const std::string&) { return DebugProof{.elf = &elf, .none_needed = true, .take_relocatable = true}; });
}

}  // namespace kiln::symbolizer
