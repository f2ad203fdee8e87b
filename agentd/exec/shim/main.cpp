// `swarm-shim`: started by agentd, never by hand. See shim.hpp.

#include <unistd.h>

#include "agentd/exec/shim/shim.hpp"

int main() {
  swarm::agentd::shim::Shim shim;
  _exit(shim.run());
}
