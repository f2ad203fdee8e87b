#pragma once
// Failures that are part of normal work. They travel as values (`Result<T>`), keep one stable code that is part of the
// protocol, and gain context on their way up. Exceptions are left to bugs and to libraries that throw.

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>

namespace swarm {

/// Stable error codes; the spelling on the wire is `code_name()`. The list is a contract: codes are added, never
/// reused.
enum class Code {
  invalid_argument,     ///< the request itself is wrong; repeating it cannot help
  not_found,            ///< what was named does not exist
  already_exists,       ///< what should be made exists already
  failed_precondition,  ///< right request, wrong state
  out_of_range,         ///< a position or number outside what is kept
  permission_denied,    ///< the caller is known and may not
  unauthenticated,      ///< the caller could not be proven
  resource_exhausted,   ///< a limit, quota or budget is used up
  deadline_exceeded,    ///< the time allowed ran out; the outcome may be unknown
  unavailable,          ///< the other side cannot be reached now; worth another try
  unimplemented,        ///< no such method, or not on this platform
  cancelled,            ///< the caller gave up
  internal,             ///< a bug or a broken environment on our side
};

/// The wire spelling, for example "not_found".
std::string_view code_name(Code code);

/// The inverse of `code_name`; `Code::internal` for a spelling that this version does not know.
Code code_from_name(std::string_view name);

/// One failure: what kind, and a message that says what was wrong, with which value, and what to do next.
struct Error {
  Code code = Code::internal;
  std::string message;
  /// True where the same request may succeed later without any change.
  bool retryable = false;

  /// The same failure with where it happened put in front: "clone template: connect: ...".
  [[nodiscard]] Error with_context(std::string_view where) const;

  /// "<code>: <message>", the form that every client shows.
  [[nodiscard]] std::string to_string() const;

  bool operator==(const Error&) const = default;
};

/// A value or an `Error`. Discarding one warns.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
};

/// Makes the failing side of a `Result`: `return fail(Code::not_found, "no sandbox 's1'")`. `unavailable` and
/// `deadline_exceeded` are marked retryable.
[[nodiscard]] std::unexpected<Error> fail(Code code, std::string message);

/// Passes a failure on, with context: `if (!r) return fail(r.error(), "open store")`.
[[nodiscard]] std::unexpected<Error> fail(const Error& cause, std::string_view where);

/// Passes a failure on as it is.
[[nodiscard]] std::unexpected<Error> fail(Error cause);

/// A failed system call: `fail_errno("bind", path)` gives "bind '/x': Permission denied". Maps errno to the nearest
/// code (ENOENT not_found, EACCES/EPERM permission_denied, EEXIST already_exists, ENOSPC/EMFILE/ENOMEM
/// resource_exhausted, ECONNREFUSED/ECONNRESET/EPIPE unavailable, EINVAL invalid_argument, else internal).
[[nodiscard]] std::unexpected<Error> fail_errno(std::string_view call, std::string_view argument, int error = errno);

}  // namespace swarm
