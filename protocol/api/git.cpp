#include "protocol/api/describe.hpp"
#include "protocol/api/git_inner.hpp"

namespace swarm::api {

template const TypeInfo& type_of<GitImportRequest>();
template const TypeInfo& type_of<GitImportReply>();
template const TypeInfo& type_of<GitRefsRequest>();
template const TypeInfo& type_of<GitRefsReply>();
template const TypeInfo& type_of<GitWorktreeRequest>();
template const TypeInfo& type_of<GitWorktreeReply>();
template const TypeInfo& type_of<GitRemoveWorktreeRequest>();
template const TypeInfo& type_of<GitMergeRequest>();
template const TypeInfo& type_of<GitMergeReply>();
template const TypeInfo& type_of<GitDiffRequest>();
template const TypeInfo& type_of<GitDiffReply>();
template const TypeInfo& type_of<GitLogRequest>();
template const TypeInfo& type_of<GitLogReply>();
template const TypeInfo& type_of<GitExportRequest>();
template const TypeInfo& type_of<GitExportReply>();
template const TypeInfo& type_of<GitCommitRequest>();
template const TypeInfo& type_of<GitCommitReply>();
template const TypeInfo& type_of<GitStatusRequest>();
template const TypeInfo& type_of<GitStatusReply>();
template const TypeInfo& type_of<GitSyncRequest>();
template const TypeInfo& type_of<GitSyncReply>();
template const TypeInfo& type_of<GitRebaseRequest>();
template const TypeInfo& type_of<GitRebaseReply>();
template const TypeInfo& type_of<GitCommitted>();

std::span<const MethodInfo* const> git_methods() {
  static constexpr std::array<const MethodInfo*, 12> kAll = {
      &inside::kGitImport, &inside::kGitRefs,   &inside::kGitWorktree, &inside::kGitRemoveWorktree,
      &inside::kGitMerge,  &inside::kGitDiff,   &inside::kGitLog,      &inside::kGitExport,
      &inside::kGitCommit, &inside::kGitStatus, &inside::kGitSync,     &inside::kGitRebase};
  return kAll;
}

std::span<const EventInfo* const> git_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kGitCommitted};
  return kAll;
}

}  // namespace swarm::api
