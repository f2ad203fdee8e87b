#pragma once
// What every benchmark program shares: samples, percentiles, one line a figure, and the JSON file.

#include <string>
#include <vector>

#include "protocol/core/clock.hpp"
#include "protocol/core/error.hpp"

namespace swarm::bench {

/// Durations of one thing, measured again and again.
class Samples {
 public:
  void add(Duration d) { values_.push_back(d); }
  [[nodiscard]] std::size_t size() const { return values_.size(); }
  /// The sample below which `percent` of all lie; 0 when there is none.
  [[nodiscard]] Duration percentile(double percent) const;

 private:
  mutable std::vector<Duration> values_;
  mutable std::size_t sorted_ = 0;
};

/// One figure beside its rival. `unit` says which way is better by itself ("us", "jobs/s").
struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
  std::string rival;
  double rival_value = 0;
};

/// Collects figures, prints each at once.
class Report {
 public:
  void add(Figure figure);
  /// Median and p99 in microseconds as two figures, with the number of samples on the printed line.
  void add_latency(const std::string& name, const Samples& ours, const std::string& rival, const Samples& theirs);
  /// Writes an array of {name, value, unit, rival, rival_value, ratio}; figures of other programs that are in the file
  /// already stay, those of the same name are replaced.
  [[nodiscard]] Result<void> write_json(const std::string& path) const;

 private:
  std::vector<Figure> figures_;
};

/// The path after `--json`, or empty. Exits with a usage line at anything else.
std::string json_path_from(int argc, char** argv);

}  // namespace swarm::bench
