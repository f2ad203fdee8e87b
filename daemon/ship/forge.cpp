#include "daemon/ship/forge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/core/utf8.hpp"
#include "protocol/http/url.hpp"

namespace swarm::ship {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

constexpr std::size_t kMostAnswer = std::size_t{8} << 20U;
/// "If you receive a secondary rate limit and no retry-after, wait at least one minute."
constexpr Duration kSecondaryWait = 1min;
/// "... wait for an exponentially increasing amount of time between retries."
constexpr Duration kLongestGuess = 1h;
/// Clocks differ.
constexpr Duration kResetSlack = 1s;
constexpr Duration kLongestWait = 2h;
constexpr http_client::Patience kPatience{.connect = 10s, .answer = 30s, .silence = 30s, .total = 2min};

std::optional<std::int64_t> number_of(const std::optional<std::string>& text) {
  if (!text || text->empty() || text->find_first_not_of("0123456789") != std::string::npos || text->size() > 12) {
    return std::nullopt;
  }
  return std::strtoll(text->c_str(), nullptr, 10);
}

/// The service's own words.
std::string words_of(const std::string& body) {
  const Json parsed = Json::parse(body, nullptr, false);
  if (!parsed.is_object()) return {};
  std::string words = parsed.value("message", Json()).is_string() ? parsed["message"].get<std::string>() : "";
  if (const auto errors = parsed.find("errors"); errors != parsed.end() && errors->is_array()) {
    for (const Json& each : *errors) {
      if (each.is_object() && each.contains("message") && each["message"].is_string()) {
        words += "; " + each["message"].get<std::string>();
      } else if (each.is_object() && each.contains("field") && each["field"].is_string()) {
        words += "; field '" + each["field"].get<std::string>() + "'";
      }
    }
  }
  return shown(words.substr(0, 1000));
}

std::unexpected<Setback> refuse(Code code, std::string message) {
  return std::unexpected(Setback{.error = fail(code, std::move(message)).error()});
}

std::unexpected<Setback> strange(std::string_view what) {
  return refuse(Code::internal, fmt::format("{}: the answer is not what GitHub's API says", what));
}

std::optional<Pull> pull_of(const Json& json) {
  const auto text = [](const Json& from, const char* key) {
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  if (!json.is_object() || !json.contains("number") || !json["number"].is_number_unsigned()) return std::nullopt;
  const auto base = json.find("base");
  return Pull{.number = json["number"].get<std::uint32_t>(),
              .url = text(json, "html_url"),
              .title = text(json, "title"),
              .body = text(json, "body"),
              .into = base != json.end() && base->is_object() ? text(*base, "ref") : ""};
}

/// A limiter's key: letters, digits and a few signs.
std::string key_of(const std::string& host) {
  std::string key = host;
  std::ranges::replace_if(
      key, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-'; }, '-');
  return key;
}

}  // namespace

Duration grown(Duration first, int before) {
  Duration wait = first;
  for (; before > 0 && wait < kLongestGuess; --before) wait *= 2;
  return std::min(wait, kLongestGuess);
}

Setback setback_of(const Refusal& refusal, WallTime now, std::string_view what) {
  const std::string words = words_of(refusal.body);
  const std::string told = words.empty() ? fmt::format("status {}", refusal.status) : words;
  const auto wait_for = [&](Duration wait, std::string_view which) {
    wait = std::clamp(wait, Duration(1s), kLongestWait);
    Error error = fail(Code::resource_exhausted, fmt::format("{}: {}: {}", what, which, told)).error();
    error.retryable = true;
    return Setback{.error = std::move(error), .wait = wait};
  };
  if (refusal.status == 403 || refusal.status == 429) {
    const std::optional<std::int64_t> seconds = number_of(refusal.retry_after);
    const std::optional<std::int64_t> reset = number_of(refusal.reset);
    if (seconds) return wait_for(std::chrono::seconds(*seconds), "a rate limit of the service");
    if (refusal.remaining == "0" && reset) {
      const Duration until = std::chrono::microseconds(*reset * 1'000'000 - now.us);
      return wait_for(until + kResetSlack, "the hourly limit of the service");
    }
    const bool secondary = refusal.body.find("secondary rate limit") != std::string::npos ||
                           refusal.body.find("abuse detection") != std::string::npos;
    if (secondary || refusal.status == 429) {
      Setback told_nothing = wait_for(kSecondaryWait, "a rate limit of the service");
      told_nothing.guessed = true;
      return told_nothing;
    }
  }
  const auto with = [&](Code code, std::string_view why) {
    return Setback{.error = fail(code, fmt::format("{}: {}: {}", what, why, told)).error()};
  };
  switch (refusal.status) {
    case 401:
      return with(Code::unauthenticated, "the token is not accepted");
    case 403:
      return with(Code::permission_denied, "the token does not allow it");
    case 404:
      return with(Code::not_found, "there is no such repository, or the token may not see it");
    case 409:
    case 422: {
      const bool there = words.find("already exists") != std::string::npos;
      return with(there ? Code::already_exists : Code::failed_precondition, "it was refused");
    }
    default:
      if (refusal.status >= 500) {
        const std::optional<std::int64_t> seconds = number_of(refusal.retry_after);
        if (seconds) return wait_for(std::chrono::seconds(*seconds), "the service is not available");
        return with(Code::unavailable, "the service is not available");
      }
      return with(Code::failed_precondition, fmt::format("status {}", refusal.status));
  }
}

std::string Forge::repository() const {
  // An owner of several parts (a group in a group) is not GitHub's, but stays what it is.
  return fmt::format("/repos/{}/{}", with_.remote.owner, http_client::escape(with_.remote.name));
}

async::Task<Answer<std::string>> Forge::call(std::string method, std::string path, std::string body, std::string what) {
  // Reads and writes have limits of their own: "at least one second between requests that change something".
  const std::string key = fmt::format("github/{}/{}", method == "GET" ? "read" : "write", key_of(with_.remote.host));
  const limits::Ask ask{.priority = limits::Priority::urgent, .swarm = with_.swarm, .deadline = std::nullopt};
  Result<limits::Permit> permit = co_await with_.limiters.acquire(key, ask);
  if (!permit) co_return std::unexpected(Setback{.error = permit.error()});
  http_client::Request request{.method = method,
                               .url = with_.service.api_url + path,
                               .headers = {{.name = "Accept", .value = "application/vnd.github+json"},
                                           {.name = "X-GitHub-Api-Version", .value = "2022-11-28"}},
                               .body = std::move(body),
                               .upload = nullptr,
                               .upload_bytes = {},
                               .patience = kPatience};
  if (!request.body.empty()) request.headers.push_back({.name = "Content-Type", .value = "application/json"});
  request.headers.push_back(
      {.name = "Authorization", .value = fmt::format("Bearer {}", with_.credential->password.reveal())});
  auto sending = with_.client.send(std::move(request));
  Result<std::unique_ptr<http_client::Response>> response = co_await std::move(sending);
  if (!response) {
    permit->succeeded();
    Error error = response.error().with_context(what);
    error.retryable = error.code == Code::unavailable || error.code == Code::deadline_exceeded;
    co_return std::unexpected(Setback{.error = std::move(error)});
  }
  Refusal refusal{.status = (*response)->status(),
                  .body = {},
                  .retry_after = (*response)->header("retry-after"),
                  .remaining = (*response)->header("x-ratelimit-remaining"),
                  .reset = (*response)->header("x-ratelimit-reset")};
  Result<std::string> text = co_await (*response)->read_all(kMostAnswer);
  if (!text) {
    permit->succeeded();
    co_return std::unexpected(Setback{.error = text.error().with_context(what)});
  }
  if (refusal.status >= 200 && refusal.status < 300) {
    permit->succeeded();
    co_return std::move(*text);
  }
  refusal.body = std::move(*text);
  Setback setback = setback_of(refusal, with_.loop.clock().wall(), what);
  if (setback.wait) {
    permit->throttled(*setback.wait);
  } else {
    permit->succeeded();
  }
  co_return std::unexpected(std::move(setback));
}

async::Task<Answer<std::string>> Forge::default_branch() {
  const std::string what = "look at the repository";
  const Answer<std::string> text = co_await call("GET", repository(), "", what);
  if (!text) co_return std::unexpected(text.error());
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_object() || !json.value("default_branch", Json()).is_string()) co_return strange(what);
  co_return json["default_branch"].get<std::string>();
}

async::Task<Answer<std::optional<Pull>>> Forge::find(std::string branch, std::string into) {
  const std::string what = "look for the pull request";
  const std::string owner = with_.remote.owner;
  const Answer<std::string> text =
      co_await call("GET",
                    fmt::format("{}/pulls?state=open&per_page=100&head={}&base={}", repository(),
                                http_client::escape(owner + ":" + branch), http_client::escape(into)),
                    "", what);
  if (!text) co_return std::unexpected(text.error());
  const Json json = Json::parse(*text, nullptr, false);
  if (!json.is_array()) co_return strange(what);
  for (const Json& each : json) {
    // A service that does not know the filters answers with all of them.
    const auto head = each.find("head");
    const bool same = head != each.end() && head->is_object() && head->value("ref", Json()) == branch;
    std::optional<Pull> pull = pull_of(each);
    if (!same || !pull || (!pull->into.empty() && pull->into != into)) continue;
    co_return pull;
  }
  co_return std::optional<Pull>();
}

async::Task<Answer<Pull>> Forge::open(PullWish wish) {
  const std::string what = "open a pull request";
  const Json body{{"title", wish.title}, {"head", wish.branch}, {"base", wish.into},
                  {"body", wish.body},   {"draft", wish.draft}, {"maintainer_can_modify", true}};
  const Answer<std::string> text = co_await call("POST", repository() + "/pulls", body.dump(), what);
  if (!text) co_return std::unexpected(text.error());
  std::optional<Pull> pull = pull_of(Json::parse(*text, nullptr, false));
  if (!pull) co_return strange(what);
  co_return std::move(*pull);
}

async::Task<Answer<Pull>> Forge::update(std::uint32_t number, PullWish wish) {
  const std::string what = fmt::format("update pull request {}", number);
  const Json body{{"title", wish.title}, {"body", wish.body}};
  const Answer<std::string> text =
      co_await call("PATCH", fmt::format("{}/pulls/{}", repository(), number), body.dump(), what);
  if (!text) co_return std::unexpected(text.error());
  std::optional<Pull> pull = pull_of(Json::parse(*text, nullptr, false));
  if (!pull) co_return strange(what);
  co_return std::move(*pull);
}

async::Task<Answer<bool>> Forge::label(std::uint32_t number, std::vector<std::string> labels) {
  const std::string what = fmt::format("label pull request {}", number);
  const Answer<std::string> text = co_await call("POST", fmt::format("{}/issues/{}/labels", repository(), number),
                                                 Json{{"labels", labels}}.dump(), what);
  if (!text) co_return std::unexpected(text.error());
  co_return true;
}

async::Task<Answer<bool>> Forge::close(std::uint32_t number) {
  const std::string what = fmt::format("close pull request {}", number);
  const Answer<std::string> text =
      co_await call("PATCH", fmt::format("{}/pulls/{}", repository(), number), Json{{"state", "closed"}}.dump(), what);
  if (!text) co_return std::unexpected(text.error());
  co_return true;
}

}  // namespace swarm::ship
