#include "agentd/panes/labour.hpp"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>

namespace swarm::agentd::panes {
namespace {

struct Use {
  unsigned long long ticks = 0;
  bool waits_for_processor = false;
};

/// Of one thread; see proc(5). The name, in parentheses, may hold anything.
Use use_of(const std::filesystem::path& stat) {
  std::ifstream in(stat);
  std::string line;
  std::getline(in, line);
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || name_end + 2 >= line.size()) return {};
  Use use;
  const char state = line[name_end + 2];
  use.waits_for_processor = state == 'R' || state == 'D';
  constexpr int kUserTime = 14;
  constexpr int kSystemTime = 15;
  std::size_t at = name_end + 2;
  for (int field = 3; field <= kSystemTime; ++field) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    if (field >= kUserTime) {
      unsigned long long ticks = 0;
      std::from_chars(line.data() + at, line.data() + end, ticks);
      use.ticks += ticks;
    }
    if (end == line.size()) break;
    at = end + 1;
  }
  return use;
}

}  // namespace

void Labour::look(MonoTime now) {
  if (pid_ <= 0) return;
  Use all;
  std::error_code error;
  for (std::filesystem::directory_iterator it(fmt::format("/proc/{}/task", pid_), error), end; !error && it != end;
       it.increment(error)) {
    const Use one = use_of(it->path() / "stat");
    all.ticks += one.ticks;
    all.waits_for_processor = all.waits_for_processor || one.waits_for_processor;
  }
  if (all.ticks != ticks_ || all.waits_for_processor) worked_ = now;
  ticks_ = all.ticks;
}

}  // namespace swarm::agentd::panes
