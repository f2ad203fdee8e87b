#include "agentd/cli/body.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "protocol/core/unique_fd.hpp"

namespace swarm::cli {
namespace {

Result<std::string> read_all(int fd, const std::string& name, std::size_t most_bytes) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return fail_errno("read", name);
    if (size == 0) break;
    text.append(buffer, static_cast<std::size_t>(size));
    if (text.size() > most_bytes) {
      return fail(Code::invalid_argument, "'" + name + "' is longer than " + std::to_string(most_bytes) +
                                              " bytes; put it into a file and send where that is");
    }
  }
  // What an editor or `echo` puts at the end is not part of the text.
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Result<std::string> read_text(const Arguments& arguments, std::size_t from, std::size_t most_bytes) {
  const std::optional<std::string> file = arguments.value(kFileOption.name);
  const bool words = arguments.rest().size() > from;
  if (file && words) {
    return fail(Code::invalid_argument, "there is a text and '--file' with another; give one of them");
  }
  if (file && *file != "-") {
    const UniqueFd fd(open(file->c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno("open", *file);
    return read_all(fd.get(), *file, most_bytes);
  }
  if (words && arguments.joined(from) != "-") return arguments.joined(from);
  if (!file && !words && isatty(STDIN_FILENO) == 1) {
    return fail(Code::invalid_argument, "there is no text; give it as words, with '--file PATH' or on standard input");
  }
  return read_all(STDIN_FILENO, "standard input", most_bytes);
}

}  // namespace swarm::cli
