// Claims of pooled sandboxes over the socket, by clients that do nothing else, beside a bare libuv echo of the same
// request asked in the same way. claims.py starts the daemon and the provider; without a socket this does nothing.
//
//   claim_bench --socket PATH [--clients N] [--count N] [--rate N] [--name TEXT] [--csv FILE] [--json FILE]
//
// With a rate the loop is open: claim k is due at k/rate whatever became of those before, and its time counts from
// then. Without one it is closed: each client asks again when it is answered.
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <map>

#include "tests/bench/echo.hpp"
#include "tests/bench/report.hpp"
#include "tests/bench/wire_rig.hpp"

using namespace swarm;
using namespace swarm::bench;

namespace {

struct Options {
  std::string socket;
  std::string csv;
  std::string json;
  std::string name = "claim";
  std::size_t clients = 64;
  std::size_t count = 2000;
  double rate = 0;
};

/// One connection with what is under way on it.
struct Client {
  UniqueFd fd;
  std::string in;
  wire::FrameScanner scanner{wire::Limits{}};
  std::map<std::uint32_t, MonoTime> asked;
};

struct Outcome {
  Samples times;
  std::size_t refused = 0;
  double seconds = 0;
  std::vector<std::pair<double, double>> points;  ///< when it was due, s; what it took, us
};

std::string request(std::uint32_t msgid) {
  std::string out;
  const Value params(Value::Array{Value(Value::Map{{"wait", Value(true)}})});
  wire::append_request(out, msgid, "sandbox.create", params);
  return out;
}

/// Asks `count` times. `echo`: what comes back is the request itself.
class Drive {
 public:
  Drive(std::vector<UniqueFd> fds, const Options& options, bool echo) : options_(options), echo_(echo) {
    for (UniqueFd& fd : fds) {
      ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
      clients_.push_back({.fd = std::move(fd)});
    }
  }

  Outcome run() {
    const MonoTime start = clock_.now();
    start_ = start;
    if (options_.rate <= 0) {
      for (Client& client : clients_) ask(client, clock_.now());
    }
    while (answered_ < options_.count) {
      std::optional<Duration> until_due;
      if (options_.rate > 0) {
        while (asked_ < options_.count && due(asked_) <= clock_.now()) {
          const MonoTime at = due(asked_);
          ask(clients_.at(asked_ % clients_.size()), at);
        }
        if (asked_ < options_.count) until_due = std::max(Duration{0}, due(asked_) - clock_.now());
      }
      wait(until_due);
    }
    out_.seconds = std::chrono::duration<double>(clock_.now() - start).count();
    return std::move(out_);
  }

 private:
  [[nodiscard]] MonoTime due(std::size_t k) const {
    return start_ + Duration(static_cast<Duration::rep>(static_cast<double>(k) * 1e9 / options_.rate));
  }

  void ask(Client& client, MonoTime at) {
    if (asked_ >= options_.count) return;
    const auto msgid = static_cast<std::uint32_t>(++asked_);
    const std::string bytes = request(msgid);
    client.asked[msgid] = at;
    if (::send(client.fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size())) {
      die("send: the socket is full");
    }
  }

  void wait(std::optional<Duration> limit) {
    std::vector<pollfd> polled;
    for (const Client& client : clients_) polled.push_back({.fd = client.fd.get(), .events = POLLIN, .revents = 0});
    const timespec time{.tv_sec = limit ? limit->count() / 1'000'000'000 : 60,
                        .tv_nsec = limit ? limit->count() % 1'000'000'000 : 0};
    const int ready = ::ppoll(polled.data(), polled.size(), &time, nullptr);
    if (ready == 0 && !limit) die("no answer for a minute");
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) read(clients_[i]);
    }
  }

  void read(Client& client) {
    std::array<char, 65536> buffer;
    const ssize_t size = ::read(client.fd.get(), buffer.data(), buffer.size());
    if (size <= 0) die("the server has gone");
    const MonoTime now = clock_.now();
    client.in.append(buffer.data(), static_cast<std::size_t>(size));
    for (;;) {
      const auto rest = std::as_bytes(std::span(client.in));
      if (rest.empty() || must(client.scanner.scan(rest)) == wire::FrameScanner::Found::more) return;
      const std::size_t frame = client.scanner.size();
      const auto message = wire::parse_message(rest.first(frame));
      if (!message) die("an answer that is no message");
      if (echo_ || message->type == wire::MessageType::response) answered(client, *message, now);
      client.scanner.next();
      client.in.erase(0, frame);
    }
  }

  void answered(Client& client, const wire::Message& message, MonoTime now) {
    const auto found = client.asked.find(message.msgid);
    if (found == client.asked.end()) die("an answer to what nobody asked");
    const Duration took = now - found->second;
    out_.points.emplace_back(std::chrono::duration<double>(found->second - start_).count(),
                             std::chrono::duration<double, std::micro>(took).count());
    client.asked.erase(found);
    out_.times.add(took);
    if (!echo_ && !message.error.empty()) ++out_.refused;
    ++answered_;
    if (options_.rate <= 0) ask(client, now);
  }

  const Options& options_;
  bool echo_;
  SystemClock clock_;
  MonoTime start_;
  std::vector<Client> clients_;
  std::size_t asked_ = 0;
  std::size_t answered_ = 0;
  Outcome out_;
};

/// The design's figure for a claim at p99, in microseconds.
constexpr double kDesigned = 1000;

std::size_t over(const Outcome& outcome, double limit) {
  return static_cast<std::size_t>(
      std::ranges::count_if(outcome.points, [limit](const auto& point) { return point.second > limit; }));
}

/// The p99 of each second of the run, of those the middle one: a machine that stood still in some seconds does not
/// show in it, a program that is slow in most does.
double middle_second(const Outcome& outcome) {
  std::map<int, std::vector<double>> seconds;
  for (const auto& [at, took] : outcome.points) seconds[static_cast<int>(at)].push_back(took);
  std::vector<double> slow;
  for (auto& [second, times] : seconds) {
    std::ranges::sort(times);
    slow.push_back(times[times.size() * 99 / 100]);
  }
  std::ranges::sort(slow);
  return slow.empty() ? 0 : slow[slow.size() / 2];
}

Options options_from(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--socket") options.socket = value;
    if (name == "--csv") options.csv = value;
    if (name == "--json") options.json = value;
    if (name == "--name") options.name = value;
    if (name == "--clients") options.clients = std::stoul(value);
    if (name == "--count") options.count = std::stoul(value);
    if (name == "--rate") options.rate = std::stod(value);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = options_from(argc, argv);
  if (options.socket.empty()) {
    std::puts("claims: run by claims.py, which starts a daemon and a provider");
    return 0;
  }
  ::prctl(PR_SET_TIMERSLACK, 1);  // it waits to the microsecond
  std::vector<UniqueFd> ours;
  std::vector<UniqueFd> echoes;
  for (std::size_t i = 0; i < options.clients; ++i) {
    ours.push_back(dial(options.socket));
    auto [near, far] = must(transport::socket_pair());
    echoes.push_back(std::move(far));
    ours.push_back(std::move(near));
  }
  std::vector<UniqueFd> to_daemon;
  std::vector<UniqueFd> to_echo;
  for (std::size_t i = 0; i < ours.size(); ++i) (i % 2 == 0 ? to_daemon : to_echo).push_back(std::move(ours[i]));
  const Server echo = start([&echoes](const UniqueFd&) { serve_echoes(std::move(echoes)); });
  echoes.clear();

  Outcome theirs = Drive(std::move(to_echo), options, true).run();
  Outcome claims = Drive(std::move(to_daemon), options, false).run();
  Report report;
  const std::string how = options.rate > 0 ? fmt::format("{:.0f}/s", options.rate) : std::string("saturated");
  report.add_latency(fmt::format("{}: {} clients, {}", options.name, options.clients, how), claims.times,
                     "bare libuv echo", theirs.times);
  if (options.rate > 0) {
    std::printf("  over 1 ms: %zu of %zu, of the echo's %zu; p99 of each second, the middle one: %.0f us\n",
                over(claims, kDesigned), claims.points.size(), over(theirs, kDesigned), middle_second(claims));
  } else {
    report.add({.name = fmt::format("{}: {} clients, saturated, rate", options.name, options.clients),
                .value = static_cast<double>(options.count) / claims.seconds,
                .unit = "/s",
                .rival = "bare libuv echo",
                .rival_value = static_cast<double>(options.count) / theirs.seconds});
    report.add({.name = fmt::format("{}: {} at once, total", options.name, options.count),
                .value = claims.seconds * 1000,
                .unit = "ms",
                .rival = "bare libuv echo",
                .rival_value = theirs.seconds * 1000});
  }
  if (claims.refused > 0) std::printf("%zu of %zu claims were refused\n", claims.refused, options.count);
  if (!options.csv.empty()) {
    std::FILE* file = std::fopen(options.csv.c_str(), "we");
    if (file == nullptr) die("cannot write " + options.csv);
    for (const auto& [at, took] : claims.points) fmt::print(file, "{:.6f},{:.1f}\n", at, took);
    std::fclose(file);
  }
  if (!options.json.empty()) must(report.write_json(options.json));
  return claims.refused > 0 ? 1 : 0;
}
