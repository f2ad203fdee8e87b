// A child writes and acknowledges over a pipe; it is killed at a random moment, or at a random write or fsync of its
// store. Then everything that it had acknowledged must be there, in order, in a sound store.
//
// SWARMD_CRASH_ROUNDS (default 20) and SWARMD_CRASH_SEED repeat or lengthen a run.

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/core/unique_fd.hpp"
#include "protocol/store/maintenance.hpp"
#include "tests/fixtures/power_loss.hpp"
#include "tests/unit/protocol/store/jobs.hpp"

using namespace swarm;
using namespace swarm::store;
using test::FaultAction;
using test::FaultOp;
using test::FaultVfs;

namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? otherwise : std::stoull(value);
}

/// The check reads the whole store, so a long run begins a new one now and then.
constexpr std::uint64_t kRoundsOfOneStore = 10;

/// Tells the parent which note was acknowledged: one write of a line is atomic on a pipe.
class TellingJob final : public WriteJob {
 public:
  TellingJob(int fd, int number, Durability durability)
      : WriteJob("crash.note", durability, {1}), fd_(fd), number_(number) {}
  Result<void> run(Changes& changes) override {
    if (auto done = changes.db().run(kInsertNote, std::to_string(number_)); !done) return done;
    if (auto done = changes.append({.type = "note", .data = std::to_string(number_)}); !done) return fail(done.error());
    return {};
  }
  void finish(Result<void> outcome) override {
    if (!outcome) return;
    const std::string line = std::to_string(number_) + (durability() == Durability::power ? "p\n" : "\n");
    if (::write(fd_, line.data(), line.size()) < 0) ::_exit(3);
  }

 private:
  int fd_;
  int number_;
};

[[noreturn]] void child(const std::string& path, int fd, int first, std::uint64_t seed) {
  {
    SeededRandom random(seed);
    if (random.below(2) == 0) {
      const auto action = random.below(2) == 0 ? FaultAction::kill : FaultAction::torn_kill;
      const auto op = random.below(3) == 0 ? FaultOp::sync : FaultOp::any;
      FaultVfs::instance().plan(op, action, 1 + random.below(op == FaultOp::sync ? 40 : 400));
    }
    Writer writer(open_notes(path, test::kFaultVfs), test_self(), {.checkpoint_frames = 20},
                  {.deliver = [](const std::function<void()>& call) { call(); },
                   .appended = {},
                   .health_changed = {},
                   .batch_done = {}});
    for (int i = first;; ++i) {
      const auto durability = random.below(4) == 0 ? Durability::power : Durability::process;
      // A full queue is the pace of the disk.
      while (!writer.submit(std::make_shared<TellingJob>(fd, i, durability))) std::this_thread::yield();
    }
  }
}

struct Acknowledged {
  int number;
  bool power;
};

/// All lines that the child sent until it died; it is killed after `patience`, or dies at its planned fault.
std::vector<Acknowledged> watch(pid_t pid, int fd, std::chrono::microseconds patience) {
  std::string text;
  std::array<char, 4096> buffer{};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  bool killed = false;
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (!killed && left.count() <= 0) {
      ::kill(pid, SIGKILL);
      killed = true;
    }
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    if (::poll(&wait, 1, killed ? -1 : static_cast<int>(left.count())) == 0) continue;
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::waitpid(pid, nullptr, 0);
  std::vector<Acknowledged> out;
  for (std::size_t at = 0, end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    out.push_back({std::stoi(text.substr(at, end - at)), text[end - 1] == 'p'});
  }
  return out;
}

/// Every note and event is there, in order and without a hole: 0, 1, 2, ... over all rounds. Gives how many.
int verify(const std::string& path) {
  Database db = open_notes(path, test::kFaultVfs);
  const CheckReport report = must(check(db));
  INFO((report.sound() ? "" : report.problems.front()));
  REQUIRE(report.sound());
  const auto notes = must(db.all<std::string>(kListNotes));
  const auto events = must(read_events(db, test_self(), {}, 1 << 30));
  REQUIRE(events.size() == notes.size());
  for (std::size_t i = 0; i < notes.size(); ++i) {
    if (std::get<0>(notes[i]) != std::to_string(i) || events[i].data != std::get<0>(notes[i])) {
      FAIL("note " << i << " is " << std::get<0>(notes[i]) << ", its event " << events[i].data);
    }
  }
  return static_cast<int>(notes.size());
}

enum class Loss { process, power };

void crash_rounds(Loss loss) {
  const std::uint64_t rounds = number_from("SWARMD_CRASH_ROUNDS", 20);
  const std::uint64_t seed = number_from("SWARMD_CRASH_SEED", SystemRandom().next());
  std::printf("crash test of the store: SWARMD_CRASH_SEED=%llu, %llu rounds\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(rounds));
  std::fflush(stdout);  // or each child would print it again
  CAPTURE(seed);
  SeededRandom random(seed);
  std::optional<test::TemporaryDirectory> directory;
  int next = 0;
  std::uint64_t acknowledged_in_all = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    if (round % kRoundsOfOneStore == 0) {
      directory.emplace(test::TemporaryDirectory::On::memory);
      next = 0;
    }
    const std::string path = *directory / "db";
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    const std::uint64_t child_seed = random.next();
    const auto patience = std::chrono::microseconds(1'000 + random.below(60'000));
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) child(path, out.get(), next, child_seed);
    out.reset();
    const std::vector<Acknowledged> acknowledged = watch(pid, in.get(), patience);
    acknowledged_in_all += acknowledged.size();
    if (loss == Loss::power) test::lose_power(path, random);
    const int have = verify(path);
    REQUIRE(std::ranges::is_sorted(acknowledged, {}, &Acknowledged::number));
    int promised = next;  // the check closed the store cleanly, which fsyncs
    for (const Acknowledged& a : acknowledged) {
      if (loss == Loss::process || a.power) promised = a.number + 1;
    }
    REQUIRE(have >= promised);
    next = have;
  }
  CHECK(acknowledged_in_all > 0);
}

}  // namespace

TEST_CASE("what was acknowledged is there after kill -9 at any point") { crash_rounds(Loss::process); }

TEST_CASE("what was acknowledged as power class is there after the power went at any point") {
  FaultVfs::instance().keep_images();
  const struct Forget {
    ~Forget() { FaultVfs::instance().forget_images(); }
  } forget;
  crash_rounds(Loss::power);
}
