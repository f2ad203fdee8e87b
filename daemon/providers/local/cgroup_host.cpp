// Finding out what of the control groups this process may use.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "daemon/providers/local/cgroup.hpp"
#include "daemon/providers/local/files.hpp"

namespace swarm::local {
namespace {

namespace fs = std::filesystem;

/// One mounted tree and where we are in it.
struct Tree {
  std::string own;          ///< directory of our own group
  bool root = false;        ///< our own group is the tree's root
  std::string controllers;  ///< of v2: space-separated and bounded by spaces
};

struct Trees {
  std::optional<Tree> v2;
  std::map<std::string, Tree, std::less<>> v1;
};

/// The path of this process's group in each tree: "" names v2, "memory" a v1 controller.
std::map<std::string, std::string, std::less<>> own_paths() {
  std::map<std::string, std::string, std::less<>> paths;
  std::istringstream lines(read_file("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::istringstream names(line.substr(first + 1, second - first - 1));
    const std::string path = line.substr(second + 1);
    if (names.str().empty()) paths[""] = path;
    for (std::string name; std::getline(names, name, ',');) paths[name] = path;
  }
  return paths;
}

/// Where in `mount_point` our group is: the mount may show only a part of the tree (`mount_root`).
std::string place(const std::string& mount_point, const std::string& mount_root, const std::string& path) {
  std::string_view rest = path;
  if (mount_root != "/" && rest.starts_with(mount_root)) rest.remove_prefix(mount_root.size());
  if (rest == "/") rest = "";
  return mount_point + std::string(rest);
}

Trees find_trees() {
  Trees trees;
  const auto paths = own_paths();
  std::istringstream lines(read_file("/proc/self/mountinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string skip, root, point, word, type, source, options;
    words >> skip >> skip >> skip >> root >> point;
    while (words >> word && word != "-") {
    }
    words >> type >> source >> options;
    if (type == "cgroup2" && !trees.v2 && paths.contains("")) {
      const std::string own = place(point, root, paths.at(""));
      trees.v2 = Tree{own, own == point, " " + read_file(own + "/cgroup.controllers").value_or("") + " "};
      std::ranges::replace(trees.v2->controllers, '\n', ' ');
    }
    if (type != "cgroup") continue;
    std::istringstream names(options);
    for (std::string name; std::getline(names, name, ',');) {
      const auto path = paths.find(name);
      if (path == paths.end() || trees.v1.contains(name)) continue;
      const std::string own = place(point, root, path->second);
      trees.v1[name] = Tree{own, own == point, {}};
    }
  }
  return trees;
}

/// Makes a group and removes it again: the one question that permissions, delegation and read-only mounts all answer.
Result<void> try_to_make(const std::string& parent) {
  const std::string probe = fmt::format("{}/probe-{}", parent, getpid());
  if (mkdir(probe.c_str(), 0755) != 0) return fail_errno("mkdir", probe);
  rmdir(probe.c_str());
  return {};
}

/// Makes `<own>/swarmd` if that is possible.
Result<std::string> our_directory(const Tree& tree) {
  const std::string directory = tree.own + "/swarmd";
  const bool made = mkdir(directory.c_str(), 0755) == 0;
  if (!made && errno != EEXIST) return fail_errno("mkdir", directory);
  if (auto tried = try_to_make(directory); !tried) {
    if (made) rmdir(directory.c_str());
    return fail(tried.error());
  }
  return directory;
}

/// True when the group holds this process alone, so that moving it disturbs nobody.
bool alone_in(const std::string& group) {
  std::istringstream lines(read_file(group + "/cgroup.procs").value_or(""));
  pid_t pid = 0;
  int count = 0;
  bool self = false;
  while (lines >> pid) {
    ++count;
    self = self || pid == getpid();
  }
  return count == 1 && self;
}

/// Lets groups below `tree` have controllers. v2 does not allow that beside processes, except at the root.
void enable_controllers(const Tree& tree, const std::string& directory) {
  if (!tree.root && alone_in(tree.own)) {
    const std::string leaf = tree.own + "/daemon";
    if (mkdir(leaf.c_str(), 0755) == 0 || errno == EEXIST)
      (void)write_control(leaf + "/cgroup.procs", std::to_string(getpid()));
  }
  for (const char* name : {"memory", "cpu", "pids"}) {
    if (tree.controllers.find(fmt::format(" {} ", name)) == std::string::npos) continue;
    for (const auto& group : {tree.own, directory})
      (void)write_control(group + "/cgroup.subtree_control", fmt::format("+{}", name));
  }
}

void use_v2(const Tree& tree, CgroupHost& host) {
  const auto directory = our_directory(tree);
  if (!directory) {
    const std::string why = fmt::format(
        "control groups v2 are not delegated to this process ({}); run swarmd as a "
        "systemd unit with Delegate=yes",
        directory.error().message);
    for (auto* controller : {&host.memory, &host.cpu, &host.processes, &host.freezer, &host.usage})
      controller->why = why;
    return;
  }
  enable_controllers(tree, *directory);
  const std::string enabled = " " + read_file(*directory + "/cgroup.subtree_control").value_or("") + " ";
  const auto take = [&](Controller& controller, std::string_view name) {
    std::string spaced = enabled;
    std::ranges::replace(spaced, '\n', ' ');
    if (spaced.find(fmt::format(" {} ", name)) != std::string::npos)
      controller = {Mechanism::cgroup2, *directory, {}};
    else
      controller.why = fmt::format("control groups v2 have no '{}' controller here", name);
  };
  take(host.memory, "memory");
  take(host.cpu, "cpu");
  take(host.processes, "pids");
  // Part of the tree itself, whatever controllers it has (cgroup.freeze since Linux 5.2, cgroup.kill since 5.14).
  std::error_code error;
  if (tree.root || fs::exists(tree.own + "/cgroup.freeze", error)) host.freezer = {Mechanism::cgroup2, *directory, {}};
  host.usage = {Mechanism::cgroup2, *directory, {}};
  host.kill = fs::exists(*directory + "/cgroup.kill", error);
}

void use_v1(const Trees& trees, CgroupHost& host) {
  const auto take = [&](Controller& controller, const char* name) {
    if (controller.mechanism != Mechanism::none) return;
    const auto tree = trees.v1.find(name);
    if (tree == trees.v1.end()) return;
    auto directory = our_directory(tree->second);
    if (directory)
      controller = {Mechanism::cgroup1, *directory, {}};
    else
      controller.why = fmt::format("control groups v1 '{}' cannot be written: {}", name, directory.error().message);
  };
  take(host.memory, "memory");
  take(host.cpu, "cpu");
  take(host.processes, "pids");
  take(host.freezer, "freezer");
  take(host.usage, "cpuacct");
}

}  // namespace

CgroupHost find_cgroups(CgroupChoice choice) {
  CgroupHost host;
  if (choice == CgroupChoice::off) {
    for (auto* c : {&host.memory, &host.cpu, &host.processes, &host.freezer, &host.usage})
      c->why = "switched off by provider.local.cgroups";
    return host;
  }
  const Trees trees = find_trees();
  if (trees.v2 && choice != CgroupChoice::v1) use_v2(*trees.v2, host);
  if (choice != CgroupChoice::v2) use_v1(trees, host);
  for (auto* c : {&host.memory, &host.cpu, &host.processes, &host.freezer, &host.usage}) {
    if (c->mechanism == Mechanism::none && c->why.empty()) c->why = "no control group file system is mounted";
  }
  return host;
}

}  // namespace swarm::local
