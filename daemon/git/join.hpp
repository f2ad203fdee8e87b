#pragma once
// Several repositories as one, and back. A task over N repositories is worked on in one that has each of them as a
// directory: so one commit, one merge and one test run are about all of them, and land in all or in none. On the way
// out each gets its own part of the history, as commits on top of where it began.
//
//   base of `api`  --.                 (api/..., web/...)
//   base of `web`  ---> joined base --> c1 --> c2 --> c3 ...
//                                       |      |      |
//   split for `web`:   base of `web` --> (nothing) --> c2' --> c3' ...

#include <string>
#include <vector>

#include "daemon/git/program.hpp"

namespace swarm::git {

/// One repository of several.
struct Member {
  std::string name;  ///< of its directory: letters, digits, '.', '_', '-'
  std::string base;  ///< the commit that work begins at
};

/// Makes the commit that has every member's tree as a directory, and every base as a parent. The same for the same
/// arguments, so that it can be made again.
async::Task<Result<std::string>> join_members(const Program& program, std::string directory,
                                              std::vector<Member> members, std::string message, std::int64_t seconds);

/// The part of the history between `joined` and `head` that is about one member, on top of its base: commits that
/// changed nothing of it are left out, authors, times and messages stay. Gives the newest, which is the base where
/// nothing of it was changed. The same for the same arguments.
async::Task<Result<std::string>> split_member(const Program& program, std::string directory, Member member,
                                              std::string joined, std::string head);

}  // namespace swarm::git
