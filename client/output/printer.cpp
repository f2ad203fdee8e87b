#include "client/output/printer.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>

#include "client/output/sanitizer.hpp"
#include "protocol/api/json.hpp"
#include "protocol/api/rpc.hpp"

namespace swarm::client {
namespace {

void write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::write(fd, bytes.data(), bytes.size());
    if (size >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(size));
    } else if (errno == EAGAIN) {
      pollfd ready{.fd = fd, .events = POLLOUT, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (errno == EPIPE) {
      end_for_closed_output();
    } else if (errno != EINTR) {
      return;  // a full disk or a closed descriptor: there is nobody left to tell
    }
  }
}

Outlet outlet(int fd) {
  Outlet made{.write = [fd](std::string_view bytes) { write_all(fd, bytes); }};
  made.terminal = ::isatty(fd) == 1;
  if (made.terminal) {
    winsize size{};
    made.columns = ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  }
  return made;
}

Paint decide(const Outlet& outlet, const Printer::Options& options) {
  if (options.form == Printer::Form::json || options.color == Color::never) return Paint::no;
  if (options.color == Color::always) return Paint::yes;
  return outlet.terminal && !options.no_color_asked ? Paint::yes : Paint::no;
}

}  // namespace

Outlet standard_output() { return outlet(STDOUT_FILENO); }
Outlet standard_error() { return outlet(STDERR_FILENO); }

void end_for_closed_output() {
  ::signal(SIGPIPE, SIG_DFL);
  ::raise(SIGPIPE);
  ::_exit(128 + SIGPIPE);  // SIGPIPE is blocked
}

Printer::Printer(Outlet out, Outlet err, Options options)
    : out_(std::move(out)),
      err_(std::move(err)),
      options_(options),
      paint_(decide(out_, options)),
      error_paint_(decide(err_, options)) {}

void Printer::document(const Value& value) {
  out_.write(api::to_json(value, out_.terminal ? api::JsonStyle::indented : api::JsonStyle::compact) + "\n");
}

void Printer::json_line(const Value& value) { out_.write(api::to_json(value) + "\n"); }

void Printer::note(std::string_view sentence) {
  if (!options_.quiet) warning(sentence);
}

void Printer::warning(std::string_view sentence) { err_.write(std::string(sentence) + "\n"); }

void Printer::error(const Error& error) {
  err_.write(painted("swarmctl:", Style::bad, error_paint_) + " " + safe(error.message) + "\n");
  if (!json()) return;
  Value document;
  document.set("error", api::encode(api::to_error_info(error)));
  json_line(document);
}

std::string safe(std::string_view sentence) { return sanitized(sentence); }

}  // namespace swarm::client
