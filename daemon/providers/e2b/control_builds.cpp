#include <fmt/format.h>

#include "daemon/providers/e2b/control.hpp"
#include "protocol/http/url.hpp"

namespace swarm::e2b {
namespace {

using namespace std::chrono_literals;
using http_client::escape;

constexpr std::size_t kBuildAnswerMost = std::size_t{1} << 20U;
// The address is good for half an hour.
constexpr Duration kUploadMost = 30min;

std::string build_path(const BuildRef& build, std::string_view more = "") {
  return fmt::format("/templates/{}/builds/{}{}", escape(build.template_id), escape(build.build_id), more);
}

}  // namespace

async::Task<Result<BuildRef>> Control::request_build(std::string name, std::uint64_t cpus, std::uint64_t memory_mib) {
  Result<std::string> body = encode_build_request(name, cpus, memory_mib);
  if (!body) co_return fail(body.error());
  const Outcome outcome = co_await once({.method = "POST", .path = "/v3/templates", .body = std::move(*body)});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_build(outcome->body);
}

async::Task<Result<FilesAddress>> Control::files_address(std::string template_id, std::string hash) {
  const Outcome outcome = co_await call(
      {.method = "GET", .path = fmt::format("/templates/{}/files/{}", escape(template_id), escape(hash)), .body = {}});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_files_address(outcome->body);
}

async::Task<Result<void>> Control::upload(std::string url, std::unique_ptr<wire::ByteSource> archive,
                                          std::uint64_t size) {
  http_client::Request request{.method = "PUT",
                               .url = std::move(url),
                               .upload = std::move(archive),
                               .upload_bytes = size,
                               .patience = {.connect = 10s, .answer = 5min, .silence = 60s, .total = kUploadMost},
                               .version = http_client::Version::http1,
                               .repeat = http_client::Repeat::never};
  auto response = co_await client_.send(std::move(request));
  if (!response) co_return fail(response.error());
  const Result<std::string> body = co_await (*response)->read_all(kBuildAnswerMost);
  const int status = (*response)->status();
  if (status >= 200 && status < 300) co_return {};
  const std::string said = body ? decode_error(*body).message : "";
  co_return fail(Code::unavailable,
                 fmt::format("the files were not taken: HTTP {}{}{}", status, said.empty() ? "" : ": ", said));
}

async::Task<Result<void>> Control::start_build(BuildRef build, NewBuild what) {
  Result<std::string> body = encode(what);
  if (!body) co_return fail(body.error());
  const Outcome outcome =
      co_await once({.method = "POST", .path = "/v2" + build_path(build), .body = std::move(*body)});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return {};
}

async::Task<Result<BuildStatus>> Control::build_status(BuildRef build, std::uint64_t from_line) {
  const Outcome outcome =
      co_await call({.method = "GET",
                     .path = build_path(build, fmt::format("/status?logsOffset={}&limit=100", from_line)),
                     .body = {}});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_build_status(outcome->body);
}

async::Task<Result<std::string>> Control::newest_build(std::string template_id) {
  const Outcome outcome = co_await call({.method = "GET", .path = "/templates/" + escape(template_id), .body = {}});
  if (!outcome) co_return fail(outcome.error().refusal.error);
  co_return decode_newest_build(outcome->body);
}

async::Task<Result<void>> Control::remove_template(std::string template_id) {
  Result<void> removed = co_await order({.method = "DELETE", .path = "/templates/" + escape(template_id), .body = {}});
  co_return removed;
}

}  // namespace swarm::e2b
