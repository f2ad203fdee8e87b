#include "daemon/providers/local/launcher/spec.hpp"

#include <charconv>

namespace swarm::local {
namespace {

/// Appends words, each with its NUL.
class Writer {
 public:
  Writer& operator<<(std::string_view word) {
    out.append(word);
    out.push_back('\0');
    return *this;
  }
  Writer& operator<<(std::uint64_t number) { return *this << std::string_view(std::to_string(number)); }
  std::string out;
};

/// Takes words off the front; `ok` turns false at the first that is missing or malformed.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] bool ok() const { return ok_; }

  std::string word() {
    const auto end = rest_.find('\0');
    if (end == std::string_view::npos) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    std::string result(rest_.substr(0, end));
    rest_.remove_prefix(end + 1);
    return result;
  }

  template <class T>
  T number() {
    const std::string text = word();
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) ok_ = false;
    return value;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

IdMapLine read_map(Reader& in) {
  IdMapLine line;
  line.inside = in.number<std::uint32_t>();
  line.outside = in.number<std::uint32_t>();
  line.count = in.number<std::uint32_t>();
  return line;
}

bool decode_one(const std::string& key, Reader& in, LaunchSpec& spec) {
  if (key == "cgroup") {
    spec.cgroup_procs.push_back(in.word());
  } else if (key == "rlimit") {
    Rlimit limit;
    limit.resource = in.number<int>();
    limit.soft = in.number<std::uint64_t>();
    limit.hard = in.number<std::uint64_t>();
    spec.rlimits.push_back(limit);
  } else if (key == "oom") {
    spec.oom_score_adj = in.number<int>();
  } else if (key == "direct") {
    spec.mapper = Mapper::direct;
  } else if (key == "newuidmap") {
    spec.mapper = Mapper::newuidmap;
    spec.newuidmap = in.word();
    spec.newgidmap = in.word();
  } else if (key == "uid") {
    spec.uids.push_back(read_map(in));
  } else if (key == "gid") {
    spec.gids.push_back(read_map(in));
  } else if (key == "forbid-userns") {
    spec.forbid_userns = true;
  } else if (key == "stage") {
    spec.stages.push_back(in.word());
  } else if (key == "memory") {
    spec.memory_bytes = in.number<std::uint64_t>();
  } else if (key == "mkdir") {
    MakeDir dir;
    dir.name = in.word();
    dir.uid = in.number<std::uint32_t>();
    dir.gid = in.number<std::uint32_t>();
    dir.mode = in.number<std::uint32_t>();
    spec.make_dirs.push_back(std::move(dir));
  } else if (key == "keep") {
    spec.keep_fds.push_back(in.number<int>());
  } else if (key == "clean") {
    spec.action = LaunchAction::clean;
  } else if (key == "measure") {
    spec.action = LaunchAction::measure;
    spec.init = in.number<pid_t>();
  } else if (key == "exec") {
    while (!in.done()) spec.argv.push_back(in.word());
  } else {
    return false;
  }
  return in.ok();
}

}  // namespace

std::string stage_path(std::size_t index) { return "/sys/" + std::to_string(index); }

std::string encode(const LaunchSpec& spec) {
  Writer out;
  for (const auto& path : spec.cgroup_procs) out << "cgroup" << path;
  for (const auto& limit : spec.rlimits)
    out << "rlimit" << static_cast<std::uint64_t>(limit.resource) << limit.soft << limit.hard;
  if (spec.oom_score_adj != 0) out << "oom" << std::string_view(std::to_string(spec.oom_score_adj));
  if (spec.mapper == Mapper::direct) out << "direct";
  if (spec.mapper == Mapper::newuidmap) out << "newuidmap" << spec.newuidmap << spec.newgidmap;
  for (const auto& line : spec.uids)
    out << "uid" << std::uint64_t{line.inside} << std::uint64_t{line.outside} << std::uint64_t{line.count};
  for (const auto& line : spec.gids)
    out << "gid" << std::uint64_t{line.inside} << std::uint64_t{line.outside} << std::uint64_t{line.count};
  if (spec.forbid_userns) out << "forbid-userns";
  for (const auto& path : spec.stages) out << "stage" << path;
  if (spec.memory_bytes != 0) out << "memory" << spec.memory_bytes;
  for (const auto& dir : spec.make_dirs)
    out << "mkdir" << dir.name << std::uint64_t{dir.uid} << std::uint64_t{dir.gid} << std::uint64_t{dir.mode};
  for (const int fd : spec.keep_fds) out << "keep" << static_cast<std::uint64_t>(fd);
  if (spec.action == LaunchAction::clean) {
    out << "clean";
  } else if (spec.action == LaunchAction::measure) {
    out << "measure" << static_cast<std::uint64_t>(spec.init);
  } else {
    out << "exec";
    for (const auto& word : spec.argv) out << word;
  }
  return std::move(out.out);
}

bool decode(std::string_view bytes, LaunchSpec& spec) {
  spec = {};
  Reader in(bytes);
  while (!in.done()) {
    const std::string key = in.word();
    if (!in.ok() || !decode_one(key, in, spec)) return false;
  }
  if (spec.action == LaunchAction::measure && spec.init <= 0) return false;
  return spec.action == LaunchAction::exec ? !spec.argv.empty() : spec.argv.empty();
}

}  // namespace swarm::local
