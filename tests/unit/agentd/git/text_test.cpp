// Plain functions on texts: secrets, trailers, names, paths, histories.

#include <rapidcheck/catch.h>

#include "agentd/git/secret_scan.hpp"
#include "protocol/git/staging.hpp"
#include "tests/unit/agentd/git/git_rig.hpp"

namespace swarm::agentd::git {
namespace {

TEST_CASE("what looks like a secret is found, what only sounds like one is not") {
  const std::string random = "q8Zr2LxW0pT7vN4kYc1sHd9B";
  const auto kind = [](const std::string& line) { return secret_in(line).value_or(""); };
  CHECK(kind("TOKEN=ghp_" + random + "q8Zr2LxW") == "github-token");
  CHECK(kind("key: sk-ant-" + random) == "anthropic-key");
  CHECK(kind("AKIA"
             "Q8ZR2LXW0PT7VN4K") == "aws-key");
  CHECK(kind("-----BEGIN RSA PRIVATE KEY-----") == "private-key");
  CHECK(kind("api_key = \"" + random + "\"") == "high-entropy value of 'api_key'");
  CHECK(kind("  \"clientSecret\": '" + random + "',") == "high-entropy value of 'secret'");
  CHECK(kind("PASSWORD=" + random) == "high-entropy value of 'password'");
  CHECK(kind("DB_PASSWORD: 90f3a7c1d2b84e6f0a5c9d17e3b2f864").starts_with("high-entropy"));
  for (const std::string& fine :
       {std::string("password = get_password_from_environment(user)"), std::string("token = os.environ['API_TOKEN']"),
        std::string("const secret = process.env.JWT_SECRET_FOR_SIGNING1;"),
        std::string("api_key = \"your-api-key-goes-here-1234\""), std::string("password: changeme-changeme-12345678"),
        std::string("# the token is sent in the header"), std::string("secret = \"short\""),
        std::string("task-list and risk-assessment"), "integrity sha512-" + random + random,
        std::string("commit 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"), std::string("Authorization: Bearer ${TOKEN}"),
        std::string("token: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa111"), std::string("assert tokenise('a b') == ['a', 'b']"),
        "ghp_example" + random, std::string()}) {
    INFO(fine);
    CHECK(kind(fine).empty());
  }
  CHECK(entropy("aaaa") == 0.0);
  CHECK(entropy("ab") == Approx(1.0));
}

TEST_CASE("trailers stand at the end, once, and nobody writes ours") {
  CHECK(with_trailers("Subject", {{"Swarm-Task", "t"}}) == "Subject\n\nSwarm-Task: t\n");
  CHECK(with_trailers("Subject\n\nBody\n", {}) == "Subject\n\nBody\n");
  CHECK(with_trailers("S\n\nA: b\n", {{"Swarm-Run", "r"}}) == "S\n\nA: b\nSwarm-Run: r\n");
  CHECK(with_trailers("fix: it", {{"Swarm-Run", "r"}}) == "fix: it\n\nSwarm-Run: r\n");
  CHECK(with_trailers("S\n\nswarm-run: x\nREVIEWED-BY: me\nReviewed-by:me\n", {}) == "S\n\nReviewed-by:me\n");
  CHECK(trailers_of("S\n\nbody\n\nA: 1\nB: 2\nA: 3\n") == std::map<std::string, std::string>{{"A", "3"}, {"B", "2"}});
  CHECK(trailers_of("A: 1\nB: 2\n").empty());
  CHECK(trailers_of("S\n\nA: 1\nno trailer\n").empty());
  CHECK_FALSE(check_trailers({{"A", "1\nB: 2"}}).has_value());
  CHECK_FALSE(check_trailers({{"A b", "1"}}).has_value());
  CHECK(check_trailers({{"Swarm-Task", "tsk_1"}}).has_value());
}

TEST_CASE("names and paths that lead elsewhere are refused") {
  for (const char* good : {"a", "agent-0", "My.Repo_1", "x--y"}) CHECK(check_name("it", good).has_value());
  for (const char* bad : {"", ".", "..", ".git", "a/b", "-a", "a..b", "a.lock", "a b", "a\n", "\xc3\xa4", "a."}) {
    INFO(bad);
    CHECK_FALSE(check_name("it", bad).has_value());
  }
  CHECK(clean_path("./a//b/./c/").value() == "a/b/c");
  CHECK(clean_path(".").value().empty());
  for (const char* bad : {"", "/a", "..", "a/../b", "a/.."}) CHECK_FALSE(clean_path(bad).has_value());
  rc::prop("a clean path stays inside and is clean already", [](const std::string& path) {
    const Result<std::string> clean = clean_path(path);
    if (!clean) return true;
    return !clean->starts_with('/') && !("/" + *clean + "/").contains("/../") &&
           (clean->empty() || clean_path(*clean).value() == *clean);
  });
  rc::prop("a message with trailers keeps what it says and gives them back", [](const std::string& body,
                                                                                std::uint8_t n) {
    const std::map<std::string, std::string> trailers{{"Swarm-Task", std::to_string(n)}, {"Swarm-Run", "r"}};
    const std::string message = with_trailers("Subject\n\n" + body, trailers);
    const auto found = trailers_of(message);
    return found.contains("Swarm-Task") && found.at("Swarm-Task") == std::to_string(n) && found.at("Swarm-Run") == "r";
  });
}

struct HistoryRig : tests::GitRig {};

TEST_CASE_METHOD(HistoryRig, "histories are compared by what can be reached, whatever the clocks said") {
  const std::string repo = repository("repo");
  std::uint64_t seed = 4711;
  const auto next = [&seed](std::size_t below) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return static_cast<std::size_t>(seed >> 33U) % below;
  };
  // A random graph with merges, and times that do not follow it.
  std::vector<std::string> commits = {git(repo, {"rev-parse", "HEAD"})};
  const std::string tree = git(repo, {"rev-parse", "HEAD^{tree}"});
  std::map<std::string, std::set<std::string>> reach{{commits[0], {commits[0]}}};
  for (int i = 0; i < 60; ++i) {
    std::vector<std::string> words = {"sh",
                                      "-c",
                                      "GIT_COMMITTER_DATE=\"@$((1000000 + $0)) +0000\" exec git commit-tree \"$@\"",
                                      std::to_string(i * 10 + static_cast<int>(next(25))),
                                      tree,
                                      "-m",
                                      std::to_string(i)};
    const std::size_t parents = 1 + next(2);
    std::set<std::string> chosen;
    for (std::size_t p = 0; p < parents; ++p)
      chosen.insert(commits[commits.size() - 1 - next(std::min<std::size_t>(6, commits.size()))]);
    for (const std::string& parent : chosen) words.insert(words.end(), {"-p", parent});
    const Ran ran = run(repo, words);
    REQUIRE(ran.status == 0);
    commits.push_back(ran.out.substr(0, 40));
    reach[commits.back()].insert(commits.back());
    for (const std::string& parent : chosen) reach[commits.back()].insert(reach[parent].begin(), reach[parent].end());
  }
  const auto opened = swarm::git::open_bare(repo + "/.git");
  REQUIRE(opened.has_value());
  swarm::git::History history(opened->get(), {});
  const auto sorted = [](const std::vector<Oid>& ids) {
    std::set<std::string> out;
    for (const Oid& id : ids) out.insert(id.text());
    return out;
  };
  const auto without = [&reach](const std::string& a, const std::string& b) {
    std::set<std::string> out;
    std::ranges::set_difference(reach[a], reach[b], std::inserter(out, out.end()));
    return out;
  };
  for (int i = 0; i < 200; ++i) {
    const std::string a = commits[next(commits.size())];
    const std::string b = commits[next(commits.size())];
    INFO(a << " " << b);
    const auto compared = history.compare({*Oid::parse(a)}, {*Oid::parse(b)});
    REQUIRE(compared.has_value());
    CHECK(sorted(compared->ours) == without(a, b));
    CHECK(sorted(compared->theirs) == without(b, a));
    std::set<std::string> common;
    std::ranges::set_intersection(reach[a], reach[b], std::inserter(common, common.end()));
    std::set<std::string> best = common;
    for (const std::string& one : common) {
      for (const std::string& other : common) {
        if (one != other && reach[other].contains(one)) best.erase(one);
      }
    }
    CHECK(sorted(compared->bases) == best);
    CHECK(history.contains(*Oid::parse(a), *Oid::parse(b)).value() == reach[a].contains(b));
  }
}

}  // namespace
}  // namespace swarm::agentd::git
