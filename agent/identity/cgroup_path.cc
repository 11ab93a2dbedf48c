// SPDX-License-Identifier: Apache-2.0
#include "agent/identity/cgroup_path.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>
#include <utility>

#include "agent/identity/systemd_unit.h"

namespace kiln::agent::identity {
namespace {

constexpr size_t kMaxLines = 64;
constexpr size_t kMaxPathBytes = 4096;
constexpr size_t kIdDigits = 64;
constexpr size_t kMaxNameBytes = 255;

constexpr std::string_view kConmon = "conmon";

bool IsHex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool AllHex(std::string_view text) { return std::ranges::all_of(text, IsHex); }
bool AllDigits(std::string_view text) { return std::ranges::all_of(text, IsDigit); }

bool StripPrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

bool StripSuffix(std::string_view& text, std::string_view suffix) {
  if (!text.ends_with(suffix)) return false;
  text.remove_suffix(suffix.size());
  return true;
}

// Groups of hex digits of the lengths in `groups`, with `separator` between them.
template <size_t N>
bool IsGrouped(std::string_view text, const std::array<size_t, N>& groups, char separator) {
  for (size_t i = 0; i < N; ++i) {
    if (i > 0) {
      if (!text.starts_with(separator)) return false;
      text.remove_prefix(1);
    }
    if (text.size() < groups[i] || !AllHex(text.substr(0, groups[i]))) return false;
    text.remove_prefix(groups[i]);
  }
  return text.empty();
}

constexpr std::array<size_t, 5> kUuid = {8, 4, 4, 4, 12};
// Cloud Foundry's garden: the guid of an application instance, cut after the 28th character, and older forms.
constexpr std::array<size_t, 5> kGardenLong = {8, 4, 4, 4, 4};
constexpr std::array<size_t, 4> kGardenShort = {8, 4, 4, 4};

bool IsGardenId(std::string_view text) {
  return IsGrouped(text, kUuid, '-') || IsGrouped(text, kGardenLong, '-') || IsGrouped(text, kGardenShort, '-');
}

// A name that people gave a container: lxc's and systemd-nspawn's rules are narrower.
bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameBytes &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

struct Container {
  std::string id;
  std::string_view runtime;
  bool keeps_unit = false;  // the unit around it is the container's own (podman's split cgroups)
};

// What the part before the id says of the runtime; nullopt for those that watch from outside.
std::optional<std::string_view> RuntimeOfPrefix(std::string_view prefix) {
  if (prefix.ends_with(kConmon)) return std::nullopt;
  if (prefix == "docker") return "docker";
  if (prefix == "cri-containerd" || prefix == "containerd" || prefix == "nerdctl") return "containerd";
  if (prefix == "crio") return "cri-o";
  if (prefix == "libpod" || prefix == "libpod-payload") return "podman";
  return "";
}

std::string_view RuntimeOfParent(std::string_view parent, bool in_ecs) {
  if (parent == "docker" || parent == "moby" || in_ecs) return "docker";
  if (parent == "default" || parent == "k8s.io") return "containerd";
  return "";
}

// Walks along one path, from the outside in.
class Walk {
 public:
  CgroupFacts Run(std::string_view path) {
    while (!path.empty() && !watcher_) {
      const std::string_view name = path.substr(0, path.find('/'));
      path.remove_prefix(std::min(name.size() + 1, path.size()));
      if (name.empty() || name == "." || name == "..") continue;
      facts_.hidden = false;
      const std::string_view next = path.substr(0, path.find('/'));
      Step(name, next);
      grandparent_ = std::exchange(parent_, name);
    }
    return std::move(facts_);
  }

 private:
  void Step(std::string_view name, std::string_view next) {
    // runc's cgroupfs driver given a path of the systemd kind: "kubepods-burstable-podUID.slice:cri-containerd:ID".
    if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
      const size_t second = name.find(':', colon + 1);
      if (second != std::string_view::npos && IsContainerId(name.substr(second + 1))) {
        EnterPod(name.substr(0, colon));
        const auto runtime = RuntimeOfPrefix(name.substr(colon + 1, second - colon - 1));
        if (runtime) Enter({.id = std::string(name.substr(second + 1)), .runtime = *runtime});
        return;
      }
    }
    if (EnterPod(name)) return;
    if (name == "ecs") in_ecs_ = true;
    if (name.starts_with("lxc.monitor")) {
      watcher_ = true;
      return;
    }
    if (auto container = MatchContainer(name, next)) {
      Enter(*std::move(container));
      return;
    }
    if (name.ends_with(".service")) {
      // A user's service manager: what it runs has a unit of its own below it.
      facts_.systemd_unit = IsServiceUnit(name) ? std::string(name.substr(name.starts_with('_'))) : "";
    } else if (name.ends_with(".scope")) {
      facts_.systemd_unit.clear();
    }
  }

  bool EnterPod(std::string_view name) {
    std::string_view uid = name;
    StripSuffix(uid, ".slice");
    if (!uid.starts_with("pod")) {
      const size_t found = uid.rfind("-pod");
      if (found == std::string_view::npos) return false;
      uid.remove_prefix(found + 1);
    }
    std::string pod = PodUid(uid.substr(3));
    if (pod.empty()) return false;
    LeaveContainer();
    facts_.pod_uid = std::move(pod);
    facts_.systemd_unit.clear();
    return true;
  }

  void LeaveContainer() {
    if (facts_.container_id.empty()) return;
    facts_.outer_container_ids.push_back(std::exchange(facts_.container_id, ""));
    facts_.container_runtime.clear();
  }

  void Enter(Container container) {
    if (container.id == facts_.container_id) return;  // a folder of its own within the scope
    LeaveContainer();
    facts_.container_id = std::move(container.id);
    facts_.container_runtime = container.runtime;
    if (!container.keeps_unit) facts_.systemd_unit.clear();
  }

  std::optional<Container> MatchContainer(std::string_view name, std::string_view next) const {
    if (name.ends_with(".slice")) return std::nullopt;
    if (auto named = MatchNamed(name, next)) return named;
    const bool scope = StripSuffix(name, ".scope");
    if (name.size() >= kIdDigits && IsContainerId(name.substr(name.size() - kIdDigits))) {
      const std::string_view id = name.substr(name.size() - kIdDigits);
      std::string_view prefix = name.substr(0, name.size() - kIdDigits);
      if (prefix.empty()) return Container{.id = std::string(id), .runtime = RuntimeOfParent(parent_, in_ecs_)};
      if (!StripSuffix(prefix, "-")) return std::nullopt;
      const auto runtime = RuntimeOfPrefix(prefix);
      if (!runtime) return std::nullopt;
      return Container{.id = std::string(id), .runtime = *runtime, .keeps_unit = prefix == "libpod-payload"};
    }
    if (scope) return std::nullopt;
    if (parent_ == "buildkit" && name.size() == 25 &&
        std::ranges::all_of(name, [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'z'); })) {
      return Container{.id = std::string(name), .runtime = "buildkit"};
    }
    const bool garden = parent_ == "garden" || (grandparent_ == "garden" && (parent_ == "good" || parent_ == "bad"));
    if (garden && IsGardenId(name)) return Container{.id = std::string(name), .runtime = "garden"};
    if (parent_ == "mesos" && IsGrouped(name, kUuid, '-')) {
      return Container{.id = std::string(name), .runtime = "mesos"};
    }
    // AWS Fargate: the task's id and a number. Its runtime is not told.
    if (in_ecs_ && name.size() > 33 && AllHex(name.substr(0, 32)) && name[32] == '-' && AllDigits(name.substr(33))) {
      return Container{.id = std::string(name)};
    }
    return std::nullopt;
  }

  // Containers that are called by the name that people gave them.
  std::optional<Container> MatchNamed(std::string_view name, std::string_view next) const {
    for (const std::string_view prefix : {"lxc.payload.", "lxc.payload-"}) {
      if (name.starts_with(prefix) && IsName(name.substr(prefix.size()))) {
        return Container{.id = std::string(name.substr(prefix.size())), .runtime = "lxc"};
      }
    }
    if ((parent_ == "lxc.payload" || (parent_ == "lxc" && grandparent_.empty())) && IsName(name)) {
      return Container{.id = std::string(name), .runtime = "lxc"};
    }
    if (next != "payload") return std::nullopt;
    std::string_view machine = name;
    const bool scope = StripPrefix(machine, "machine-") && StripSuffix(machine, ".scope");
    const bool service = StripPrefix(machine, "systemd-nspawn@") && StripSuffix(machine, ".service");
    if (!scope && !service) return std::nullopt;
    std::string plain = UnescapeUnit(machine);
    if (!IsName(plain)) return std::nullopt;
    return Container{.id = std::move(plain), .runtime = "systemd-nspawn"};
  }

  CgroupFacts facts_;
  std::string_view parent_, grandparent_;
  bool in_ecs_ = false;
  bool watcher_ = false;
};

}  // namespace

bool IsContainerId(std::string_view text) { return text.size() == kIdDigits && AllHex(text); }

std::string PodUid(std::string_view text) {
  if (text.size() == 32 && AllHex(text)) return std::string(text);
  if (!IsGrouped(text, kUuid, '-') && !IsGrouped(text, kUuid, '_')) return "";
  std::string uid(text);
  std::ranges::replace(uid, '_', '-');
  return uid;
}

CgroupFacts ParseCgroupPath(std::string_view path) {
  if (path.size() > kMaxPathBytes) return {};
  StripSuffix(path, " (deleted)");  // the kernel's mark of a cgroup that was removed under the process
  return Walk().Run(path);
}

CgroupFacts ParseCgroup(std::string_view text) {
  CgroupFacts best;
  using Rank = std::tuple<bool, size_t, bool, bool, int>;
  std::optional<Rank> best_rank;
  for (size_t lines = 0; lines < kMaxLines && !text.empty(); ++lines) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) continue;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    CgroupFacts facts = ParseCgroupPath(line.substr(second + 1));
    const size_t containers = facts.outer_container_ids.size() + (facts.container_id.empty() ? 0 : 1);
    const int kind = controllers.empty() ? 2 : controllers == "name=systemd" ? 1 : 0;
    const Rank rank(!facts.hidden, containers, !facts.pod_uid.empty(), !facts.systemd_unit.empty(), kind);
    if (best_rank && rank <= *best_rank) continue;
    best_rank = rank;
    best = std::move(facts);
  }
  return best;
}

}  // namespace kiln::agent::identity
