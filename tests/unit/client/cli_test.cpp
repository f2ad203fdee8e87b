#include "client/cli.hpp"

#include <catch2/catch.hpp>

#include <CLI/CLI.hpp>

#include "client/completion.hpp"
#include "client/exit_codes.hpp"

namespace swarm::client {
namespace {

std::string message_of(std::vector<std::string> arguments, int status = kExitUsage) {
  const ParsedLine parsed = parse_line(std::move(arguments));
  REQUIRE(parsed.exit);
  CHECK(*parsed.exit == status);
  REQUIRE(parsed.error);
  return parsed.error->message;
}

std::vector<std::string> completed(std::vector<std::string> words) {
  Selection selection;
  CLI::App root("", "swarmctl");
  build_commands(root, selection);
  std::vector<std::string> found;
  const Completion completion = complete(root, words);
  for (const Candidate& candidate : completion.candidates) found.push_back(candidate.word);
  if (completion.sandbox) found.emplace_back("<sandbox>");
  if (completion.files) found.emplace_back("<file>");
  return found;
}

using Words = std::vector<std::string>;

TEST_CASE("without arguments a new user learns what to type first") {
  const ParsedLine parsed = parse_line({});
  CHECK(parsed.exit == kExitOk);
  CHECK(parsed.out.find("swarmctl sandbox create") != std::string::npos);
  CHECK(parsed.out.find("swarmctl doctor") != std::string::npos);
  CHECK(parsed.out.find("swarmctl deploy") != std::string::npos);
}

TEST_CASE("--version answers without a command and without a daemon") {
  const ParsedLine parsed = parse_line({"--version"});
  CHECK(parsed.exit == kExitOk);
  CHECK(parsed.out.starts_with("swarmctl "));
}

TEST_CASE("unknown names come with the nearest known one") {
  CHECK(message_of({"sandbx", "ls"}) ==
        "swarmctl has no command 'sandbx'; did you mean 'sandbox'? See 'swarmctl --help'");
  CHECK(message_of({"sandbox", "craete"}) ==
        "swarmctl sandbox has no command 'craete'; did you mean 'create'? See 'swarmctl sandbox --help'");
  CHECK(message_of({"sandbox", "create", "--memroy", "1GiB"}) ==
        "swarmctl sandbox create has no option '--memroy'; did you mean '--memory'? See 'swarmctl sandbox create "
        "--help'");
  CHECK(message_of({"sandbox", "info", "a", "b"}).starts_with("swarmctl sandbox info: 'b' is one argument too many"));
  CHECK(message_of({"--bogus"}).starts_with("swarmctl has no option '--bogus'"));
  CHECK(message_of({"exec", "--tyt", "web", "ls"}, kExitOurs).find("did you mean '--tty'?") != std::string::npos);
  CHECK(message_of({"sandbox", "info"}).starts_with("SANDBOX is required"));
}

TEST_CASE("every command can be asked for help, and says how it is written") {
  const std::vector<Words> commands{{"sandbox", "create"},
                                    {"sandbox", "ls"},
                                    {"exec"},
                                    {"shell"},
                                    {"cp"},
                                    {"ps"},
                                    {"ps", "attach"},
                                    {"logs"},
                                    {"forward"},
                                    {"events"},
                                    {"template"},
                                    {"template", "install"},
                                    {"daemon", "start"},
                                    {"doctor"},
                                    {"config", "check"},
                                    {"rpc"},
                                    {"completion"},
                                    {"help"}};
  for (Words words : commands) {
    std::string path = "swarmctl";
    for (const std::string& word : words) path += " " + word;
    CAPTURE(path);
    words.emplace_back("--help");
    const ParsedLine parsed = parse_line(words);
    CHECK(parsed.exit == kExitOk);
    CHECK(parsed.out.find("Usage: " + path) != std::string::npos);
  }
}

TEST_CASE("options of every command are taken before and behind it") {
  for (const Words& words :
       {Words{"--json", "--socket", "/s", "sandbox", "ls"}, Words{"sandbox", "ls", "--json", "--socket", "/s"}}) {
    const ParsedLine parsed = parse_line(words);
    CHECK_FALSE(parsed.exit);
    CHECK(parsed.selection.globals.json);
    CHECK(parsed.selection.globals.socket == "/s");
    CHECK(parsed.selection.action);
  }
  CHECK(parse_line({"sandbox", "create", "--backend", "local"}).selection.globals.provider == "local");
}

TEST_CASE("what follows the sandbox of exec is the program's") {
  for (const Words& words : {Words{"exec", "web", "ls", "--json", "-x"}, Words{"exec", "web", "--", "ls", "--json"},
                             Words{"--socket", "exec", "exec", "web", "--", "--help"},
                             Words{"exec", "web", "git", "log", "--", "--json"}, Words{"exec", "web", "shell", "ls"}}) {
    const ParsedLine parsed = parse_line(words);
    INFO((parsed.error ? parsed.error->message : ""));
    CHECK_FALSE(parsed.exit);
    CHECK_FALSE(parsed.selection.globals.json);
    CHECK(parsed.selection.runs_program);
  }
}

TEST_CASE("exit statuses are those that are documented") {
  CHECK(exit_of(fail(Code::not_found, "").error()) == 4);
  CHECK(exit_of(fail(Code::unavailable, "").error()) == 3);
  CHECK(exit_of(fail(Code::invalid_argument, "").error()) == 2);
  CHECK(exit_of(fail(Code::deadline_exceeded, "").error()) == 5);
  CHECK(exit_of(fail(Code::internal, "").error()) == 1);
  CHECK(exit_of(api::ExecStatus{.exit_code = 42}) == 42);
  CHECK(exit_of(api::ExecStatus{.signal = 9}) == 137);
  CHECK(exit_of(api::ExecStatus{.state = api::ExecState::lost}) == 125);
  for (const char* status : {"125", "126", "127", "128", "130", "141"}) {
    CHECK(exit_codes_page().find(status) != std::string::npos);
  }
}

TEST_CASE("completion walks the tree") {
  CHECK(completed({"sandb"}) == Words{"sandbox"});
  CHECK(completed({"sandbox", "cr"}) == Words{"create"});
  CHECK(completed({"sandbox", "create", "--mem"}) == Words{"--memory"});
  CHECK(completed({"sandbox", "create", "--network", ""}) == Words{"allow", "off", "on"});
  CHECK(completed({"sandbox", "info", ""}) == Words{"<sandbox>"});
  CHECK(completed({"sandbox", "info", "web", ""}).empty());
  CHECK(completed({"sandbox", "kill", "a", ""}) == Words{"<sandbox>"});
  CHECK(completed({"exec", ""}) == Words{"<sandbox>"});
  CHECK(completed({"exec", "-e", "A=1", ""}) == Words{"<sandbox>"});
  CHECK(completed({"exec", "web", ""}) == Words{"<file>"});
  CHECK(completed({"exec", "web", "--", "l"}) == Words{"<file>"});
  CHECK(completed({"cp", ""}) == Words{"<sandbox>", "<file>"});
  CHECK(completed({"completion", "z"}) == Words{"zsh"});
  CHECK(completed({"nonsense", ""}).empty());
  const Words all = completed({""});
  CHECK(std::ranges::find(all, "__complete") == all.end());
  for (const char* shell : {"bash", "zsh", "fish"}) CHECK_FALSE(completion_script(shell).empty());
}

}  // namespace
}  // namespace swarm::client
