#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "client/commands/money_views.hpp"
#include "client/output/sanitizer.hpp"

namespace swarm::client {
namespace {

constexpr std::size_t kLargest = 65'536;
constexpr char kCtrlC = 3;

/// Bytes that are overwritten when they are no longer needed.
class Wiped {
 public:
  Wiped() { bytes.reserve(kLargest + 1); }  // never moved, so never left behind
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;
  ~Wiped() { ::explicit_bzero(bytes.data(), bytes.capacity()); }
  std::string bytes;
};

/// While it lives the terminal shows nothing of what is typed.
class NoEcho {
 public:
  explicit NoEcho(int fd) : fd_(fd) {
    if (::tcgetattr(fd_, &before_) != 0) return;
    termios quiet = before_;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    quiet.c_lflag |= ECHONL;
    // With the keyboard's signals off, Ctrl-C is a character; it ends the line, so that reading it can be given up.
    quiet.c_lflag &= ~static_cast<tcflag_t>(ISIG);
    quiet.c_cc[VEOL2] = kCtrlC;
    changed_ = ::tcsetattr(fd_, TCSAFLUSH, &quiet) == 0;
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;
  ~NoEcho() {
    if (changed_) ::tcsetattr(fd_, TCSAFLUSH, &before_);
  }

 private:
  int fd_;
  termios before_{};
  bool changed_ = false;
};

/// All of it, or up to the end of the line at a terminal.
Result<void> read_all(int fd, const std::string& name, bool line, std::string& bytes) {
  for (;;) {
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", name);
    if (got == 0) return {};
    const std::string_view piece(buffer, static_cast<std::size_t>(got));
    const bool fits = bytes.size() + piece.size() <= kLargest;
    if (fits) bytes += piece;
    const bool interrupted = line && piece.contains(kCtrlC);
    const bool over = line && piece.ends_with('\n');
    ::explicit_bzero(buffer, sizeof buffer);
    if (interrupted) return fail(Code::cancelled, "nothing was stored");
    if (!fits) return fail(Code::invalid_argument, fmt::format("{}: more than {} bytes", name, kLargest));
    if (over) return {};
  }
}

Result<void> read_value(Context& context, const std::string& secret, const std::string& file, std::string& bytes) {
  if (!file.empty() && file != "-") {
    const UniqueFd from(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!from) return fail_errno("open", file);
    struct stat facts{};
    if (::fstat(from.get(), &facts) == 0 && S_ISREG(facts.st_mode) && (facts.st_mode & 0077U) != 0) {
      context.printer.warning(fmt::format("others can read '{}'; 'chmod 600' keeps them out", file));
    }
    if (Result<void> read = read_all(from.get(), file, false, bytes); !read) return read;
  } else {
    const bool terminal = ::isatty(STDIN_FILENO) == 1;
    if (terminal) context.printer.err().write(fmt::format("Value of {} (not shown): ", one_line(secret)));
    const std::optional<NoEcho> quiet = terminal ? std::make_optional<NoEcho>(STDIN_FILENO) : std::nullopt;
    if (Result<void> read = read_all(STDIN_FILENO, "standard input", terminal, bytes); !read) return read;
  }
  if (bytes.ends_with('\n')) bytes.pop_back();  // of the editor or of echo, not of the secret
  if (bytes.ends_with('\r')) bytes.pop_back();
  if (bytes.empty()) return fail(Code::invalid_argument, "the value is empty; nothing was stored");
  return {};
}

async::Task<Result<int>> set_secret(Context& context, std::string name, std::string file) {
  Wiped value;
  if (Result<void> read = read_value(context, name, file, value.bytes); !read) co_return fail(read.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  api::SecretSetRequest request{.name = name};
  request.value.data = value.bytes;
  const Result<api::Empty> done = co_await (*client)->call(api::kSecretSet, request);
  ::explicit_bzero(request.value.data.data(), request.value.data.size());
  if (!done) co_return fail(done.error());
  if (context.printer.json()) {
    context.printer.document_of(*done);
  } else {
    context.printer.line(fmt::format("Secret '{}' is stored", one_line(name)));
  }
  co_return kExitOk;
}

async::Task<Result<int>> check(Context& context, std::vector<std::string> names) {
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  if (names.empty()) {
    const Result<api::SecretListReply> all = co_await (*client)->call(api::kSecretList, {});
    if (!all) co_return fail(all.error());
    for (const api::SecretInfo& secret : all->secrets) names.push_back(secret.name);
    if (names.empty()) context.printer.note("There are no secrets; 'swarmctl secret set NAME' stores one");
  }
  int status = kExitOk;
  Table table({{"SECRET"}, {"VALUE"}, {"PROBLEM", Align::left, Fit::shorten}});
  for (const std::string& name : names) {
    const Result<api::SecretCheckReply> reply = co_await (*client)->call(api::kSecretCheck, {.name = name});
    if (!reply) {
      // The others are still looked at.
      context.printer.error(reply.error());
      status = exit_of(reply.error());
      continue;
    }
    if (!reply->available && status == kExitOk) status = kExitFailed;
    if (context.printer.json()) {
      Value line = api::encode(*reply);
      line.set("name", name);
      context.printer.json_line(line);
    } else {
      table.add({one_line(name), reply->available ? Cell("can be read", Style::good) : Cell("missing", Style::bad),
                 one_line(reply->problem.value_or(""))});
    }
  }
  if (!context.printer.json() && !table.empty()) context.printer.table(table);
  co_return status;
}

}  // namespace

void add_secret_commands(CLI::App& root, Selection& selection) {
  CLI::App& group = add_group(root, "secret", "Keys and passwords by name; values are never shown");

  CLI::App& ls = add_command(group, selection, "ls", "List secrets: where from, and who may use them");
  ls.alias("list");
  ls.callback([&selection] {
    selection.action = [](Context& context) {
      return call_and_show(context, api::kSecretList, {}, [](Context& shown, const api::SecretListReply& reply) {
        if (reply.secrets.empty()) {
          shown.printer.note("There are no secrets; 'swarmctl secret set NAME' stores one");
        } else {
          shown.printer.table(secrets_table(reply.secrets));
        }
      });
    };
  });

  CLI::App& checking = add_command(group, selection, "check", "Look whether values can be read where they come from",
                                   "  swarmctl secret check\n"
                                   "  swarmctl secret check anthropic github\n");
  auto names = std::make_shared<std::vector<std::string>>();
  checking.add_option("NAME", *names, "Which; else all");
  checking.callback(
      [&selection, names] { selection.action = [names](Context& context) { return check(context, *names); }; });

  CLI::App& setting =
      add_command(group, selection, "set", "Store a value, read from standard input or a file, never an argument",
                  "  swarmctl secret set anthropic              (asks, and does not show it)\n"
                  "  pass show anthropic | swarmctl secret set anthropic\n"
                  "  swarmctl secret set github --file ~/github.token\n");
  auto name = std::make_shared<std::string>();
  auto file = std::make_shared<std::string>();
  setting.add_option("NAME", *name, "Its name")->required();
  setting.add_option("--file", *file, "Take it from this file; - for standard input")->type_name("FILE");
  setting.callback([&selection, name, file] {
    selection.action = [name, file](Context& context) { return set_secret(context, *name, *file); };
  });

  CLI::App& removing = add_command(group, selection, "rm", "Remove a stored value");
  auto gone = std::make_shared<std::string>();
  removing.add_option("NAME", *gone, "Its name")->required();
  removing.callback([&selection, gone] {
    selection.action = [gone](Context& context) {
      return call_and_show(context, api::kSecretRemove, {.name = *gone}, [gone](Context& shown, const api::Empty&) {
        shown.printer.line(fmt::format("Secret '{}' is removed", one_line(*gone)));
      });
    };
  });
}

}  // namespace swarm::client
