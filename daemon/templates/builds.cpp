#include "daemon/templates/builds.hpp"

#include <fmt/format.h>

#include <fcntl.h>

#include "protocol/async/blocking.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/async/timer.hpp"

namespace swarm::templates {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr Duration kFirstPause = 200ms;  // between two looks at a build
constexpr Duration kMostPause = 2s;
constexpr std::size_t kChunk = std::size_t{256} << 10U;

/// An archive that goes when it was sent.
class Archive final : public wire::ByteSource {
 public:
  Archive(async::Loop& loop, UniqueFd fd) : file_(loop, std::move(fd)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    std::string chunk(kChunk, '\0');
    const Result<std::size_t> got = co_await file_.read(std::as_writable_bytes(std::span(chunk)));
    if (!got) co_return fail(got.error());
    if (*got == 0) co_return std::nullopt;
    chunk.resize(*got);
    co_return std::optional(std::move(chunk));
  }

 private:
  async::Fd file_;
};

struct Written {
  UniqueFd fd;
  std::uint64_t size = 0;
};

/// Writes it to a file that has no name any more: nothing of it stays, whatever happens.
Result<Written> write_nameless(const Files& files, const fs::path& scratch) {
  const fs::path path = scratch / fmt::format(".template-{}-{}", files.hash.substr(0, 16), ::getpid());
  std::error_code ignored;
  fs::remove(path, ignored);
  Result<void> written = write_archive(files, path);
  if (written) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const std::uint64_t size = fs::file_size(path, ignored);
    fs::remove(path, ignored);
    if (!fd) return fail_errno("open", path.native());
    return Written{.fd = std::move(fd), .size = size};
  }
  fs::remove(path, ignored);
  return fail(written.error());
}

api::TemplateBuildLine line_of(const e2b::BuildRef& build, const e2b::BuildLine& line) {
  return {.template_id = build.template_id,
          .build = build.build_id,
          .time_us = line.time.us,
          .level = line.level,
          .message = line.message,
          .step = line.step.empty() ? std::nullopt : std::optional(line.step)};
}

}  // namespace

Builds::Builds(async::Loop& loop, std::optional<e2b::Settings> settings, fs::path bundle, fs::path scratch)
    : loop_(loop), bundle_(std::move(bundle)), scratch_(std::move(scratch)), settings_(std::move(settings)) {
  if (!settings_) return;
  client_ = std::make_unique<http_client::Client>(
      loop_, http_client::ClientOptions{.user_agent = settings_->user_agent, .ca_file = settings_->ca_file});
  control_ = std::make_unique<e2b::Control>(loop_, *client_, random_,
                                            e2b::ControlOptions{.api_url = settings_->api_url, .key = settings_->key});
}

Result<e2b::Control*> Builds::control() {
  if (control_) return control_.get();
  return fail(Code::failed_precondition,
              "templates are built at E2B, and provider e2b is not enabled: set E2B_API_KEY, or provider.e2b.enabled");
}

async::Task<Result<Plan>> Builds::plan(api::TemplateBuildRequest request) {
  Result<Plan> read = co_await async::run_blocking(
      loop_, [request = std::move(request), bundle = bundle_] { return read_plan(request, bundle); });
  co_return read;
}

async::Task<Result<api::TemplateCheckReply>> Builds::check(api::TemplateBuildRequest request) {
  const Result<Plan> read = co_await plan(std::move(request));
  if (!read) co_return fail(read.error());
  api::TemplateCheckReply reply{.name = read->name,
                                .from = read->image.empty() ? read->from_template : read->image,
                                .from_image = !read->image.empty(),
                                .start = read->start,
                                .ready = read->ready,
                                .cpus = read->cpus,
                                .memory_mib = read->memory_mib};
  for (const Plan::PlannedStep& step : read->steps) {
    api::TemplateStep one{.type = step.step.type, .args = step.step.args};
    if (step.files) {
      one.hash = step.files->hash;
      one.size_bytes = step.files->size_bytes;
    }
    reply.steps.push_back(std::move(one));
  }
  co_return reply;
}

async::Task<Result<bool>> Builds::send(e2b::Control& control, std::string template_id, Files files) {
  const Result<e2b::FilesAddress> address = co_await control.files_address(template_id, files.hash);
  if (!address) co_return fail(address.error());
  if (address->present) co_return false;
  Result<Written> archive = co_await async::run_blocking(
      loop_, [files = std::move(files), scratch = scratch_] { return write_nameless(files, scratch); });
  if (!archive) co_return fail(archive.error());
  const Result<void> sent =
      co_await control.upload(address->url, std::make_unique<Archive>(loop_, std::move(archive->fd)), archive->size);
  if (!sent) co_return fail(sent.error());
  co_return true;
}

async::Task<Result<api::TemplateBuildReply>> Builds::build(api::TemplateBuildRequest request, Tell tell) {
  const Tell heard = std::move(tell);
  const Result<e2b::Control*> service = control();
  if (!service) co_return fail(service.error());
  const bool force = request.force;
  const Result<Plan> read = co_await plan(std::move(request));
  if (!read) co_return fail(read.error());
  const Result<e2b::BuildRef> made = co_await (*service)->request_build(read->name, read->cpus, read->memory_mib);
  if (!made) co_return fail(made.error(), "build");
  const e2b::BuildRef build = *made;
  api::TemplateBuildReply reply{.template_id = build.template_id, .build = build.build_id};
  e2b::NewBuild what{.image = read->image,
                     .from_template = read->from_template,
                     .steps = {},
                     .start = read->start,
                     .ready = read->ready,
                     .force = force};
  for (const Plan::PlannedStep& step : read->steps) {
    what.steps.push_back(
        {.type = step.step.type, .args = step.step.args, .files_hash = step.files ? step.files->hash : std::string()});
    if (!step.files) continue;
    const Result<bool> sent = co_await send(**service, build.template_id, *step.files);
    if (!sent) co_return fail(sent.error(), fmt::format("COPY {}", step.step.args[0]));
    (*sent ? reply.uploaded_bytes : reply.cached_bytes) += step.files->size_bytes;
    const std::string told =
        fmt::format("{} '{}' ({} bytes)", *sent ? "sent" : "already there:", step.step.args[0], step.files->size_bytes);
    heard(line_of(build, {.time = loop_.clock().wall(), .level = "info", .message = told, .step = {}}));
  }
  const Result<void> started = co_await (*service)->start_build(build, std::move(what));
  if (!started) co_return fail(started.error(), "build");
  std::uint64_t seen = 0;
  for (Duration pause = kFirstPause;;) {
    const Result<e2b::BuildStatus> status = co_await (*service)->build_status(build, seen);
    if (!status) {
      co_return fail(status.error(),
                     fmt::format("the build goes on (template.logs of {} {})", build.template_id, build.build_id));
    }
    seen += status->lines.size();
    for (const e2b::BuildLine& line : status->lines) heard(line_of(build, line));
    const bool over = status->status == "ready" || status->status == "error";
    if (over && status->lines.empty()) {
      if (status->status == "ready") co_return reply;
      co_return fail(Code::failed_precondition,
                     fmt::format("the build of '{}' failed: {}", read->name,
                                 status->reason.empty() ? "E2B gives no reason" : status->reason));
    }
    if (!status->lines.empty()) {
      pause = kFirstPause;
      continue;
    }
    co_await async::sleep_for(loop_, pause);
    pause = std::min(pause * 2, kMostPause);
  }
}

async::Task<Result<api::TemplateLogsReply>> Builds::logs(api::TemplateLogsRequest request) {
  const Result<e2b::Control*> service = control();
  if (!service) co_return fail(service.error());
  e2b::BuildRef build{.template_id = request.template_id, .build_id = request.build.value_or("")};
  if (build.build_id.empty()) {
    const Result<std::string> newest = co_await (*service)->newest_build(build.template_id);
    if (!newest) co_return fail(newest.error());
    build.build_id = *newest;
  }
  api::TemplateLogsReply reply{.build = build.build_id};
  for (;;) {
    const Result<e2b::BuildStatus> status = co_await (*service)->build_status(build, reply.lines.size());
    if (!status) co_return fail(status.error());
    reply.status = status->status;
    for (const e2b::BuildLine& line : status->lines) reply.lines.push_back(line_of(build, line));
    if (status->lines.empty() || reply.lines.size() > 100'000) co_return reply;
  }
}

async::Task<Result<api::Empty>> Builds::remove(api::TemplateRemoveRequest request) {
  const Result<e2b::Control*> service = control();
  if (!service) co_return fail(service.error());
  const Result<void> removed = co_await (*service)->remove_template(request.template_id);
  if (!removed) co_return fail(removed.error());
  co_return api::Empty{};
}

async::Task<Result<api::TemplateRemoteReply>> Builds::remote() {
  const Result<e2b::Control*> service = control();
  if (!service) co_return fail(service.error());
  const Result<std::vector<e2b::TemplateInfo>> listed = co_await (*service)->templates();
  if (!listed) co_return fail(listed.error());
  api::TemplateRemoteReply reply;
  for (const e2b::TemplateInfo& one : *listed) {
    reply.templates.push_back({.template_id = one.id,
                               .names = one.names,
                               .status = one.build_status,
                               .cpus = static_cast<std::uint32_t>(one.cpus),
                               .memory_mib = static_cast<std::uint32_t>(one.memory_mib)});
  }
  co_return reply;
}

}  // namespace swarm::templates
