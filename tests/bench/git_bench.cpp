// What git of a sandbox costs beside git(1): commits of few and many files, by one agent and by fifty, an import beside
// `git clone --no-local`, merges. Repositories lie in memory, so that the work is measured and not the disk.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agentd/git/git.hpp"
#include "daemon/git/keeps.hpp"
#include "tests/bench/report.hpp"

namespace {

using namespace swarm;
namespace fs = std::filesystem;

void require(bool holds, std::string_view what) {
  if (holds) return;
  fmt::print(stderr, "{}\n", what);
  std::exit(1);
}

class Rig {
 public:
  Rig() {
    signal(SIGPIPE, SIG_IGN);
    std::string pattern = (::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/git-bench-XXXXXX");
    require(::mkdtemp(pattern.data()) != nullptr, "mkdtemp failed");
    directory = pattern;
    fs::create_directories(directory + "/workspace");
    agentd::git::GitSetup setup{.layout = {.workspace = directory + "/workspace"}};
    setup.user = [](const std::string&) -> Result<agentd::Credentials> {
      return agentd::Credentials{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
    };
    git = std::make_unique<agentd::git::Git>(loop, std::move(setup));
  }
  ~Rig() {
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  template <class T>
  T must(async::Task<Result<T>> task) {
    Result<T> result = loop.block_on(std::move(task));
    if (!result) require(false, result.error().to_string());
    return std::move(*result);
  }
  std::string shell(const std::string& where, const std::string& command) {
    async::SpawnOptions options{.argv = {"/bin/sh", "-c", command}, .env = async::current_environment(), .cwd = where};
    for (const char* entry : {"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=A",
                              "GIT_COMMITTER_EMAIL=a@b", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"}) {
      options.env.emplace_back(entry);
    }
    auto output = loop.block_on(async::run_command(loop, std::move(options)));
    require(output && output->status == async::ExitStatus{}, output ? output->err : output.error().to_string());
    return output->out;
  }
  template <class F>
  Duration time(F work) {
    const auto before = std::chrono::steady_clock::now();
    work();
    return std::chrono::steady_clock::now() - before;
  }
  /// A repository of many small files in some hundred directories.
  std::string repository(const std::string& name, int files) {
    const std::string path = directory + "/" + name;
    fs::create_directories(path);
    shell(path, "git init -q -b main");
    std::ofstream input(path + ".import");
    input << "commit refs/heads/main\ncommitter A <a@b> 1000000 +0000\ndata 5\nfirst\n";
    for (int i = 0; i < files; ++i) {
      const std::string content = fmt::format("file {}\n{}\n", i, std::string(static_cast<std::size_t>(i % 700), 'x'));
      input << "M 100644 inline d" << i % 97 << "/e" << i % 11 << "/f" << i << "\ndata " << content.size() << "\n"
            << content;
    }
    input.close();
    shell(path, "git fast-import --quiet < '" + path + ".import' && git repack -qad");
    return path;
  }
  void import(const std::string& path, const std::string& name) {
    const auto source = must(swarm::git::Source::open(program, path, directory + "/scratch"));
    auto pack = must(source->pack({source->info().head}, {}));
    must(git->import({.repo = name, .head = source->info().head, .pack = 1},
                     [&pack]() -> Result<std::unique_ptr<wire::ByteSource>> { return std::move(pack); }));
  }
  std::string worktree(const std::string& repo, const std::string& agent) {
    return must(git->worktree({.repo = repo, .swarm = "x", .agent = agent})).path.bytes;
  }

  SystemClock clock;
  async::Loop loop{clock};
  std::string directory;
  std::unique_ptr<agentd::git::Git> git;
  swarm::git::Program program{loop};
};

double milliseconds(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

void change(const std::string& tree, int files, int round) {
  for (int i = 0; i < files; ++i) {
    const std::string path = fmt::format("{}/new{}/g{}", tree, i % 13, i);
    if (i < 13) fs::create_directories(fs::path(path).parent_path());
    std::ofstream(path) << "round " << round << " file " << i << "\n";
  }
}

void commits(Rig& rig, bench::Report& report) {
  const std::string host = rig.repository("middle", 2000);
  rig.import(host, "middle");
  const std::string ours = rig.worktree("middle", "agent-0");
  rig.shell(rig.directory, "git clone -q '" + host + "' theirs");
  const std::string theirs = rig.directory + "/theirs";
  for (const int files : {1, 100, 10'000}) {
    const int rounds = files > 1000 ? 3 : 20;
    bench::Samples mine;
    bench::Samples gits;
    for (int round = 0; round < rounds; ++round) {
      change(ours, files, round);
      change(theirs, files, round);
      mine.add(rig.time([&] {
        require(rig.must(rig.git->commit({}, {.repo = "middle", .agent = "agent-0", .message = {"change"}})).created,
                "nothing was committed");
      }));
      gits.add(rig.time([&] { rig.shell(theirs, "git add -A && git commit -q -m change"); }));
    }
    report.add({.name = fmt::format("git: commit of {} files", files),
                .value = milliseconds(mine.percentile(50)),
                .unit = "ms",
                .rival = "git add -A && git commit",
                .rival_value = milliseconds(gits.percentile(50))});
  }
}

async::Task<> commit_one(Rig& rig, std::string agent) {
  const auto reply = co_await rig.git->commit({}, {.repo = "crowd", .agent = agent, .message = {"change"}});
  require(reply.has_value() && reply->created, reply ? "nothing was committed" : reply.error().to_string());
}

void crowd(Rig& rig, bench::Report& report) {
  constexpr int kAgents = 50;
  const std::string host = rig.repository("small", 100);
  rig.import(host, "crowd");
  std::vector<std::string> ours;
  for (int i = 0; i < kAgents; ++i) {
    ours.push_back(rig.worktree("crowd", fmt::format("agent-{}", i)));
    rig.shell(rig.directory, fmt::format("git -C small worktree add -q -b b{} ../crowd{}", i, i));
  }
  Duration mine{0};
  Duration gits{0};
  constexpr int kRounds = 5;
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kAgents; ++i) {
      change(ours[static_cast<std::size_t>(i)], 3, round * 100 + i);
      change(fmt::format("{}/crowd{}", rig.directory, i), 3, round * 100 + i);
    }
    mine += rig.time([&] {
      async::TaskSet tasks(rig.loop);
      for (int i = 0; i < kAgents; ++i) tasks.spawn(commit_one(rig, fmt::format("agent-{}", i)));
      rig.loop.block_on(tasks.join());
    });
    gits += rig.time([&] {
      rig.shell(rig.directory,
                "for i in $(seq 0 49); do (cd crowd$i && git add -A && git commit -q -m change) & done; wait");
    });
  }
  const auto rate = [](Duration d) { return kAgents * kRounds / std::chrono::duration<double>(d).count(); };
  report.add({.name = "git: 50 agents commit at once",
              .value = rate(mine),
              .unit = "commits/s",
              .rival = "50 x git add && git commit",
              .rival_value = rate(gits)});
}

void merges(Rig& rig, bench::Report& report) {
  constexpr int kMerges = 50;
  for (int i = 0; i < kMerges; ++i) {
    const std::string tree = rig.worktree("middle", fmt::format("agent-m{}", i));
    std::ofstream(tree + fmt::format("/merge{}", i)) << i;
    rig.must(rig.git->commit({}, {.repo = "middle", .agent = fmt::format("agent-m{}", i), .message = {"m"}}));
  }
  bench::Samples mine;
  for (int i = 0; i < kMerges; ++i) {
    mine.add(rig.time([&] {
      const auto reply =
          rig.must(rig.git->merge({.repo = "middle", .swarm = "x", .candidate = fmt::format("swarm/x/agent-m{}", i)}));
      require(reply.outcome == api::GitMergeOutcome::merged, "not merged");
    }));
  }
  const std::string theirs = rig.directory + "/theirs";
  rig.shell(theirs, "git reset -q --hard origin/main && git clean -qfdx");
  rig.shell(theirs,
            "for i in $(seq 0 49); do git checkout -q -b m$i origin/main && echo $i > merge$i && git add -A && "
            "git commit -q -m m; done; git checkout -q -b all origin/main");
  bench::Samples gits;
  for (int i = 0; i < kMerges; ++i) {
    gits.add(rig.time([&] { rig.shell(theirs, fmt::format("git merge -q --no-ff -m m m{}", i)); }));
  }
  report.add({.name = "git: merge into 2,000 files, no test",
              .value = milliseconds(mine.percentile(50)),
              .unit = "ms",
              .rival = "git merge --no-ff",
              .rival_value = milliseconds(gits.percentile(50))});
}

void imports(Rig& rig, bench::Report& report) {
  const std::string host = rig.repository("large", 100'000);
  const Duration bare = rig.time([&] { rig.shell(rig.directory, "git clone -q --no-local --bare large clone.git"); });
  const Duration mine = rig.time([&] { rig.import(host, "large"); });
  report.add({.name = "git: import of 100,000 files",
              .value = milliseconds(mine),
              .unit = "ms",
              .rival = "git clone --no-local --bare",
              .rival_value = milliseconds(bare)});
  const Duration theirs =
      rig.time([&] { rig.shell(rig.directory, "git -C clone.git worktree add -q ../checkout main"); });
  const Duration tree = rig.time([&] { rig.worktree("large", "agent-0"); });
  report.add({.name = "git: worktree of 100,000 files",
              .value = milliseconds(tree),
              .unit = "ms",
              .rival = "git worktree add",
              .rival_value = milliseconds(theirs)});
  const std::string files = rig.worktree("large", "agent-0");
  std::ofstream(files + "/one") << "one\n";
  std::ofstream(rig.directory + "/checkout/one") << "one\n";
  const Duration one =
      rig.time([&] { rig.must(rig.git->commit({}, {.repo = "large", .agent = "agent-0", .message = {"one"}})); });
  const Duration git_one =
      rig.time([&] { rig.shell(rig.directory + "/checkout", "git add -A && git commit -q -m one"); });
  report.add({.name = "git: commit of 1 file among 100,000",
              .value = milliseconds(one),
              .unit = "ms",
              .rival = "git add -A && git commit",
              .rival_value = milliseconds(git_one)});
}

}  // namespace

int main(int argc, char** argv) {
  const std::string json = bench::json_path_from(argc, argv);
  bench::Report report;
  Rig rig;
  commits(rig, report);
  crowd(rig, report);
  merges(rig, report);
  imports(rig, report);
  if (!json.empty()) require(report.write_json(json).has_value(), "the JSON file could not be written");
  return 0;
}
