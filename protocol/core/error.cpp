#include "protocol/core/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>

namespace swarm {
namespace {

constexpr std::array<std::string_view, 13> kCodeNames = {
    "invalid_argument",  "not_found",       "already_exists",     "failed_precondition", "out_of_range",
    "permission_denied", "unauthenticated", "resource_exhausted", "deadline_exceeded",   "unavailable",
    "unimplemented",     "cancelled",       "internal",
};

Code code_of_errno(int error) {
  switch (error) {
    case ENOENT:
    case ESRCH:
      return Code::not_found;
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::permission_denied;
    case EEXIST:
    case ENOTEMPTY:
      return Code::already_exists;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
      return Code::resource_exhausted;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return Code::unavailable;
    case EINVAL:
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
      return Code::invalid_argument;
    case ETIMEDOUT:
      return Code::deadline_exceeded;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::unimplemented;
    default:
      return Code::internal;
  }
}

bool retryable(Code code) { return code == Code::unavailable || code == Code::deadline_exceeded; }

}  // namespace

std::string_view code_name(Code code) { return kCodeNames.at(static_cast<std::size_t>(code)); }

Code code_from_name(std::string_view name) {
  const auto* found = std::ranges::find(kCodeNames, name);
  return found == kCodeNames.end() ? Code::internal : static_cast<Code>(found - kCodeNames.begin());
}

Error Error::with_context(std::string_view where) const {
  return {.code = code, .message = fmt::format("{}: {}", where, message), .retryable = retryable};
}

std::string Error::to_string() const { return fmt::format("{}: {}", code_name(code), message); }

std::unexpected<Error> fail(Code code, std::string message) {
  return std::unexpected(Error{.code = code, .message = std::move(message), .retryable = retryable(code)});
}

std::unexpected<Error> fail(const Error& cause, std::string_view where) {
  return std::unexpected(cause.with_context(where));
}

std::unexpected<Error> fail(Error cause) { return std::unexpected(std::move(cause)); }

std::unexpected<Error> fail_errno(std::string_view call, std::string_view argument, int error) {
  std::string reason = std::generic_category().message(error);
  return fail(code_of_errno(error), argument.empty() ? fmt::format("{}: {}", call, reason)
                                                     : fmt::format("{} '{}': {}", call, argument, reason));
}

}  // namespace swarm
