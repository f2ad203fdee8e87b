#include "daemon/git/quarantine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "protocol/async/file.hpp"
#include "protocol/core/unique_fd.hpp"

namespace swarm::git {
namespace {

namespace fs = std::filesystem;

/// Bytes that were read already, then the rest.
class Again final : public wire::ByteSource {
 public:
  Again(std::string first, std::unique_ptr<wire::ByteSource> rest) : first_(std::move(first)), rest_(std::move(rest)) {}
  async::Task<Result<std::optional<std::string>>> read() override {
    if (first_) co_return std::exchange(first_, std::nullopt);
    co_return co_await rest_->read();
  }

 private:
  std::optional<std::string> first_;
  std::unique_ptr<wire::ByteSource> rest_;
};

Result<void> sync_directory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail_errno("sync", path);
  return {};
}

}  // namespace

Result<Quarantine> Quarantine::make(const std::string& parent, const std::string& objects) {
  std::string directory = parent + "/incoming-XXXXXX";
  if (::mkdtemp(directory.data()) == nullptr) return fail_errno("mkdtemp", directory);
  Quarantine made(directory, objects);
  if (::mkdir((directory + "/pack").c_str(), 0777) != 0) return fail_errno("mkdir", directory + "/pack");
  return made;
}

Quarantine::Quarantine(Quarantine&& other) noexcept
    : directory_(std::exchange(other.directory_, {})),
      objects_(std::move(other.objects_)),
      has_shallow_(other.has_shallow_) {}

Quarantine::~Quarantine() {
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

void Quarantine::enter(GitCall& call) const {
  if (has_shallow_) {
    call.arguments.emplace_back("--shallow-file");
    call.arguments.push_back(directory_ + "/shallow");
  }
  call.env.push_back("GIT_OBJECT_DIRECTORY=" + directory_);
  call.env.push_back("GIT_ALTERNATE_OBJECT_DIRECTORIES=" + objects_);
  call.env.push_back("GIT_QUARANTINE_PATH=" + directory_);
}

Result<void> Quarantine::set_shallow(const std::vector<std::string>& ids) {
  if (ids.empty()) return {};
  std::string text;
  for (const std::string& id : ids) text += id + "\n";
  has_shallow_ = true;
  return async::write_file_atomic_now(directory_ + "/shallow", text, 0600, async::Sync::none);
}

async::Task<Result<void>> Quarantine::index(const Program& program, GitCall base,
                                            std::unique_ptr<wire::ByteSource> pack, std::uint64_t limit_bytes,
                                            Check check) {
  Result<std::optional<std::string>> first = co_await pack->read();
  while (first && *first && (*first)->empty()) first = co_await pack->read();
  if (!first) co_return fail(first.error());
  if (!*first) co_return {};
  enter(base);
  base.arguments.insert(base.arguments.end(), {"index-pack", "--stdin", "--fix-thin"});
  if (check == Check::forms) base.arguments.emplace_back("--strict");
  base.arguments.push_back(fmt::format("--max-input-size={}", limit_bytes));
  auto all = std::make_unique<Again>(std::move(**first), std::move(pack));
  const Result<std::string> indexed = co_await program.feed(std::move(base), std::move(all), limit_bytes);
  if (!indexed) co_return fail(indexed.error());
  co_return {};
}

async::Task<Result<void>> Quarantine::check_complete(const Program& program, GitCall base, std::string ids) {
  enter(base);
  base.arguments.insert(base.arguments.end(), {"rev-list", "--objects", "--stdin", "--not", "--all", "--quiet"});
  base.input = std::move(ids);
  const Result<std::string> complete = co_await program.run(std::move(base));
  if (!complete) co_return fail(complete.error(), "objects are missing");
  co_return {};
}

Result<void> Quarantine::release() {
  std::vector<std::string> names;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(directory_ + "/pack", problem)) {
    names.push_back(entry.path().filename().string());
  }
  // A pack counts from the moment that its index is there.
  std::ranges::sort(names, {}, [](const std::string& name) { return std::pair(name.ends_with(".idx"), name); });
  const std::string target = objects_ + "/pack";
  if (!names.empty()) fs::create_directories(target, problem);
  for (const std::string& name : names) {
    const std::string from = directory_ + "/pack/" + name;
    if (::rename(from.c_str(), (target + "/" + name).c_str()) != 0) return fail_errno("rename", from);
  }
  return names.empty() ? Result<void>() : sync_directory(target);
}

}  // namespace swarm::git
