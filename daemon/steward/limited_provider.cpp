#include "daemon/steward/limited_provider.hpp"

#include "daemon/steward/steward.hpp"

namespace swarm::steward {
namespace {

using limits::Priority;

// A call that has not been let through by then fails; whoever made it tries again.
constexpr Duration kPatience = std::chrono::minutes(2);

}  // namespace

LimitedProvider::LimitedProvider(providers::Provider& provider, limits::Limiters& limiters, const Clock& clock)
    : provider_(provider), limiters_(limiters), clock_(clock), key_(api_key(provider.name())) {}

async::Task<Result<limits::Permit>> LimitedProvider::leave(Priority priority) {
  Result<limits::Permit> permit =
      co_await limiters_.acquire(key_, {.priority = priority, .deadline = clock_.now() + kPatience});
  co_return permit;
}

/// `call` has not begun: tasks are lazy.
template <class T>
async::Task<Result<T>> LimitedProvider::limited(Priority priority, async::Task<Result<T>> call) {
  const Result<limits::Permit> permit = co_await leave(priority);
  if (!permit) co_return fail(permit.error());
  Result<T> answer = co_await std::move(call);
  if (!answer && answer.error().code == Code::resource_exhausted) {
    permit->throttled(provider_.retry_after());
  } else {
    permit->succeeded();
  }
  co_return answer;
}

async::Task<providers::CreateOutcome> LimitedProvider::create(providers::CreateSpec spec) {
  const Result<limits::Permit> permit = co_await leave(Priority::normal);
  if (!permit) {
    co_return providers::CreateOutcome{.kind = providers::CreateOutcome::Kind::refused, .error = permit.error()};
  }
  providers::CreateOutcome made = co_await provider_.create(std::move(spec));
  permit->succeeded();  // a 429 of a create is about creating
  co_return made;
}

async::Task<Result<void>> LimitedProvider::prepare(std::string ref, providers::CreateSpec spec) {
  return provider_.prepare(std::move(ref), std::move(spec));  // speaks to the sandbox, not to the API
}
async::Task<Result<std::vector<providers::Listed>>> LimitedProvider::list() {
  return limited(Priority::background, provider_.list());
}
async::Task<Result<bool>> LimitedProvider::is_gone(std::string ref) {
  return limited(Priority::background, provider_.is_gone(std::move(ref)));
}
async::Task<Result<void>> LimitedProvider::kill(std::string ref) {
  return limited(Priority::urgent, provider_.kill(std::move(ref)));
}
async::Task<Result<void>> LimitedProvider::pause(std::string ref) {
  return limited(Priority::urgent, provider_.pause(std::move(ref)));
}
async::Task<Result<void>> LimitedProvider::resume(std::string ref) {
  return limited(Priority::normal, provider_.resume(std::move(ref)));
}
async::Task<Result<void>> LimitedProvider::extend(std::string ref, Duration lifetime) {
  return limited(Priority::urgent, provider_.extend(std::move(ref), lifetime));
}
async::Task<Result<std::unique_ptr<transport::Stream>>> LimitedProvider::dial(std::string ref) {
  return provider_.dial(std::move(ref));
}
async::Task<Result<api::SandboxMetrics>> LimitedProvider::metrics(std::string ref) {
  return limited(Priority::background, provider_.metrics(std::move(ref)));
}
async::Task<> LimitedProvider::gone(std::string ref) { return provider_.gone(std::move(ref)); }
async::Task<std::optional<WallTime>> LimitedProvider::ended_at(std::string ref) {
  return provider_.ended_at(std::move(ref));
}
async::Task<std::optional<providers::Overrun>> LimitedProvider::overrun(std::string ref) {
  return provider_.overrun(std::move(ref));
}
async::Task<Result<std::vector<api::LimitStatus>>> LimitedProvider::limit_disk(std::string ref, std::uint64_t bytes) {
  return limited(Priority::urgent, provider_.limit_disk(std::move(ref), bytes));
}
async::Task<std::vector<std::string>> LimitedProvider::remarks() { return provider_.remarks(); }
async::Task<std::vector<std::string>> LimitedProvider::problems() { return provider_.problems(); }

}  // namespace swarm::steward
