#include <catch2/catch.hpp>
#include <cstdlib>

#include "daemon/git/protected_paths.hpp"
#include "daemon/ship/forge.hpp"
#include "daemon/ship/push.hpp"
#include "daemon/ship/remote.hpp"

namespace swarm::ship {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals

TEST_CASE("protected paths are matched as .gitignore would, in any case of letters") {
  struct Case {
    const char* pattern;
    const char* path;
    bool takes;
  };
  for (const Case& each : std::vector<Case>{
           {"/.github/workflows/", ".github/workflows/ci.yml", true},
           {"/.github/workflows/", ".GitHub/Workflows/ci.yml", true},
           {"/.github/workflows/", ".github/workflows", true},
           {"/.github/workflows/", ".github/workflowsx/ci.yml", false},
           {"/.github/workflows/", "sub/.github/workflows/ci.yml", false},
           {".gitattributes", "deep/in/.gitattributes", true},
           {".gitattributes", ".gitattributes2", false},
           {".vscode/", "a/.vscode/tasks.json", true},
           {".vscode/", "a.vscode/tasks.json", false},
           {"*.pem", "keys/server.pem", true},
           {"/*.pem", "keys/server.pem", false},
           {"/deploy/**/secret?.txt", "deploy/a/b/secret1.txt", true},
           {"/deploy/**/secret?.txt", "deploy/secret1.txt", true},
           {"/deploy/**/secret?.txt", "deploy/secret12.txt", false},
           {"/a/*/c", "a/b/c", true},
           {"/a/*/c", "a/b/x/c", false},
           {"/", "anything", false},
           {"", "anything", false},
       }) {
    INFO(each.pattern << " and " << each.path);
    CHECK(git::path_matches(each.pattern, each.path) == each.takes);
  }
  const config::Git usual;
  CHECK(git::protected_among(usual.protected_paths, {".envrc", "src/main.c", "sub/CLAUDE.md", ".gitmodules"}) ==
        std::vector<std::string>{".envrc", "sub/CLAUDE.md", ".gitmodules"});
}

TEST_CASE("a remote is read as people write it, and what is secret in it is left out") {
  struct Case {
    const char* given;
    const char* url;
    const char* host;
    const char* owner;
    const char* name;
  };
  for (const Case& each : std::vector<Case>{
           {"https://github.com/owner/name.git", "https://github.com/owner/name.git", "github.com", "owner", "name"},
           {"https://GitHub.com:443/owner/name/", "https://github.com/owner/name.git", "github.com", "owner", "name"},
           {"https://me:secret@git.example.org:8443/a/b", "https://git.example.org:8443/a/b.git",
            "git.example.org:8443", "a", "b"},
           {"git@github.com:owner/name.git", "https://github.com/owner/name.git", "github.com", "owner", "name"},
           {"ssh://git@github.com:22/owner/name", "https://github.com/owner/name.git", "github.com", "owner", "name"},
           {"http://127.0.0.1:8080/owner/name.git", "http://127.0.0.1:8080/owner/name.git", "127.0.0.1:8080", "owner",
            "name"},
           {"https://git.example.org/group/sub/name.git", "https://git.example.org/group/sub/name.git",
            "git.example.org", "group/sub", "name"},
       }) {
    INFO(each.given);
    const Result<Remote> remote = read_remote(each.given);
    REQUIRE(remote);
    CHECK(remote->url == each.url);
    CHECK(remote->host == each.host);
    CHECK(remote->owner == each.owner);
    CHECK(remote->name == each.name);
  }
  for (const char* wrong : {"/srv/git/name.git", "../name", "file:///srv/name", "http://git.example.org/a/b",
                            "http://127.0.0.1.example.org/a/b", "https://host/only", "https://host/../../etc",
                            "ext::sh", "https://ho st/a/b", "https://host/a/b?x=y", ""}) {
    INFO(wrong);
    CHECK_FALSE(read_remote(wrong));
  }
  const Result<Remote> refused = read_remote("ftp://me:hunter2hunter2@host/a/b");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("hunter2") == std::string::npos);
}

TEST_CASE("the token of github.com goes to no other host") {
  config::Config config;
  CHECK(service_of(config, *read_remote("https://github.com/a/b")).secret == "github");
  CHECK(service_of(config, *read_remote("https://github.com/a/b")).api_url == "https://api.github.com");
  CHECK(service_of(config, *read_remote("https://github.com.evil.example/a/b")).secret.empty());
  config.forges["ours"] = {.host = "git.example.org", .api_url = {}, .secret = "work"};
  CHECK(service_of(config, *read_remote("https://git.example.org/a/b")).secret == "work");
  CHECK(service_of(config, *read_remote("https://git.example.org/a/b")).api_url == "https://git.example.org/api/v3");
  CHECK(service_of(config, *read_remote("https://git.example.org:8443/a/b")).secret.empty());
}

TEST_CASE("GITHUB_TOKEN is the secret github where nothing else is") {
  config::Config config;
  unsetenv("GITHUB_TOKEN");
  adopt_environment(config);
  CHECK_FALSE(config.secrets.contains("github"));
  setenv("GITHUB_TOKEN", "x", 1);
  adopt_environment(config);
  CHECK(config.secrets.at("github").variable == "GITHUB_TOKEN");
  unsetenv("GITHUB_TOKEN");  // taken at the start: read again, the configuration still says so
  config::Config again;
  adopt_environment(again, &config);
  CHECK(again.secrets.at("github").variable == "GITHUB_TOKEN");
  config::Config own;
  own.secrets["github"] = {.source = config::SecretSource::stored};
  setenv("GITHUB_TOKEN", "x", 1);
  adopt_environment(own);
  CHECK(own.secrets.at("github").variable.empty());
  unsetenv("GITHUB_TOKEN");
}

TEST_CASE("an answer that is no success says whether, and how long, to wait") {
  const WallTime now{1'800'000'000'000'000};
  const auto meant = [&](Refusal refusal) { return setback_of(refusal, now, "open a pull request"); };
  const Setback primary = meant({.status = 403,
                                 .body = R"({"message":"API rate limit exceeded"})",
                                 .retry_after = {},
                                 .remaining = "0",
                                 .reset = "1800000060"});
  REQUIRE(primary.wait);
  CHECK(*primary.wait == 61s);  // to its reset, and a second for clocks that differ
  CHECK(primary.error.retryable);
  const Setback secondary =
      meant({.status = 429, .body = "{}", .retry_after = "30", .remaining = "12", .reset = "1800003600"});
  CHECK(*secondary.wait == 30s);
  const Setback in_words = meant({.status = 403,
                                  .body = R"({"message":"You have exceeded a secondary rate limit."})",
                                  .retry_after = {},
                                  .remaining = "4000",
                                  .reset = {}});
  CHECK(*in_words.wait == 1min);
  // Nobody says when that ends: the waits grow. Where it is said, it is believed.
  CHECK(in_words.guessed);
  CHECK_FALSE(secondary.guessed);
  CHECK_FALSE(primary.guessed);
  CHECK(grown(1min, 0) == 1min);
  CHECK(grown(1min, 1) == 2min);
  CHECK(grown(1min, 5) == 32min);
  CHECK(grown(1min, 6) == 1h);
  CHECK(grown(1min, 1000) == 1h);
  const Setback forbidden = meant({.status = 403, .body = R"({"message":"Resource not accessible"})"});
  CHECK_FALSE(forbidden.wait);
  CHECK(forbidden.error.code == Code::permission_denied);
  CHECK_FALSE(forbidden.error.retryable);
  const Setback there =
      meant({.status = 422, .body = R"({"message":"Validation Failed","errors":[{"resource":"PullRequest",
                                 "message":"A pull request already exists for o:b."}]})"});
  CHECK(there.error.code == Code::already_exists);
  CHECK(meant({.status = 502, .body = "<html>"}).error.retryable);
  CHECK_FALSE(meant({.status = 404, .body = ""}).error.retryable);
  CHECK(*meant({.status = 403, .body = "{}", .retry_after = "99999999"}).wait == 2h);  // nobody waits for ever
}

TEST_CASE("git's words about a push are told apart") {
  const Remote remote = *read_remote("https://github.com/owner/name");
  const auto code = [&](const char* words) { return push_failure(words, remote, "secret 'github'").code; };
  CHECK(code("fatal: Authentication failed for 'https://github.com/owner/name.git/'") == Code::unauthenticated);
  CHECK(code("! [rejected]  a -> b (fetch first)") == Code::failed_precondition);
  CHECK(code("! [remote rejected] a -> b (protected branch hook declined)") == Code::failed_precondition);
  CHECK(code("fatal: unable to access 'https://x/': The requested URL returned error: 403") == Code::permission_denied);
  CHECK(code("fatal: repository 'https://github.com/owner/name.git/' not found") == Code::not_found);
  CHECK(code("fatal: unable to access 'https://x/': Could not resolve host: x") == Code::unavailable);
  CHECK(code("error: RPC failed; curl 52 Empty reply from server") == Code::unavailable);
  CHECK(push_failure("error: RPC failed", remote, "x").retryable);
}

}  // namespace
}  // namespace swarm::ship
