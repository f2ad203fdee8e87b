#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace swarm::store {

/// Ends a subscription when destroyed. May outlive what it listens to.
class [[nodiscard]] Subscription {
 public:
  Subscription() = default;
  explicit Subscription(std::shared_ptr<void> end) : end_(std::move(end)) {}

 private:
  std::shared_ptr<void> end_;
};

/// Functions that are called with each T. One thread. A listener may come or go while they are called; one that comes
/// then is called from the next time on.
template <class T>
class Listeners {
 public:
  using Function = std::function<void(const T&)>;

  Subscription add(Function function) {
    const std::uint64_t id = ++state_->last_id;
    state_->functions.emplace(id, std::make_shared<Function>(std::move(function)));
    const auto remove = [weak = std::weak_ptr<State>(state_), id](void*) {
      if (const auto state = weak.lock()) state->functions.erase(id);
    };
    // Only the deleter matters.
    return Subscription(std::shared_ptr<void>(state_.get(), remove));
  }

  void call(const T& value) {
    const std::shared_ptr<State> state = state_;
    const std::uint64_t last = state->last_id;
    for (auto it = state->functions.begin(); it != state->functions.end() && it->first <= last;) {
      const std::uint64_t id = it->first;
      const std::shared_ptr<Function> function = it->second;  // it may remove itself
      (*function)(value);
      it = state->functions.upper_bound(id);
    }
  }

 private:
  struct State {
    std::uint64_t last_id = 0;
    std::map<std::uint64_t, std::shared_ptr<Function>> functions;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace swarm::store
