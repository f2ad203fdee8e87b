#include "daemon/e2b/builds.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/api/json.hpp"
#include "protocol/async/fd.hpp"
#include "protocol/async/file.hpp"

namespace swarm::e2b_endpoint {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostLines = 10'000;  // of one build's log
constexpr std::size_t kMostBuilds = 200;    // that are remembered
constexpr std::uint64_t kMostFiles = std::uint64_t{4} << 30U;
constexpr std::size_t kMostRecord = std::size_t{1} << 20U;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

bool is_hash(std::string_view hash) {
  return hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == hash.npos;
}

std::string uuid(Random& random) {
  std::array<unsigned char, 16> bytes{};
  random.fill(std::as_writable_bytes(std::span(bytes)));
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", bytes.at(i));
  }
  return out;
}

}  // namespace

std::string template_name_of(std::string_view asked) {
  std::string name = http::lower(asked);
  name = name.substr(0, name.find(':'));
  if (const std::size_t slash = name.rfind('/'); slash != std::string::npos) name.erase(0, slash + 1);
  return name;
}

Builds::Builds(Surroundings surroundings) : with_(std::move(surroundings)), tasks_(with_.loop) {}

Builds::~Builds() { tasks_.cancel_all(); }

fs::path Builds::files_path(const std::string& hash) const { return with_.directory / "files" / hash; }
fs::path Builds::archive_path(const std::string& name) const { return with_.directory / (name + ".tar.gz"); }

Result<void> Builds::load() {
  std::error_code error;
  fs::create_directories(with_.directory / "files", error);
  if (error) return fail_errno("mkdir", with_.directory.native(), error.value());
  fs::permissions(with_.directory, fs::perms::owner_all, error);
  for (fs::directory_iterator it(with_.directory, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    const Result<std::string> text = async::read_file_now(it->path().native(), kMostRecord);
    if (!text) return fail(text.error());
    Result<Value> value = api::value_from_json(*text);
    if (!value) return fail(value.error(), it->path().native());
    Result<Built> built = api::decode_reply<Built>(std::move(*value));
    if (!built) return fail(built.error(), it->path().native());
    const std::string name = built->name;
    built_[name] = std::move(*built);
  }
  return {};
}

Result<void> Builds::record(const Built& built) {
  return async::write_file_atomic_now((with_.directory / (built.name + ".json")).native(),
                                      api::to_json(api::encode(built)), 0600, async::Sync::none);
}

const Built* Builds::find(const std::string& name) const {
  const auto found = built_.find(name);
  return found == built_.end() ? nullptr : &found->second;
}

Answered<BuildPtr> Builds::request(std::string name, std::int64_t cpus, std::int64_t memory_mib) {
  name = template_name_of(name);
  if (!is_name(name)) {
    return refuse(400, fmt::format("name: '{}' is no name of a template; letters, digits, '-' and '_'", name));
  }
  if (name == "base" || name == "default" || with_.config.templates.contains(name)) {
    return refuse(403,
                  fmt::format("template '{}' is this daemon's own, from its configuration; take another name", name));
  }
  forget_old();
  auto made = std::make_shared<Build>();
  made->id = uuid(with_.random);
  made->name = std::move(name);
  made->cpus = cpus;
  made->memory_mib = memory_mib;
  made->created_us = with_.loop.clock().wall().us;
  builds_[made->id] = made;
  return made;
}

void Builds::forget_old() {
  while (builds_.size() >= kMostBuilds) {
    auto oldest = builds_.end();
    for (auto it = builds_.begin(); it != builds_.end(); ++it) {
      if (it->second->state == BuildState::building) continue;
      if (oldest == builds_.end() || it->second->created_us < oldest->second->created_us) oldest = it;
    }
    if (oldest == builds_.end()) return;
    builds_.erase(oldest);
  }
}

BuildPtr Builds::build(const std::string& name, const std::string& id) const {
  const auto found = builds_.find(id);
  return found == builds_.end() || found->second->name != template_name_of(name) ? nullptr : found->second;
}

Answered<bool> Builds::start(BuildPtr build, BuildPlan plan) {
  if (build->state != BuildState::waiting) {
    return refuse(400, fmt::format("build {} is not waiting to be started", build->id));
  }
  plan.base = template_name_of(plan.base);
  const bool known = plan.base == "base" || plan.base == "default" || with_.config.templates.contains(plan.base) ||
                     built_.contains(plan.base);
  if (!known) return refuse(404, fmt::format("fromTemplate: there is no template '{}' here", plan.base));
  for (const BuildStep& step : plan.steps) {
    if (step.type == "COPY" && !has_files(step.files)) {
      return refuse(400, fmt::format("COPY {}: its files were not uploaded", step.args.empty() ? "" : step.args[0]));
    }
  }
  if (const auto other = running_.find(build->name); other != running_.end()) {
    if (const auto was = builds_.find(other->second.first); was != builds_.end()) {
      was->second->state = BuildState::error;
      was->second->reason = "another build of this template began";
      if (!was->second->sandbox.empty()) tasks_.spawn(end_sandbox(was->second->sandbox));
    }
    tasks_.cancel(other->second.second);
  }
  build->state = BuildState::building;
  const std::string name = build->name;
  const std::string id = build->id;
  running_[name] = {id, tasks_.spawn(run(std::move(build), std::move(plan)))};
  return true;
}

Answered<bool> Builds::remove(const std::string& asked) {
  const std::string name = template_name_of(asked);
  if (with_.config.templates.contains(name) || name == "base") {
    return refuse(403, fmt::format("template '{}' is this daemon's own, from its configuration", name));
  }
  if (built_.erase(name) == 0) return refuse(404, fmt::format("there is no template '{}'", name));
  std::error_code ignored;
  fs::remove(with_.directory / (name + ".json"), ignored);
  fs::remove(archive_path(name), ignored);
  return true;
}

void Builds::say(Build& build, std::string level, std::string message, std::string step) {
  if (build.log.size() >= kMostLines) {
    build.log.pop_front();
    ++build.log_first;
  }
  build.log.push_back({with_.loop.clock().wall().us, std::move(level), std::move(message), std::move(step)});
}

bool Builds::has_files(const std::string& hash) const {
  std::error_code ignored;
  return is_hash(hash) && fs::is_regular_file(files_path(hash), ignored);
}

async::Task<Answered<bool>> Builds::keep_files(http::Exchange& exchange, std::string hash) {
  if (!is_hash(hash)) co_return refuse(400, "the hash of files has 64 lower-case hexadecimal digits");
  const std::string path = files_path(hash).native();
  const std::string part = fmt::format("{}.{}", path, uuid(with_.random));
  UniqueFd opened(open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!opened) co_return std::unexpected(refusal_of(fail_errno("open", part).error()));
  struct Unfinished {
    std::string path;
    explicit Unfinished(std::string p) : path(std::move(p)) {}
    Unfinished(const Unfinished&) = delete;
    Unfinished& operator=(const Unfinished&) = delete;
    ~Unfinished() {
      std::error_code ignored;
      if (!path.empty()) fs::remove(path, ignored);
    }
  } unfinished(part);
  async::Fd file(with_.loop, std::move(opened));
  std::uint64_t size = 0;
  for (;;) {
    const Result<std::optional<std::string>> bytes = co_await exchange.read();
    if (!bytes) co_return std::unexpected(refusal_of(bytes.error()));
    if (!*bytes) break;
    size += (*bytes)->size();
    if (size > kMostFiles) co_return refuse(413, "the archive is larger than 4 GiB");
    const Result<void> kept = co_await file.write(std::as_bytes(std::span(**bytes)));
    if (!kept) co_return std::unexpected(refusal_of(kept.error()));
  }
  std::error_code error;
  fs::rename(part, path, error);
  if (error) co_return std::unexpected(refusal_of(fail_errno("rename", path, error.value()).error()));
  unfinished.path.clear();
  log::logger<"e2b">().debug("files for a build", {{"hash", hash}, {"bytes", size}});
  co_return true;
}

}  // namespace swarm::e2b_endpoint
