#include "daemon/providers/local/files.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>

namespace swarm::local {

Result<std::string> read_file(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return fail_errno("open", path);
  std::string text;
  std::array<char, 8192> buffer{};
  while (true) {
    const ssize_t n = read(file.get(), buffer.data(), buffer.size());
    if (n == 0) return text;
    if (n < 0 && errno != EINTR) return fail_errno("read", path);
    if (n > 0) text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

Result<void> write_control(const std::string& path, std::string_view text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return fail_errno("open", path);
  if (write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
    return fail_errno("write", path);
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view text) {
  std::string draft = path + ".XXXXXX";
  const UniqueFd file(mkostemp(draft.data(), O_CLOEXEC));
  if (!file) return fail_errno("create", draft);
  const bool written = write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (written && rename(draft.c_str(), path.c_str()) == 0) return {};
  const int error = errno;
  unlink(draft.c_str());
  return fail_errno("write", path, error);
}

Result<UniqueFd> memory_file(const char* name, std::string_view content) {
  UniqueFd file(memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file) return fail_errno("memfd_create", name);
  fchmod(file.get(), 0600);
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = pwrite(file.get(), content.data() + done, content.size() - done, static_cast<off_t>(done));
    if (n < 0) return fail_errno("write", name);
    done += static_cast<std::size_t>(n);
  }
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return fail_errno("seal", name);
  return file;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return parse_number(line.substr(key.size() + 1));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return std::nullopt;
}

}  // namespace swarm::local
