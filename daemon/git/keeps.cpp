#include "daemon/git/keeps.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "protocol/async/blocking.hpp"

namespace swarm::git {

namespace fs = std::filesystem;

std::shared_ptr<Keep> Keeps::opened(const std::string& directory) {
  const auto known = opened_.find(directory);
  return known == opened_.end() ? nullptr : known->second.lock();
}

async::Task<Result<std::shared_ptr<Keep>>> Keeps::open(std::string directory, Missing missing) {
  if (auto known = opened(directory)) co_return known;
  const auto turn = co_await turn_.take();
  if (auto known = opened(directory)) co_return known;  // somebody was faster
  std::error_code problem;
  if (missing == Missing::refuse && !fs::exists(directory + "/HEAD", problem)) {
    co_return fail(Code::not_found, fmt::format("there is no repository '{}'", directory));
  }
  Result<std::unique_ptr<Keep>> made = co_await Keep::open(program_, directory, limits_);
  if (!made) co_return fail(made.error());
  std::erase_if(opened_, [](const auto& known) { return known.second.expired(); });
  std::shared_ptr<Keep> keep = std::move(*made);
  opened_[directory] = keep;
  co_return keep;
}

async::Task<Result<void>> Keeps::remove(std::string directory) {
  for (;;) {
    if (const auto keep = opened(directory)) {
      const auto last = co_await keep->turn_.take();  // what is being received comes in whole, and goes with the rest
      keep->removed_ = true;
      if (opened(directory) == keep) opened_.erase(directory);
    }
    const auto turn = co_await turn_.take();
    if (opened(directory) != nullptr) continue;  // opened again meanwhile
    co_return co_await async::run_blocking(program_.loop(), [directory]() -> Result<void> {
      // By another name first: half a repository must not be taken for one, whenever this ends.
      const std::string gone = directory + ".gone";
      std::error_code problem;
      fs::remove_all(gone, problem);
      if (!problem && fs::exists(directory, problem)) fs::rename(directory, gone, problem);
      for (const char* left : {".gone", ".draft", ".scratch", ".look"}) {
        if (!problem) fs::remove_all(directory + left, problem);
      }
      if (problem) return fail(Code::internal, fmt::format("cannot remove '{}': {}", directory, problem.message()));
      return {};
    });
  }
}

}  // namespace swarm::git
