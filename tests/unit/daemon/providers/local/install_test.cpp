#include "daemon/providers/local/install.hpp"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "daemon/providers/local/command.hpp"
#include "daemon/providers/local/template.hpp"
#include "tests/fixtures/temporary_directory.hpp"

using namespace swarm;
using namespace swarm::local;
namespace fs = std::filesystem;

namespace {

/// An npm that knows one package: what `npm view` and `npm pack` print, from a directory.
std::string fake_npm(const test::TemporaryDirectory& directory, const std::string& integrity) {
  const std::string path = directory / "npm";
  std::ofstream(path)
      << "#!/bin/sh\n"
         "case \"$1\" in\n"
         "view) [ \"$2\" = '@google/gemini-cli@1.2.3' ] || { echo 'npm error 404' >&2; exit 1; }; echo '"
      << integrity
      << "' ;;\n"
         "pack) for last; do :; done; cp '"
      << (directory / "package.tgz")
      << "' \"$last/package.tgz\"; echo '[{\"filename\": \"package.tgz\"}]' ;;\n"
         "esac\n";
  fs::permissions(path, fs::perms(0755));
  return path;
}

std::string pack(const test::TemporaryDirectory& directory) {
  fs::create_directories(directory / "package/bundle");
  std::ofstream(directory / "package/package.json") << R"({"bin": {"gemini": "bundle/gemini.js"}})";
  std::ofstream(directory / "package/bundle/gemini.js") << "#!/usr/bin/env node\n";
  REQUIRE(run_to_end({"tar", "-C", directory.path(), "-czf", directory / "package.tgz", "package"}, Environment::none)
              .status == 0);
  const auto sum = run_to_end(
      {"sh", "-c", "openssl dgst -sha512 -binary \"$0\" | base64 -w0", directory / "package.tgz"}, Environment::ours);
  return "sha512-" + sum.out;
}

}  // namespace

TEST_CASE("tools are named with an exact version") {
  CHECK(parse_tool("claude@2.1.0")->version == "2.1.0");
  CHECK(parse_tool("claud@2.1.0").error().message.find("claude") != std::string::npos);
  for (const char* text : {"claude", "claude@", "claude@latest", "claude@^2.1.0", "claude@2", "claude@1.0.0/../x"})
    CHECK(parse_tool(text).error().code == Code::invalid_argument);
}

TEST_CASE("archives that would write elsewhere are refused") {
  const std::string start = "-rw-r--r-- 0/0 5 1985-10-26 08:15 ";
  CHECK(check_listing(start + "package/a file\n").value() == 1);
  for (const std::string& bad : {start + "/etc/passwd\n", start + "package/../../x\n", std::string("what\n"),
                                 std::string(), std::string("lrwxrwxrwx 0/0 0 1985-10-26 08:15 package/l -> /etc\n")})
    CHECK_FALSE(check_listing(bad));
}

TEST_CASE("a tool is fetched, checked and arranged once") {
  const test::TemporaryDirectory directory;
  const std::string npm = fake_npm(directory, pack(directory));
  const fs::path tools = directory / "tools";
  const auto installed = install_tool(tools, "gemini@1.2.3", npm);
  if (!installed) FAIL(installed.error().to_string());
  CHECK(fs::exists(*installed / "bin/gemini"));
  CHECK(find_tool(tools, "gemini").value() == *installed);
  CHECK(find_tool(tools, "gemini@1.2.3").value() == *installed);
  CHECK(find_tool(tools, "gemini@9.9.9").error().code == Code::not_found);
  fs::create_directories(tools / "gemini@1.10.0");
  CHECK(find_tool(tools, "gemini").value().filename() == "gemini@1.10.0");
  // Installed already: npm is not asked again.
  CHECK(install_tool(tools, "gemini@1.2.3", "/no/npm"));
  CHECK(install_tool(tools, "gemini@7.7.7", npm).error().code == Code::not_found);
  CHECK(install_tool(tools, "gemini@7.7.8", "/no/npm").error().code == Code::failed_precondition);
}

TEST_CASE("a package that is not what the registry published is refused") {
  const test::TemporaryDirectory directory;
  (void)pack(directory);
  const std::string npm = fake_npm(directory, "sha512-AAAA");
  const fs::path tools = directory / "tools";
  CHECK(install_tool(tools, "gemini@1.2.3", npm).error().message.find("not what the registry published") !=
        std::string::npos);
  CHECK(fs::is_empty(tools));
}
