#include "agentd/cli/hook_input.hpp"

#include <catch2/catch.hpp>

namespace swarm::cli {
namespace {

TEST_CASE("an edit is read with its file") {
  const auto input = read_hook(R"({"session_id":"s1","transcript_path":"/t.jsonl","cwd":"/w","hook_event_name":
    "PreToolUse","tool_name":"Edit","tool_input":{"file_path":"/w/a.c","new_string":"{\"file_path\":\"/other\"}"}})");
  REQUIRE(input);
  CHECK(input->event == "PreToolUse");
  CHECK(input->session == "s1");
  CHECK(input->transcript == "/t.jsonl");
  CHECK(input->tool == "Edit");
  CHECK(input->paths == std::vector<std::string>{"/w/a.c"});
}

TEST_CASE("a relative file is one of the working directory") {
  const auto input = read_hook(R"({"cwd":"/w","tool_name":"NotebookEdit","tool_input":{"notebook_path":"a/n.ipynb"}})");
  REQUIRE(input);
  CHECK(input->paths == std::vector<std::string>{"/w/a/n.ipynb"});
}

TEST_CASE("only tools that change files have one") {
  for (const char* tool : {"Edit", "Write", "MultiEdit", "NotebookEdit"}) {
    const auto input = read_hook(R"({"tool_name":")" + std::string(tool) + R"(","tool_input":{"file_path":"/a"}})");
    REQUIRE(input);
    CHECK(input->paths == std::vector<std::string>{"/a"});
  }
  const auto read = read_hook(R"({"tool_name":"Read","tool_input":{"file_path":"/a"}})");
  REQUIRE(read);
  CHECK(read->paths.empty());
}

TEST_CASE("a patch names all its files") {
  const auto input =
      read_hook(R"({"cwd":"/w","tool_name":"apply_patch","tool_input":{"command":"*** Begin Patch\n*** Update
    File: no\n*** Update File: src/a.c\n*** Move to: src/b.c\n@@\n-x\n+*** Add File: not\n*** Add File: /w/c\r\n+y\n*** Delete File: d\n*** End Patch"}})");
  REQUIRE_FALSE(input);  // a raw newline in a string is no JSON
  const auto fine = read_hook(
      R"({"cwd":"/w","tool_name":"apply_patch","tool_input":{"command":"*** Begin Patch\n*** Update File: src/a.c\n)"
      R"(*** Move to: src/b.c\n@@\n-x\n+*** Add File: not\n*** Add File: /w/c\r\n+y\n*** Delete File: d\n*** End Patch"}})");
  REQUIRE(fine);
  CHECK(fine->paths == std::vector<std::string>{"/w/src/a.c", "/w/src/b.c", "/w/c", "/w/d"});
}

TEST_CASE("what is hostile is refused with a reason, or counts as absent") {
  for (const std::string text : {"", "{", "[1]", "\"x\"", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}", "nonsense"}) {
    INFO(text);
    const auto input = read_hook(text);
    REQUIRE_FALSE(input);
    CHECK_FALSE(input.error().message.empty());
  }
  CHECK_FALSE(read_hook(std::string(1000, '[')));
  const auto odd = read_hook(R"({"session_id":{"x":1},"tool_name":"Write","tool_input":{"file_path":"a\u0000b"},
    "hook_event_name":null,"prompt":7})");
  REQUIRE(odd);
  CHECK(odd->session.empty());
  CHECK(odd->event.empty());
  CHECK(odd->paths.empty());
  const auto longest = read_hook(R"({"prompt":")" + std::string(1'000'000, 'x') + R"(","tool_name":"Write",
    "tool_input":{"file_path":"/)" +
                                 std::string(5000, 'y') + "\"}}");
  REQUIRE(longest);
  CHECK(longest->prompt.size() == 1000);
  CHECK(longest->paths.empty());
}

}  // namespace
}  // namespace swarm::cli
