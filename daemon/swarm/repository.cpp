#include "daemon/swarm/repository.hpp"

#include <fmt/format.h>

#include <filesystem>

#include "daemon/swarm/test_command.hpp"
#include "protocol/api/git.hpp"
#include "protocol/api/git_inner.hpp"
#include "protocol/core/utf8.hpp"
#include "protocol/wire/carry.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::swarms {
namespace {

constexpr std::string_view kBaseRef = "refs/swarm/base";

bool is_commit_id(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// A directory's name as one that a repository may have inside.
std::string plain_name(const std::string& path) {
  std::string name;
  for (const char c : std::filesystem::path(path).filename().string()) {
    const bool kept = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
    name += kept ? c : '-';
  }
  if (name.ends_with(".git")) name.resize(name.size() - 4);
  while (name.starts_with('.') || name.starts_with('-')) name.erase(0, 1);
  if (name.size() > 60) name.resize(60);
  return name.empty() ? "project" : name;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find(at), text.size());
    parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

Result<std::string> commit_of(const git::SourceInfo& info, const std::string& base) {
  for (const char* prefix : {"", "refs/heads/", "refs/tags/", "refs/remotes/"}) {
    const auto found = std::ranges::find(info.refs, prefix + base, &git::Ref::name);
    if (found != info.refs.end()) return found->id;
  }
  if (is_commit_id(base)) return base;
  return fail(Code::not_found,
              fmt::format("the repository has no branch or tag '{}'; name one, or all 40 digits of a commit", base));
}

}  // namespace

async::Task<Result<Looked>> Repository::look(const git::Program& program, std::string path, std::string base,
                                             std::string scratch) {
  Result<std::unique_ptr<git::Source>> source = co_await git::Source::open(program, path, scratch);
  if (!source) co_return fail(source.error());
  const git::SourceInfo& info = (*source)->info();
  Looked looked{.root = info.work_tree.empty() ? info.common_dir : info.work_tree,
                .name = {},
                .commit = {},
                .branch = {},
                .git_dir = info.common_dir,
                .test_command = {},
                .remarks = {}};
  looked.name = plain_name(looked.root);
  if (base == "HEAD") {
    if (info.head.empty()) {
      co_return fail(Code::failed_precondition,
                     fmt::format("'{}' has no commit yet; make one, and deploy then", looked.root));
    }
    looked.commit = info.head;
  } else {
    Result<std::string> commit = commit_of(info, base);
    if (!commit) co_return fail(commit.error());
    looked.commit = std::move(*commit);
    if (std::ranges::find(info.refs, "refs/heads/" + base, &git::Ref::name) != info.refs.end()) looked.branch = base;
  }
  if (info.dirty_paths > 0) {
    looked.remarks.push_back(
        fmt::format("{} changed or untracked files are not committed; agents will not see them", info.dirty_paths));
  }
  if (info.partial)
    looked.remarks.emplace_back("this is a partial clone; what it does not have is missing inside, too");

  const auto ask = [&](std::vector<std::string> arguments) {
    return program.ask({.git_dir = info.git_dir, .cwd = {}, .arguments = std::move(arguments), .env = {}, .input = {}});
  };
  const Result<async::CommandOutput> tree = co_await ask({"ls-tree", "-z", "--name-only", looked.commit});
  if (!tree) co_return fail(tree.error());
  if (tree->status.code != 0) {
    co_return fail(Code::not_found, fmt::format("'{}' is no commit of '{}'", looked.commit, looked.root));
  }
  if (base == "HEAD") {
    const Result<async::CommandOutput> branch = co_await ask({"symbolic-ref", "--quiet", "--short", "HEAD"});
    if (branch && branch->status.code == 0) looked.branch = branch->out.substr(0, branch->out.find('\n'));
  }
  // Files are read ahead: guessing is plain code.
  const std::vector<std::string> names = split(tree->out, '\0');
  std::map<std::string, std::string> files;
  for (const char* name :
       {"Makefile", "makefile", "GNUmakefile", "package.json", "pyproject.toml", "tests/__init__.py"}) {
    const std::string root = std::string(name).substr(0, std::string_view(name).find('/'));
    if (std::ranges::find(names, root) == names.end()) continue;
    const Result<async::CommandOutput> file = co_await ask({"cat-file", "blob", looked.commit + ":" + name});
    if (file && file->status.code == 0) files[name] = file->out;
  }
  looked.test_command = guess_test_command(names, [&](const std::string& name) -> std::optional<std::string> {
    const auto found = files.find(name);
    return found == files.end() ? std::nullopt : std::optional(found->second);
  });
  co_return looked;
}

async::Task<Result<std::shared_ptr<git::Keep>>> Repository::keep(git::Keeps::Missing missing) {
  if (keep_ == nullptr) {
    Result<std::shared_ptr<git::Keep>> opened = co_await keeps_.open(directory_, missing);
    if (!opened) co_return fail(opened.error());
    keep_ = std::move(*opened);
  }
  co_return keep_;
}

async::Task<Result<void>> Repository::take(std::string path, std::string commit) {
  return take_as(std::string(kBaseRef), std::move(path), std::move(commit));
}

async::Task<Result<void>> Repository::take_member(std::string path, git::Member member) {
  return take_as("refs/swarm/bases/" + member.name, std::move(path), std::move(member.base));
}

async::Task<Result<std::string>> Repository::join(std::vector<git::Member> members, std::string message,
                                                  std::int64_t seconds) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep(git::Keeps::Missing::make);
  if (!kept) co_return fail(kept.error());
  Result<std::string> commit =
      co_await git::join_members(program_, (*kept)->directory(), std::move(members), std::move(message), seconds);
  if (!commit) co_return fail(commit.error());
  const Result<void> named = co_await (*kept)->receive({.pack = nullptr,
                                                        .refs = {{.name = std::string(kBaseRef), .id = *commit}},
                                                        .shallow = {},
                                                        .trust = git::Trust::user});
  if (!named) co_return fail(named.error());
  co_return commit;
}

async::Task<Result<std::string>> Repository::split_off(git::Member member, std::string joined, std::string head) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<std::string> commit =
      co_await git::split_member(program_, (*kept)->directory(), std::move(member), std::move(joined), std::move(head));
  co_return commit;
}

async::Task<Result<git::Published>> Repository::publish_one(git::Publication publication) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  const std::string where = publication.repository;
  Result<git::Published> published = co_await (*kept)->publish(std::move(publication));
  if (!published) co_return fail(published.error(), where);
  co_return published;
}

async::Task<Result<void>> Repository::withdraw(std::string path, git::Published published) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<void> withdrawn = co_await (*kept)->withdraw(std::move(path), std::move(published));
  co_return withdrawn;
}

async::Task<Result<void>> Repository::take_as(std::string ref, std::string path, std::string commit) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep(git::Keeps::Missing::make);
  if (!kept) co_return fail(kept.error());
  const Result<std::string> there = co_await (*kept)->resolve(ref);
  if (there && *there == commit) co_return {};
  Result<std::unique_ptr<git::Source>> source = co_await git::Source::open(program_, path, directory_ + ".scratch");
  if (!source) co_return fail(source.error());
  Result<std::unique_ptr<wire::ByteSource>> pack = co_await (*source)->pack({commit}, {});
  if (!pack) co_return fail(pack.error());
  git::Delivery delivery{.pack = std::move(*pack),
                         .refs = {{.name = ref, .id = commit}},
                         .shallow = (*source)->info().shallow,
                         .trust = git::Trust::user};
  Result<void> received = co_await (*kept)->receive(std::move(delivery));
  co_return received;
}

async::Task<Result<void>> Repository::bring_in(std::shared_ptr<wire::Connection> agentd, std::string name,
                                               std::string commit, std::string swarm_name) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<std::vector<std::string>> shallow = (*kept)->shallow();
  if (!shallow) co_return fail(shallow.error());
  api::GitImportRequest request{.repo = name, .refs = {}, .head = commit, .shallow = std::move(*shallow), .pack = {}};
  std::vector<std::string> wanted = {commit};
  const Result<std::vector<git::Ref>> branches = co_await (*kept)->refs("refs/heads/swarm/" + swarm_name + "/");
  if (!branches) co_return fail(branches.error());
  if (!branches->empty()) {
    // Those that are there already are newer, and may be somebody's branch.
    const auto there =
        co_await wire::call(*agentd, api::inside::kGitRefs, api::GitRefsRequest{.repo = name, .prefix = "refs/heads/"});
    if (!there && there.error().code != Code::not_found) co_return fail(there.error());
    for (const git::Ref& ref : *branches) {
      const bool known = there && std::ranges::find(there->refs, ref.name, &api::GitRef::name) != there->refs.end();
      if (known) continue;
      request.refs.push_back({.name = ref.name, .id = ref.id});
      wanted.push_back(ref.id);
    }
  }
  Result<std::unique_ptr<wire::ByteSource>> pack = co_await (*kept)->pack(std::move(wanted), {});
  if (!pack) co_return fail(pack.error());

  Result<void> imported = co_await import_pack(std::move(agentd), std::move(request), std::move(*pack));
  co_return imported;
}

async::Task<Result<void>> Repository::import_pack(std::shared_ptr<wire::Connection> agentd,
                                                  api::GitImportRequest request,
                                                  std::unique_ptr<wire::ByteSource> pack) {
  async::TaskSet carrying(agentd->loop());
  std::unique_ptr<wire::ByteSink> sink;
  if (pack != nullptr) {
    request.pack = agentd->new_stream_id();
    Result<std::unique_ptr<wire::ByteSink>> opened = agentd->open_sink(*request.pack);
    if (!opened) co_return fail(opened.error());
    sink = std::move(*opened);
  }
  auto call = wire::call(*agentd, api::inside::kGitImport, request);
  if (sink != nullptr) carrying.spawn(wire::carry(std::move(pack), std::move(sink)));
  const Result<api::GitImportReply> reply = co_await std::move(call);
  if (!reply) co_return fail(reply.error(), "bring the repository in");
  co_return {};
}

async::Task<Result<void>> Repository::send(std::shared_ptr<wire::Connection> agentd, std::string name, std::string base,
                                           std::vector<std::string> commits, std::vector<git::Ref> refs) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<std::vector<std::string>> shallow = (*kept)->shallow();
  if (!shallow) co_return fail(shallow.error());
  const Result<std::vector<git::Ref>> ours = co_await (*kept)->refs();
  if (!ours) co_return fail(ours.error());
  const auto theirs =
      co_await wire::call(*agentd, api::inside::kGitRefs, api::GitRefsRequest{.repo = name, .prefix = "refs/"});
  if (!theirs) co_return fail(theirs.error());
  // What it has counts where we have it, too.
  std::set<std::string> have = {base};
  for (const api::GitRef& ref : theirs->refs) {
    if (std::ranges::find(*ours, ref.id, &git::Ref::id) != ours->end()) have.insert(ref.id);
  }
  const bool there = std::ranges::all_of(commits, [&](const std::string& commit) { return have.contains(commit); });
  api::GitImportRequest request{.repo = name, .refs = {}, .head = base, .shallow = std::move(*shallow), .pack = {}};
  bool named = true;
  for (const git::Ref& ref : refs) {
    const auto known = std::ranges::find(theirs->refs, ref.name, &api::GitRef::name);
    named = named && known != theirs->refs.end() && known->id == ref.id;
    request.refs.push_back({.name = ref.name, .id = ref.id});
  }
  if (there && named) co_return {};
  Result<std::unique_ptr<wire::ByteSource>> pack =
      co_await (*kept)->pack(std::move(commits), std::vector<std::string>(have.begin(), have.end()));
  if (!pack) co_return fail(pack.error());
  Result<void> imported = co_await import_pack(std::move(agentd), std::move(request), std::move(*pack));
  co_return imported;
}

async::Task<Result<std::vector<git::Ref>>> Repository::branches(std::string swarm_name) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<std::vector<git::Ref>> found = co_await (*kept)->refs("refs/heads/swarm/" + swarm_name + "/");
  co_return found;
}

async::Task<bool> Repository::has(std::string commit) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return false;
  const Result<async::CommandOutput> found =
      co_await program_.ask({.git_dir = (*kept)->directory(),
                             .cwd = {},
                             .arguments = {"cat-file", "-e", commit + "^{commit}"},
                             .env = {},
                             .input = {}});
  co_return found && found->status.code == 0;
}

async::Task<Result<std::string>> Repository::fetch(std::shared_ptr<wire::Connection> agentd, std::string name,
                                                   std::string swarm_name,
                                                   std::optional<std::set<std::string>> believed) {
  const auto turn = co_await turn_.take();
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  const std::string prefix = "refs/heads/swarm/" + swarm_name + "/";
  const Result<std::vector<git::Ref>> known = co_await (*kept)->refs();
  if (!known) co_return fail(known.error());
  api::GitExportRequest request{.repo = name, .refs = {prefix}, .have = {}, .pack = agentd->new_stream_id()};
  for (const git::Ref& ref : *known) request.have.push_back(ref.id);
  Result<std::unique_ptr<wire::ByteSource>> pack = agentd->open_source(request.pack);
  if (!pack) co_return fail(pack.error());
  Result<api::GitExportReply> reply = co_await wire::call(*agentd, api::inside::kGitExport, request);
  if (!reply) co_return fail(reply.error(), "fetch from the sandbox");
  git::Delivery delivery{
      .pack = std::move(*pack), .refs = {}, .shallow = std::move(reply->shallow), .trust = git::Trust::sandbox};
  std::string integration;
  for (const api::GitRef& ref : reply->refs) {
    if (!ref.name.starts_with(prefix)) continue;  // what was not asked for has no place here
    if (believed && !believed->contains(ref.name.substr(prefix.size()))) continue;
    delivery.refs.push_back({.name = ref.name, .id = ref.id});
    if (ref.name == prefix + "integration") integration = ref.id;
  }
  const Result<void> received = co_await (*kept)->receive(std::move(delivery));
  if (!received) co_return fail(received.error(), "fetch from the sandbox");
  co_return integration;
}

async::Task<Result<git::Published>> Repository::publish(std::string path, std::string branch, std::string commit,
                                                        bool replace) {
  return publish_one({.repository = std::move(path),
                      .commit = std::move(commit),
                      .branch = std::move(branch),
                      .existing = replace ? git::Publication::Existing::replace : git::Publication::Existing::refuse});
}

async::Task<Result<std::vector<api::SwarmCommit>>> Repository::log(std::string from, std::string to,
                                                                   std::uint32_t limit) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  const Result<std::string> listed =
      co_await program_.run({.git_dir = (*kept)->directory(),
                             .cwd = {},
                             .arguments = {"log", "-z", fmt::format("--max-count={}", limit),
                                           "--format=%H%x1f%P%x1f%an%x1f%ae%x1f%at%x1f%s%x1f%b", to, "^" + from},
                             .env = {},
                             .input = {}});
  if (!listed) co_return fail(listed.error());
  std::vector<api::SwarmCommit> commits;
  for (const std::string& record : split(*listed, '\0')) {
    std::vector<std::string> fields = split(record, '\x1f');
    fields.resize(7);
    commits.push_back({.commit = fields[0],
                       .author = to_utf8(fields[2]),
                       .email = to_utf8(fields[3]),
                       .time_us = std::strtoll(fields[4].c_str(), nullptr, 10) * 1'000'000,
                       .subject = to_utf8(fields[5]),
                       .body = to_utf8(fields[6]),
                       .parents = split(fields[1], ' ')});
  }
  co_return commits;
}

async::Task<Result<std::set<std::string>>> Repository::commits_about(std::string from, std::string to,
                                                                     std::string directory) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  const Result<std::string> listed =
      co_await program_.run({.git_dir = (*kept)->directory(),
                             .cwd = {},
                             .arguments = {"rev-list", "--full-history", to, "^" + from, "--", directory},
                             .env = {},
                             .input = {}});
  if (!listed) co_return fail(listed.error());
  const std::vector<std::string> ids = split(*listed, '\n');
  co_return std::set<std::string>(ids.begin(), ids.end());
}

async::Task<Result<api::SwarmDiffReply>> Repository::diff(std::string from, std::string to, bool stat,
                                                          std::uint64_t max_bytes, std::string below) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  api::SwarmDiffReply reply{.from = from, .to = to, .text = {}, .truncated = false};
  if (stat) {
    std::vector<std::string> words = {"diff", "--no-ext-diff", "--stat=100"};
    if (!below.empty()) words.push_back("--relative=" + below);
    words.push_back(from);
    words.push_back(to);
    const Result<std::string> lines = co_await program_.run(
        {.git_dir = (*kept)->directory(), .cwd = {}, .arguments = std::move(words), .env = {}, .input = {}});
    if (!lines) co_return fail(lines.error());
    reply.text = to_utf8(*lines);
    co_return reply;
  }
  Result<std::unique_ptr<wire::ByteSource>> stream = (*kept)->diff(from, to, std::move(below));
  if (!stream) co_return fail(stream.error());
  std::string bytes;
  for (;;) {
    Result<std::optional<std::string>> chunk = co_await (*stream)->read();
    if (!chunk) co_return fail(chunk.error());
    if (!*chunk) break;
    bytes += **chunk;
    if (bytes.size() > max_bytes) {
      bytes.resize(max_bytes);
      reply.truncated = true;
      break;
    }
  }
  reply.text = to_utf8(bytes);
  co_return reply;
}

async::Task<Result<std::vector<std::string>>> Repository::changed_paths(std::string from, std::string to) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<std::vector<std::string>> paths = co_await (*kept)->changed_paths(std::move(from), std::move(to));
  co_return paths;
}

async::Task<Result<std::string>> Repository::branch_of(std::string swarm_name, std::string agent) {
  const Result<std::shared_ptr<git::Keep>> kept = co_await keep();
  if (!kept) co_return fail(kept.error());
  Result<std::string> commit = co_await (*kept)->resolve(fmt::format("refs/heads/swarm/{}/{}", swarm_name, agent));
  co_return commit;
}

async::Task<Result<void>> Repository::remove() {
  const auto turn = co_await turn_.take();
  keep_.reset();
  Result<void> removed = co_await keeps_.remove(directory_);
  co_return removed;
}

}  // namespace swarm::swarms
