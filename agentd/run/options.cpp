#include "agentd/run/options.hpp"

#include <fmt/format.h>

#include <charconv>

#include "protocol/core/id.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::agentd {

Result<RunOptions> parse_run_options(const std::vector<std::string>& words) {
  static const std::vector<std::string> kNames = {"--sandbox", "--state",      "--shim",  "--workspace",
                                                  "--store",   "--etc",        "--homes", "--spool-bytes",
                                                  "--listen",  "--secret-file"};
  RunOptions options;
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::string& name = words[i];
    if (std::ranges::find(kNames, name) == kNames.end()) {
      return fail(Code::invalid_argument, fmt::format("unknown option '{}'{}", name, did_you_mean(name, kNames)));
    }
    if (i + 1 == words.size()) return fail(Code::invalid_argument, fmt::format("'{}' needs a value", name));
    const std::string& value = words[i + 1];
    std::string* const text = name == "--sandbox"       ? &options.sandbox
                              : name == "--state"       ? &options.state
                              : name == "--shim"        ? &options.shim
                              : name == "--workspace"   ? &options.workspace
                              : name == "--store"       ? &options.store
                              : name == "--etc"         ? &options.etc
                              : name == "--homes"       ? &options.homes
                              : name == "--secret-file" ? &options.secret_file
                                                        : nullptr;
    if (text != nullptr) {
      *text = value;
      continue;
    }
    const bool port = name == "--listen";
    std::uint64_t& number = port ? options.listen : options.spool_bytes;
    const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (problem != std::errc{} || end != value.data() + value.size() ||
        (port ? number == 0 || number > 65535 : number < 4096)) {
      return fail(Code::invalid_argument,
                  fmt::format("{}: '{}' is not a number {}", name, value, port ? "of a port" : "from 4096"));
    }
  }
  if (!is_sandbox_id(options.sandbox)) {
    return fail(Code::invalid_argument, fmt::format("--sandbox: '{}' is not the id of a sandbox", options.sandbox));
  }
  if ((options.listen != 0) == options.secret_file.empty()) {
    return fail(Code::invalid_argument,
                "--listen and --secret-file go together: tunnels that anybody can dial need a secret");
  }
  return options;
}

}  // namespace swarm::agentd
