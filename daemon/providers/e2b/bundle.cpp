#include "daemon/providers/e2b/bundle.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <fstream>

#include "protocol/async/fd.hpp"

namespace swarm::e2b {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunk = std::size_t{256} << 10U;

/// A file of the host; opened when the first of it is wanted, so that many may wait without a descriptor each.
class HostFile final : public wire::ByteSource {
 public:
  HostFile(async::Loop& loop, fs::path path, std::uint64_t size) : loop_(loop), path_(std::move(path)), left_(size) {}

  async::Task<Result<std::optional<std::string>>> read() override {
    if (!fd_) {
      UniqueFd opened(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
      if (!opened) co_return fail_errno("open", path_.native());
      fd_ = std::make_unique<async::Fd>(loop_, std::move(opened));
    }
    if (left_ == 0) co_return std::nullopt;
    std::string chunk(static_cast<std::size_t>(std::min<std::uint64_t>(left_, kChunk)), '\0');
    const Result<std::size_t> got = co_await fd_->read(std::as_writable_bytes(std::span(chunk)));
    if (!got) co_return fail(got.error(), path_.native());
    if (*got == 0)
      co_return fail(Code::unavailable, fmt::format("{}: became shorter while it was sent", path_.native()));
    chunk.resize(*got);
    left_ -= *got;
    co_return std::optional(std::move(chunk));
  }

 private:
  async::Loop& loop_;
  fs::path path_;
  std::uint64_t left_;
  std::unique_ptr<async::Fd> fd_;
};

}  // namespace

Result<Bundle> read_bundle(const fs::path& directory) {
  Bundle bundle;
  std::ifstream id(directory / "id");
  std::getline(id, bundle.id);
  if (bundle.id.size() != 64 || bundle.id.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return fail(Code::failed_precondition,
                fmt::format("'{}' is no bundle of agentd; build the target 'bundle', or install swarmd again",
                            directory.native()));
  }
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(directory, error)) {
    if (!entry.is_regular_file(error)) continue;
    bundle.files.push_back({.path = entry.path(),
                            .name = entry.path().lexically_relative(directory).native(),
                            .size = entry.file_size(error)});
  }
  if (error) return fail(Code::failed_precondition, fmt::format("'{}': {}", directory.native(), error.message()));
  return bundle;
}

std::vector<Envd::File> upload_of(async::Loop& loop, const Bundle& bundle, const std::string& directory) {
  std::vector<Envd::File> files;
  for (const Bundle::File& file : bundle.files) {
    files.push_back({.path = directory + "/" + file.name,
                     .content = std::make_unique<HostFile>(loop, file.path, file.size),
                     .size = file.size});
  }
  return files;
}

}  // namespace swarm::e2b
