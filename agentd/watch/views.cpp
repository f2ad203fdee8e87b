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
/// Thousands of locks take long to write: most of the time goes to whatever else there is to do.
constexpr int kRestPerWork = 9;
constexpr std::chrono::milliseconds kLongestRest{3000};

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
    if (!files.fresh.contains(name) && there.contains(name)) continue;
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

bool says(const Shown::Lock& known, const coord::Lease& lease) {
  return known.expires == lease.expires && known.reason == lease.reason;
}

}  // namespace

Result<ViewNews> view_news(coord::Step& step, const Shown& shown, const std::set<std::string>& touched, Among among) {
  auto agents = step.registry.list(step.turn);
  if (!agents) return fail(agents.error());
  auto unread = step.messages.unread(step.turn);
  if (!unread) return fail(unread.error());
  std::erase_if(*agents, [](const coord::AgentRecord& agent) { return !coord::is_live(agent.state); });
  ViewNews news{.agents = std::move(*agents),
                .unread = std::move(*unread),
                .locks = {},
                .ended = {},
                .now = step.turn.now,
                .paused = step.turn.paused};
  const std::map<std::string, coord::Lease>& leases = step.locks.leases();
  const bool other_times = news.paused != shown.paused;
  if (among == Among::all || other_times) {
    for (const auto& [id, lease] : leases) {
      const auto known = shown.locks.find(id);
      if (other_times || known == shown.locks.end() || !says(known->second, lease)) news.locks.push_back(lease);
    }
    for (const auto& [id, known] : shown.locks) {
      if (!leases.contains(id)) news.ended.push_back(id);
    }
    return news;
  }
  for (const std::string& id : touched) {
    if (const auto lease = leases.find(id); lease != leases.end()) {
      news.locks.push_back(lease->second);
    } else {
      news.ended.push_back(id);
    }
  }
  return news;
}

void say(Shown& shown, const ViewNews& news) {
  ViewFiles& files = shown.files;
  shown.paused = news.paused;
  for (const std::string& id : news.ended) {
    const auto known = shown.locks.find(id);
    if (known == shown.locks.end()) continue;
    files.locks.erase(known->second.file);
    files.fresh.erase(known->second.file);
    shown.locks.erase(known);
  }
  for (const coord::Lease& lease : news.locks) {
    Shown::Lock known{.agent = lease.owner.agent,
                      .path = lease.key.path,
                      .reason = lease.reason,
                      .expires = lease.expires,
                      .file = coord::lock_file_name(lease)};
    files.locks.insert_or_assign(known.file, coord::lock_view(lease, news.paused));
    files.fresh.insert(known.file);
    shown.locks.insert_or_assign(lease.id, std::move(known));
  }
  std::map<std::string, std::vector<std::string>> locked;
  for (const auto& [id, known] : shown.locks) locked[known.agent].push_back(known.path);
  files.active_agents = coord::active_agents_view(news.agents, locked, news.unread, news.now, news.paused);
}

Result<void> write_views(const std::string& workspace, const ViewFiles& files) {
  const UniqueFd directory(open(workspace.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return fail_errno("open", workspace);
  if (auto written = replace(directory.get(), "ACTIVE_AGENTS.json", files.active_agents); !written) return written;
  if (!files.log.empty()) {
    if (auto written = append(directory.get(), files.log); !written) return written;
  }
  return write_locks(directory.get(), files);
}

Views::Views(async::Loop& loop, Team& team)
    : loop_(loop), team_(team), news_(loop), shown_(std::make_shared<Shown>()), tasks_(loop) {
  team_.listen([this](const Team::Happenings& happenings) { happened(happenings); });
  tasks_.spawn(keep(this));
}

Views::~Views() { tasks_.cancel_all(); }

void Views::happened(const Team::Happenings& happenings) {
  for (const coord::Happening& one : happenings) {
    if (one.type == "message.queued" && one.data.as_map() != nullptr) log_ += log_line(one.data);
    if (one.type == "lock.granted" || one.type == "lock.ended") touched_.insert(text_of(one.data, "id"));
  }
  stale_ = true;
  news_.notify_all();
}

async::Task<Result<void>> Views::next_news(Views* self) {
  co_await self->news_.wait();
  co_return {};
}

async::Task<> Views::keep(Views* self) {
  // Renewals are not told: they are found with all the rest, now and then.
  Among among = Among::all;
  Duration rest = kTogether;
  for (;;) {
    // What is there at the start is only written where somebody may have taken it away; a team that is not open yet
    // wakes us with its first event.
    while (!self->stale_ || !self->team_.is_open()) {
      auto waiting = async::with_timeout(self->loop_, next_news(self), kRefresh, "news");
      const Result<void> came = co_await std::move(waiting);
      if (!came) among = Among::all;
      if (!came && self->team_.is_open()) self->stale_ = true;  // when each was last seen
    }
    co_await async::sleep_for(self->loop_, rest);
    const MonoTime begun = self->loop_.clock().now();
    if (begun - self->compared_ >= kRefresh) among = Among::all;
    self->stale_ = false;
    const Result<coord::Host*> host = self->team_.host();
    if (!host) continue;
    auto look = [shown = self->shown_, touched = std::exchange(self->touched_, {}), among](coord::Step& step) {
      return view_news(step, *shown, touched, among);
    };
    auto looking = (*host)->with_locks("team.views", std::move(look));
    Result<ViewNews> news = co_await std::move(looking);
    if (!news) {
      among = Among::all;
      continue;
    }
    if (among == Among::all) self->compared_ = begun;
    among = Among::touched;
    auto writing = async::run_blocking(self->loop_, [workspace = self->team_.options().workspace, shown = self->shown_,
                                                     news = std::move(*news), log = std::exchange(self->log_, {})] {
      say(*shown, news);
      shown->files.log = log;
      Result<void> written = write_views(workspace, shown->files);
      if (written) shown->files.fresh.clear();
      return written;
    });
    // A view that cannot be written (the disk is full) is made anew with the next change.
    static_cast<void>(co_await std::move(writing));
    const Duration took = self->loop_.clock().now() - begun;
    rest = std::clamp<Duration>(took * kRestPerWork, kTogether, kLongestRest);
  }
}

}  // namespace swarm::agentd
