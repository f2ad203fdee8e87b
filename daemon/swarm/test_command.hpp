#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace swarm::swarms {

/// The command that tests a project, as its files tell; empty where they tell nothing. `names` are the entries of its
/// root, `read` gives a file of it (nothing where there is none).
std::string guess_test_command(const std::vector<std::string>& names,
                               const std::function<std::optional<std::string>(const std::string& path)>& read);

}  // namespace swarm::swarms
