#pragma once
// Trees on disk for tests: made at random, and told apart to the last bit.

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "protocol/tree/atomic_file.hpp"

namespace swarm::tests {

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
}

inline void set_mtime(const std::string& path, std::int64_t ns) {
  const timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, tree::timespec_of(ns)};
  ::utimensat(AT_FDCWD, path.c_str(), static_cast<const timespec*>(times), AT_SYMLINK_NOFOLLOW);
}

/// Everything below `root`: path -> kind, mode, time and content in one line.
inline std::map<std::string, std::string> picture(const std::string& root) {
  std::map<std::string, std::string> out;
  const auto add = [&](const std::string& path, const std::string& name) {
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) return;
    std::string line = std::to_string(info.st_mode) + " " + std::to_string(tree::nanoseconds_of(info.st_mtim)) + " ";
    if (S_ISLNK(info.st_mode)) line += "-> " + std::filesystem::read_symlink(path).string();
    if (S_ISREG(info.st_mode)) line += slurp(path);
    out[name] = std::move(line);
  };
  add(root, ".");
  for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
    add(item.path().string(), item.path().string().substr(root.size() + 1));
  }
  return out;
}

/// Fills `root` with a tree that depends on `seed` alone: odd names, all modes that its owner can read, links, empty
/// directories, files of no and of many bytes, times of any kind.
inline void random_tree(const std::string& root, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](std::uint64_t n) { return random() % n; };
  const auto name = [&](std::size_t i) {
    static const std::vector<std::string> odd = {" ",
                                                 "\n",
                                                 "-rf",
                                                 "\xff\xfe",
                                                 "a\\b",
                                                 "'\"",
                                                 "*?[",
                                                 ".hidden",
                                                 "..x",
                                                 std::string(255, 'L'),
                                                 "\xc3\xa9t\xc3\xa9",
                                                 "%s%n",
                                                 "\x1b[31m"};
    return below(2) == 0 ? odd.at(below(odd.size())) : "n" + std::to_string(i);
  };
  std::vector<std::string> directories{root};
  std::vector<std::pair<std::string, mode_t>> modes;
  std::vector<std::string> all;
  for (std::size_t i = 0; i < 10 + below(40); ++i) {
    const std::string& parent = directories.at(below(directories.size()));
    const std::string path = parent + "/" + name(i);
    if (path.size() > 3500 || std::filesystem::exists(std::filesystem::symlink_status(path))) continue;
    switch (below(5)) {
      case 0:
      case 1:
        if (::mkdir(path.c_str(), 0755) != 0) continue;
        directories.push_back(path);
        modes.emplace_back(path, 0500 | below(01000));
        break;
      case 2:
        if (::symlink(below(2) == 0 ? "../x/y" : std::string(1 + below(300), 't').c_str(), path.c_str()) != 0) continue;
        break;
      default: {
        std::string content(below(4) == 0 ? 0 : below(3000), '\0');
        for (char& c : content) c = static_cast<char>(random());
        if (below(10) == 0) content.resize(200'000 + below(600'000), 'z');
        spill(path, content);
        modes.emplace_back(path, 0400 | below(010000));
      }
    }
    all.push_back(path);
  }
  for (const auto& [path, mode] : modes) ::chmod(path.c_str(), mode);
  for (auto path = all.rbegin(); path != all.rend(); ++path) {
    const std::int64_t seconds = static_cast<std::int64_t>(below(4'000'000'000)) - 1'000'000'000;
    set_mtime(*path, below(3) == 0 ? seconds * 1'000'000'000
                                   : seconds * 1'000'000'000 + static_cast<std::int64_t>(below(1'000'000'000)));
  }
  ::chmod(root.c_str(), 0750);
  set_mtime(root, 1'234'567'890'123'456'789);
}

}  // namespace swarm::tests
