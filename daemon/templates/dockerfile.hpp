#pragma once
// A Dockerfile as the steps of a build at E2B. Pure: no file is opened here.
//
// What both can do is taken: FROM (stages, each on top of the one before), RUN, COPY and ADD of files of the context,
// ENV, ARG, WORKDIR, USER, CMD and ENTRYPOINT (as start command). What only Docker can do (COPY --from, mounts, here
// documents, ONBUILD ...) is refused with its line; what says nothing of the files (LABEL, EXPOSE ...) is passed over.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::templates {

/// One step, with arguments as E2B's API has them: RUN [command], COPY [source, destination, owner, mode],
/// ENV [name, value, ...], WORKDIR [path], USER [name].
struct Step {
  std::string type;
  std::vector<std::string> args;
  bool operator==(const Step&) const = default;
};

struct Recipe {
  std::string image;  ///< what the first stage stands on
  std::vector<Step> steps;
  std::string command;  ///< of CMD or ENTRYPOINT; empty: none
  bool operator==(const Recipe&) const = default;
};

/// The steps up to and with the stage `target` (empty: the last). `arguments` are build arguments. `invalid_argument`
/// names the line, `not_found` a stage that is not there.
Result<Recipe> read_dockerfile(std::string_view text, const std::string& target,
                               const std::map<std::string, std::string>& arguments);

}  // namespace swarm::templates
