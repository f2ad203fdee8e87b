// Prints the reference page: `api_reference > docs/api.md`.

#include <cstdio>

#include "protocol/api/reference.hpp"

int main() {
  const std::string page = swarm::api::reference_markdown();
  return std::fwrite(page.data(), 1, page.size(), stdout) == page.size() && std::fflush(stdout) == 0 ? 0 : 1;
}
