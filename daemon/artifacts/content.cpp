#include "daemon/artifacts/content.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "protocol/tree/file_ends.hpp"

namespace swarm::artifacts {
namespace {

constexpr mode_t kMode = 0600;
constexpr std::string_view kUnfinished = ".swarm-";
constexpr std::string_view kShelf = "the artifacts of the host";  // agents read it: no path of the host

std::string hex_of(crypto_hash_sha256_state& state) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> out{};
  crypto_hash_sha256_final(&state, out.data());
  std::string text;
  for (const unsigned char byte : out) text += fmt::format("{:02x}", byte);
  return text;
}

void add_to(crypto_hash_sha256_state& state, std::string_view bytes) {
  const auto* raw = reinterpret_cast<const unsigned char*>(bytes.data());  // NOLINT: bytes as characters
  crypto_hash_sha256_update(&state, raw, bytes.size());
}

Result<UniqueFd> open_directory(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno("open", kShelf);
  return fd;
}

bool is_content(std::string_view name) {
  return name.size() == 2 * crypto_hash_sha256_BYTES &&
         std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// A file, with its hash on the way.
class Checked final : public tree::Producer {
 public:
  Checked(UniqueFd file, std::string sha256) : file_(std::move(file)), sha256_(std::move(sha256)) {
    crypto_hash_sha256_init(&hash_);
  }
  Result<void> fill(std::string& out) override {
    const Result<std::size_t> got = tree::append_from(file_.get(), out, tree::kPiece);
    if (!got) return fail(got.error());
    add_to(hash_, out);
    if (!out.empty()) return {};
    const std::string found = hex_of(hash_);
    if (found == sha256_) return {};
    return fail(Code::internal, fmt::format("the content is damaged: its SHA-256 is {}, and was {}", found, sha256_));
  }

 private:
  UniqueFd file_;
  std::string sha256_;
  crypto_hash_sha256_state hash_{};
};

}  // namespace

Incoming::Incoming(UniqueFd directory, tree::AtomicFile file, std::uint64_t limit,
                   std::optional<std::uint64_t> expected)
    : directory_(std::move(directory)),
      file_(std::move(file)),
      limit_(limit),
      expected_(expected),
      hash_(std::make_unique<crypto_hash_sha256_state>()) {
  crypto_hash_sha256_init(hash_.get());
}

Incoming::~Incoming() = default;

Result<std::shared_ptr<Incoming>> Incoming::into(const std::filesystem::path& directory, std::uint64_t limit_bytes,
                                                 std::optional<std::uint64_t> size_bytes) {
  Result<UniqueFd> opened = open_directory(directory);
  if (!opened) return fail(opened.error());
  Result<tree::AtomicFile> file = tree::AtomicFile::create(opened->get());
  if (!file) return fail(file.error(), kShelf);
  return std::shared_ptr<Incoming>(new Incoming(std::move(*opened), std::move(*file), limit_bytes, size_bytes));
}

Result<void> Incoming::take(std::span<const char> bytes) {
  size_ += bytes.size();
  if (expected_ && size_ > *expected_) {
    return fail(Code::invalid_argument, fmt::format("more came than the {} bytes that were said", *expected_));
  }
  if (size_ > limit_) return fail(Code::resource_exhausted, fmt::format("it is larger than {} bytes", limit_));
  add_to(*hash_, {bytes.data(), bytes.size()});
  return file_.write(bytes);
}

Result<void> Incoming::finish() {
  if (expected_ && size_ != *expected_) {
    return fail(Code::invalid_argument, fmt::format("{} bytes came, and {} were said", size_, *expected_));
  }
  sha256_ = hex_of(*hash_);
  return {};
}

Result<void> Incoming::keep() {
  // Over what is there: it is the same, or it is damaged.
  return file_.commit(sha256_, kMode, std::nullopt, tree::Existing::replace, tree::Durability::power);
}

Result<std::shared_ptr<tree::Producer>> read_content(const std::filesystem::path& directory,
                                                     const std::string& sha256) {
  if (!is_content(sha256)) return fail(Code::internal, "what is recorded is no SHA-256");
  const Result<UniqueFd> opened = open_directory(directory);
  if (!opened) return fail(opened.error());
  UniqueFd file(::openat(opened->get(), sha256.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return fail_errno("open the content", sha256);
  return std::make_shared<Checked>(std::move(file), sha256);
}

Result<std::size_t> sweep(const std::filesystem::path& directory, const std::set<std::string>& wanted,
                          Unfinished unfinished) {
  std::error_code problem;
  std::size_t gone = 0;
  std::filesystem::directory_iterator each(directory, problem);
  for (; !problem && each != std::filesystem::directory_iterator(); each.increment(problem)) {
    const std::string name = each->path().filename().native();
    const bool draft = unfinished == Unfinished::remove && name.starts_with(kUnfinished);
    if (!draft && (!is_content(name) || wanted.contains(name))) continue;
    if (::unlink(each->path().c_str()) == 0) ++gone;
  }
  if (problem) return fail(Code::internal, fmt::format("'{}': {}", directory.native(), problem.message()));
  return gone;
}

}  // namespace swarm::artifacts
