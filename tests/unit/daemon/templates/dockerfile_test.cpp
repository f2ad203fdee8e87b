#include "daemon/templates/dockerfile.hpp"

#include <catch2/catch.hpp>
#include <fstream>

using swarm::Code;
using namespace swarm::templates;

namespace {

std::vector<Step> steps_of(std::string_view text, const std::map<std::string, std::string>& arguments = {}) {
  const auto recipe = read_dockerfile(text, "", arguments);
  REQUIRE(recipe);
  return {recipe->steps.begin() + 2, recipe->steps.end()};  // behind USER root and WORKDIR /
}

std::string mistake_of(std::string_view text) {
  const auto recipe = read_dockerfile(text, "", {});
  REQUIRE_FALSE(recipe);
  CHECK(recipe.error().code == Code::invalid_argument);
  return recipe.error().message;
}

}  // namespace

TEST_CASE("A Dockerfile becomes the steps of a build") {
  const auto recipe = read_dockerfile(
      "# syntax=docker/dockerfile:1\n"
      "FROM --platform=linux/amd64 debian:12\n"
      "LABEL a=b\n"
      "RUN apt-get update && \\\n"
      "    # between\n"
      "    apt-get install -y git\n"
      "ENV A=1 B=\"two words\"\n"
      "ENV OLD form of it\n"
      "WORKDIR /srv/$A\n"
      "COPY --chown=user:user --chmod=0755 src/ \"/a b/\"\n"
      "RUN [\"echo\", \"it's\"]\n"
      "USER user\n"
      "CMD [\"/bin/start\", \"--port\", \"8\"]\n",
      "", {});
  REQUIRE(recipe);
  CHECK(recipe->image == "debian:12");
  CHECK(recipe->command == "/bin/start --port 8");
  CHECK(recipe->steps == std::vector<Step>{{"USER", {"root"}},
                                           {"WORKDIR", {"/"}},
                                           {"RUN", {"apt-get update &&  apt-get install -y git"}},
                                           {"ENV", {"A", "1", "B", "two words"}},
                                           {"ENV", {"OLD", "form of it"}},
                                           {"WORKDIR", {"/srv/1"}},
                                           {"COPY", {"src/", "/a b/", "user:user", "0755"}},
                                           {"RUN", {"echo 'it'\\''s'"}},
                                           {"USER", {"user"}}});
}

TEST_CASE("Stages stand on each other, and one of them is the target") {
  const std::string text =
      "ARG BASE=debian:12\nFROM ${BASE} AS low\nRUN low\nFROM other AS beside\nRUN beside\nFROM low AS high\nRUN "
      "high\n";
  const auto high = read_dockerfile(text, "high", {{"BASE", "mine:1"}});
  REQUIRE(high);
  CHECK(high->image == "mine:1");
  CHECK(std::vector<Step>(high->steps.begin() + 2, high->steps.end()) ==
        std::vector<Step>{{"RUN", {"low"}}, {"RUN", {"high"}}});
  CHECK(read_dockerfile(text, "beside", {})->steps.size() == 3);
  const auto none = read_dockerfile(text, "hihg", {});
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Code::not_found);
  CHECK(none.error().message.find("high") != std::string::npos);
}

TEST_CASE("Arguments are seen by the steps behind them, and what is given wins") {
  const std::string text = "FROM a\nARG X=1\nARG Y\nARG Z=${X:-none}-${Q:-q}\nRUN $X\nCOPY $Z ./\n";
  CHECK(
      steps_of(text) ==
      std::vector<Step>{{"ENV", {"X", "1"}}, {"ENV", {"Z", "1-q"}}, {"RUN", {"$X"}}, {"COPY", {"1-q", "./", "", ""}}});
  CHECK(steps_of(text, {{"X", "2"}, {"Y", "3"}})[1] == Step{"ENV", {"Y", "3"}});
}

TEST_CASE("What only Docker can do is refused with its line") {
  CHECK(mistake_of("FROM a\nCOPY --from=b /x /y\n").starts_with("Dockerfile line 2:"));
  CHECK(mistake_of("FROM a\n\nRUN --mount=type=cache x\n").starts_with("Dockerfile line 3:"));
  CHECK(mistake_of("FROM a\nADD https://example.org/x /y\n").find("RUN") != std::string::npos);
  CHECK(mistake_of("RUN x\n").find("before FROM") != std::string::npos);
  CHECK(mistake_of("FROM a\nRUN <<EOF\nx\nEOF\n").find("here documents") != std::string::npos);
  CHECK(mistake_of("FROM a\nNONSENSE x\n").find("NONSENSE") != std::string::npos);
  CHECK(mistake_of("").find("no FROM") != std::string::npos);
}

TEST_CASE("Our own Dockerfile can be built at E2B, every stage") {
  std::ifstream file(SWARM_SOURCE_DIR "/template/Dockerfile");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  for (const char* target : {"base", "data", "desktop"}) {
    const auto recipe = read_dockerfile(text, target, {});
    INFO(target);
    REQUIRE(recipe);
    CHECK(recipe->image == "debian:12");
    CHECK(recipe->steps.back() == Step{"USER", {"user"}});
    CHECK_FALSE(recipe->command.empty());
  }
}
