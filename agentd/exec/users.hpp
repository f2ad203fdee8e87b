#pragma once

#include <string>

#include "agentd/exec/spec.hpp"
#include "protocol/core/error.hpp"

namespace swarm::agentd {

/// Looks users up in the sandbox's passwd and group files. Read directly: the C library's own way would load modules
/// that a bundle does not have.
class Users {
 public:
  explicit Users(std::string etc = "/etc") : etc_(std::move(etc)) {}

  /// The user of that name or number; a number needs no entry. `not_found` for a name without one.
  [[nodiscard]] Result<ExecUser> find(const std::string& name_or_uid) const;

  /// E2B's `user` (uid 1000) where there is one and we may become it, else who we are ourselves.
  [[nodiscard]] Result<ExecUser> fallback() const;

  /// "alice" for a uid that has a name, else the number.
  [[nodiscard]] std::string name_of(uid_t uid) const;

 private:
  std::string etc_;
};

/// The environment that a program of `user` starts with: `base` (ours), its HOME, USER, LOGNAME, SHELL, a PATH, TERM
/// for a terminal, and `extra` over all of them. With `extra` alone where `base` is null.
std::vector<std::string> make_environment(const std::vector<std::string>* base, const ExecUser& user,
                                          const std::string& term, const std::map<std::string, std::string>& extra);

}  // namespace swarm::agentd
