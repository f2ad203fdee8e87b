#pragma once

#include <span>
#include <string_view>

namespace swarm::kinds {

/// A data file as it was when this was built.
struct DataFile {
  std::string_view name;
  std::string_view text;
};

std::span<const DataFile> data_files();

}  // namespace swarm::kinds
