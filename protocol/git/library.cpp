#include "protocol/git/library.hpp"

#include <fmt/format.h>
#include <git2.h>

#include <cstring>
#include <mutex>

#include "protocol/core/utf8.hpp"

namespace swarm::git {

void library() {
  static std::once_flag once;
  std::call_once(once, [] {
    git_libgit2_init();
    for (const auto level :
         {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA}) {
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    }
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_libgit2_opts(GIT_OPT_DISABLE_PACK_KEEP_FILE_CHECKS, 1);
  });
}

std::unexpected<Error> failed(int code, std::string_view what) {
  const git_error* last = git_error_last();
  const std::string words = last != nullptr && last->message != nullptr ? shown(last->message) : "no reason given";
  Code kind = Code::internal;
  switch (code) {
    case GIT_ENOTFOUND:
      kind = Code::not_found;
      break;
    case GIT_EEXISTS:
      kind = Code::already_exists;
      break;
    case GIT_EINVALIDSPEC:
    case GIT_EINVALID:
      kind = Code::invalid_argument;
      break;
    case GIT_ELOCKED:
    case GIT_EMODIFIED:
    case GIT_ECONFLICT:
    case GIT_EMERGECONFLICT:
    case GIT_EUNMERGED:
    case GIT_EMISMATCH:
      kind = Code::failed_precondition;
      break;
    default:
      break;
  }
  if (kind == Code::internal && last != nullptr && last->klass == GIT_ERROR_OS) {
    if (words.contains("No space left")) kind = Code::resource_exhausted;
    if (words.contains("Permission denied")) kind = Code::permission_denied;
  }
  return fail(kind, fmt::format("{}: {}", what, words));
}

Result<Oid> Oid::parse(std::string_view text) {
  Oid id;
  if (text.size() != GIT_OID_HEXSZ || git_oid_fromstrn(&id.raw, text.data(), text.size()) != 0) {
    return fail(Code::invalid_argument,
                fmt::format("'{}' is no commit id; one is 40 hexadecimal digits", shown(std::string(text))));
  }
  return id;
}

std::string Oid::text() const {
  std::string text(GIT_OID_HEXSZ, '0');
  git_oid_fmt(text.data(), &raw);
  return text;
}

bool Oid::is_zero() const { return git_oid_is_zero(&raw) != 0; }
bool Oid::operator==(const Oid& other) const { return git_oid_equal(&raw, &other.raw) != 0; }
bool Oid::operator<(const Oid& other) const { return git_oid_cmp(&raw, &other.raw) < 0; }

std::size_t OidHash::operator()(const Oid& id) const noexcept {
  std::size_t hash = 0;
  std::memcpy(&hash, &id.raw.id[0], sizeof hash);
  return hash;
}

}  // namespace swarm::git
