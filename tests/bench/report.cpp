#include "tests/bench/report.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

namespace swarm::bench {
namespace {

double microseconds(Duration d) { return static_cast<double>(d.count()) / 1000.0; }

double ratio(const Figure& figure) { return figure.rival_value == 0 ? 0 : figure.value / figure.rival_value; }

}  // namespace

Duration Samples::percentile(double percent) const {
  if (values_.empty()) return {};
  if (sorted_ != values_.size()) {
    std::ranges::sort(values_);
    sorted_ = values_.size();
  }
  const auto index = static_cast<std::size_t>(percent / 100.0 * static_cast<double>(values_.size()));
  return values_[std::min(index, values_.size() - 1)];
}

void Report::add(Figure figure) {
  fmt::print("{:<44} {:>12.2f} {:<7} {:<28} {:>12.2f}  x{:.2f}\n", figure.name, figure.value, figure.unit, figure.rival,
             figure.rival_value, ratio(figure));
  std::fflush(stdout);
  figures_.push_back(std::move(figure));
}

void Report::add_latency(const std::string& name, const Samples& ours, const std::string& rival,
                         const Samples& theirs) {
  for (const auto& [label, percent] : {std::pair{"p50", 50.0}, std::pair{"p99", 99.0}}) {
    add({.name = fmt::format("{} {} (n={})", name, label, ours.size()),
         .value = microseconds(ours.percentile(percent)),
         .unit = "us",
         .rival = rival,
         .rival_value = microseconds(theirs.percentile(percent))});
  }
}

Result<void> Report::write_json(const std::string& path) const {
  nlohmann::json all = nlohmann::json::array();
  if (std::ifstream in(path); in) {
    auto before = nlohmann::json::parse(in, nullptr, /*allow_exceptions=*/false);
    if (!before.is_array())
      return fail(Code::failed_precondition, fmt::format("'{}' is not an array of figures", path));
    for (auto& entry : before) {
      const std::string name = entry.value("name", "");
      if (std::ranges::find(figures_, name, &Figure::name) == figures_.end()) all.push_back(std::move(entry));
    }
  }
  for (const Figure& f : figures_) {
    all.push_back({{"name", f.name},
                   {"value", f.value},
                   {"unit", f.unit},
                   {"rival", f.rival},
                   {"rival_value", f.rival_value},
                   {"ratio", ratio(f)}});
  }
  std::ofstream out(path, std::ios::trunc);
  out << all.dump(2) << '\n';
  out.flush();
  if (!out) return fail(Code::unavailable, fmt::format("cannot write '{}'", path));
  return {};
}

std::string json_path_from(int argc, char** argv) {
  if (argc == 1) return {};
  if (argc == 3 && std::string_view(argv[1]) == "--json") return argv[2];
  fmt::print(stderr, "usage: {} [--json FILE]\n", argv[0]);
  std::exit(2);
}

}  // namespace swarm::bench
