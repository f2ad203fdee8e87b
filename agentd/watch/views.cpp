#include "agentd/watch/views.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "protocol/api/codec.hpp"
#include "protocol/api/message.hpp"
#include "protocol/async/timer.hpp"
#include "protocol/coord/views.hpp"
#include "protocol/tree/atomic_file.hpp"
#include "protocol/tree/directory.hpp"

namespace swarm::agentd {
namespace {

constexpr const char* kLog = "agent_messages.log";
constexpr const char* kOldLog = "agent_messages.log.1";
constexpr const char* kLocks = ".agent_locks";
constexpr off_t kMostLogBytes = 10 << 20;
/// Signs of life are no news.
constexpr std::chrono::seconds kRefresh{30};
/// Many changes make one writing.
constexpr std::chrono::milliseconds kTogether{300};

Result<void> replace(int directory, const std::string& name, const std::string& content) {
  Result<tree::AtomicFile> file = tree::AtomicFile::create(directory);
  if (!file) return fail(file.error());
  if (Result<void> written = file->write(content); !written) return written;
  return file->commit(name, 0444, std::nullopt, tree::Existing::replace, tree::Durability::process);
}

/// Only a file of our own is written to: not a link, not another's, not one with a second name.
Result<void> append(int directory, const std::string& lines) {
  const UniqueFd file(openat(directory, kLog, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat info{};
  const bool ours =
      file && fstat(file.get(), &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() && info.st_nlink == 1;
  if (ours && info.st_size < kMostLogBytes) return tree::write_fully(file.get(), lines);
  if (ours && renameat(directory, kLog, directory, kOldLog) != 0) return fail_errno("rename", kLog);
  return replace(directory, kLog, lines);
}

Result<UniqueFd> lock_directory(int workspace) {
  if (mkdirat(workspace, kLocks, 0755) != 0 && errno != EEXIST) return fail_errno("mkdir", kLocks);
  Result<UniqueFd> opened = tree::open_directory(workspace, kLocks);
  if (opened || opened.error().code != Code::failed_precondition) return opened;
  // A link or a file that somebody put there.
  if (unlinkat(workspace, kLocks, 0) != 0) return fail_errno("unlink", kLocks);
  if (mkdirat(workspace, kLocks, 0755) != 0) return fail_errno("mkdir", kLocks);
  return tree::open_directory(workspace, kLocks);
}

Result<void> write_locks(int workspace, const ViewFiles& files) {
  const std::map<std::string, std::string>& locks = files.locks;
  const Result<UniqueFd> directory = lock_directory(workspace);
  if (!directory) return fail(directory.error());
  Result<tree::DirectoryReader> reader = tree::DirectoryReader::over(UniqueFd(dup(directory->get())));
  if (!reader) return fail(reader.error());
  std::vector<std::string> over;
  std::set<std::string> there;
  for (;;) {
    const auto name = reader->next();
    if (!name) return fail(name.error());
    if (!*name) break;
    std::string found((*name)->name);
    if (locks.contains(found)) {
      if ((*name)->type == DT_REG) there.insert(std::move(found));
    } else if (found.ends_with(".lock")) {
      over.push_back(std::move(found));
    }
  }
  for (const std::string& name : over) unlinkat(directory->get(), name.c_str(), 0);
  for (const auto& [name, content] : locks) {
    if (files.unchanged.contains(name) && there.contains(name)) continue;
    if (Result<void> written = replace(directory->get(), name, content); !written) return written;
  }
  return {};
}

std::string text_of(const Value& map, std::string_view name) {
  const Value* value = map.find(name);
  return value != nullptr && value->as_string() != nullptr ? *value->as_string() : std::string();
}

/// As `coord::message_log_line` has it, of what is told when a message is accepted.
std::string log_line(const Value& queued) {
  Result<api::MessageQueued> data = api::decode_reply<api::MessageQueued>(Value(queued));
  if (!data) return {};
  coord::Message message{.id = std::move(data->id),
                         .sender = std::move(data->sender),
                         .proven = data->proven,
                         .thread = std::move(data->thread),
                         .reply_to = std::move(data->reply_to),
                         .body = std::move(data->body),
                         .sent = {data->sent_us}};
  if (const auto kind = coord::parse_message_kind(text_of(queued, "kind")); kind) message.kind = *kind;
  message.priority = static_cast<coord::Priority>(data->priority);
  if (data->file) message.file = coord::FilePointer{data->file->path.bytes, {}};
  return coord::message_log_line(message, data->recipients, coord::Span(0));
}

Result<ViewFiles> files_of(coord::Step& step) {
  const auto agents = step.registry.list(step.turn);
  if (!agents) return fail(agents.error());
  const auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  std::vector<coord::Lease> leases;
  ViewFiles files;
  for (const auto& [id, lease] : step.locks.leases()) {
    leases.push_back(lease);
    files.locks.emplace(coord::lock_file_name(lease), coord::lock_view(lease, step.turn.paused));
  }
  std::vector<coord::AgentRecord> alive;
  std::ranges::copy_if(*agents, std::back_inserter(alive),
                       [](const coord::AgentRecord& agent) { return coord::is_live(agent.state); });
  files.active_agents = coord::active_agents_view(alive, leases, *unread, step.turn.now, step.turn.paused);
  return files;
}

}  // namespace

Result<void> write_views(const std::string& workspace, const ViewFiles& files) {
  const UniqueFd directory(open(workspace.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno("open", workspace);
  if (auto written = replace(directory.get(), "ACTIVE_AGENTS.json", files.active_agents); !written) return written;
  if (!files.log.empty()) {
    if (auto written = append(directory.get(), files.log); !written) return written;
  }
  return write_locks(directory.get(), files);
}

Views::Views(async::Loop& loop, Team& team) : loop_(loop), team_(team), news_(loop), tasks_(loop) {
  team_.listen([this](const Team::Happenings& happenings) { happened(happenings); });
  tasks_.spawn(keep(this));
}

Views::~Views() { tasks_.cancel_all(); }

void Views::happened(const Team::Happenings& happenings) {
  for (const coord::Happening& one : happenings) {
    if (one.type == "message.queued" && one.data.as_map() != nullptr) log_ += log_line(one.data);
  }
  stale_ = true;
  news_.notify_all();
}

async::Task<Result<void>> Views::next_news(Views* self) {
  co_await self->news_.wait();
  co_return {};
}

async::Task<> Views::keep(Views* self) {
  for (;;) {
    // What is there at the start is only written where somebody may have taken it away; a team that is not open yet
    // wakes us with its first event.
    while (!self->stale_ || !self->team_.is_open()) {
      auto waiting = async::with_timeout(self->loop_, next_news(self), kRefresh, "news");
      const Result<void> came = co_await std::move(waiting);
      if (!came && self->team_.is_open()) self->stale_ = true;  // when each was last seen
    }
    co_await async::sleep_for(self->loop_, kTogether);
    self->stale_ = false;
    const Result<coord::Host*> host = self->team_.host();
    if (!host) continue;
    auto looking = (*host)->with_locks("team.views", files_of);
    Result<ViewFiles> files = co_await std::move(looking);
    if (!files) continue;
    files->log = std::exchange(self->log_, {});
    for (const auto& [name, content] : files->locks) {
      const auto before = self->written_locks_.find(name);
      if (before != self->written_locks_.end() && before->second == content) files->unchanged.insert(name);
    }
    self->written_locks_ = files->locks;
    auto writing =
        async::run_blocking(self->loop_, [workspace = self->team_.options().workspace, made = std::move(*files)] {
          return write_views(workspace, made);
        });
    // A view that cannot be written (the disk is full) is made anew with the next change.
    const Result<void> written = co_await std::move(writing);
    if (!written) self->written_locks_.clear();
  }
}

}  // namespace swarm::agentd
