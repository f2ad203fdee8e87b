#pragma once
// Inside of envd's process service: what its files share.

#include "daemon/e2b/envd.hpp"

namespace swarm::e2b_endpoint {

/// A failure in what a request says, as a value of a call.
template <class T>
RpcResult<T> checked(Answered<T> field) {
  if (!field) return rpc_fail("invalid_argument", field.error().message);
  return std::move(*field);
}

/// A member of a map; nil when it is not there.
const Value& member(const Value& map, std::string_view name);

/// As envd starts programs: a missing one is then an exit status of 127, not a failure of the call.
const std::vector<std::string>& wrapper();

struct Size {
  std::uint32_t cols = 80;
  std::uint32_t rows = 24;
};
/// `{"size": {"cols", "rows"}}`.
RpcResult<Size> read_size(const Value& pty);

/// The process that a message's selector names, if it runs or ended a moment ago.
async::Task<RpcResult<api::ExecInfo>> find_process(Call& call, Value message, std::int64_t now_us);

}  // namespace swarm::e2b_endpoint
