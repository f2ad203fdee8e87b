#include "daemon/sandbox/demand.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace swarm::sandbox {
namespace {

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

const double kDecay = std::log(2.0) / std::chrono::duration<double>(Demand::kHalfLife).count();

// A creation counts for a fifth of the average: a single slow one does not double the pool.
constexpr double kCreationWeight = 0.2;

}  // namespace

double Demand::rate() const { return rate_ * std::exp(-kDecay * seconds(clock_.now() - last_)); }

void Demand::claimed() {
  // An event adds kDecay at once and fades: over time the sum is the number of events a second.
  rate_ = rate() + kDecay;
  last_ = clock_.now();
}

void Demand::created(Duration took) {
  creation_ = creation_ == Duration{0}
                  ? took
                  : std::chrono::duration_cast<Duration>(creation_ * (1 - kCreationWeight) + took * kCreationWeight);
}

std::uint32_t Demand::target(std::uint32_t min_ready, std::uint32_t max_ready) const {
  const double expected = rate() * seconds(creation_);
  const double wanted = std::ceil(expected + 2 * std::sqrt(expected));
  return std::clamp(static_cast<std::uint32_t>(std::min(wanted, 1e6)), min_ready, std::max(min_ready, max_ready));
}

std::string Demand::explain(std::uint32_t min_ready, std::uint32_t max_ready) const {
  return fmt::format("{:.2g} claims a second, {} ms to make one: {} ready (at least {}, at most {})", rate(),
                     std::chrono::duration_cast<std::chrono::milliseconds>(creation_).count(),
                     target(min_ready, max_ready), min_ready, max_ready);
}

}  // namespace swarm::sandbox
