// What is done in the states of a shipment. Each can be done again.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "daemon/log/log.hpp"
#include "daemon/ship/shipping.hpp"
#include "protocol/core/utf8.hpp"

namespace swarm::ship {
namespace {

using api::ShipmentPart;
using api::ShipmentState;

/// What a pull request of a shipment has at its end. Nobody sees it; it tells whose it is.
std::string mark_of(const std::string& shipment) { return fmt::format("<!-- swarmd {} -->", shipment); }

bool holds(const std::vector<std::string>& list, const std::string& word) {
  return std::ranges::find(list, word) != list.end();
}

std::unexpected<Setback> setback(Error error) { return std::unexpected(Setback{.error = std::move(error)}); }

}  // namespace

http_client::Client& Shipping::client_for(const std::filesystem::path& ca_file) {
  std::unique_ptr<http_client::Client>& client = clients_[ca_file.string()];
  if (client == nullptr) {
    client = std::make_unique<http_client::Client>(with_.loop, http_client::ClientOptions{.ca_file = ca_file.string()});
  }
  return *client;
}

async::Task<Answer<std::shared_ptr<const Credential>>> Shipping::credential(const Record& record,
                                                                            const Remote& remote) {
  Purpose purpose{.swarm_name = record.info.swarm_name, .remote = remote, .service = service_of(with_.config, remote)};
  Result<Credential> found = co_await credentials_.find(std::move(purpose));
  if (!found) co_return setback(found.error());
  co_return std::make_shared<const Credential>(std::move(*found));
}

Push Shipping::push_of(const Record& record, const ShipmentPart& part, const Remote& remote) const {
  return {.directory = with_.swarms.keep_of(record.info.swarm),
          .remote = remote,
          .ca_file = service_of(with_.config, remote).ca_file,
          .branch = part.branch,
          .commit = part.commit};
}

async::Task<Answer<ShipmentState>> Shipping::push_all(Shared open) {
  // Of several each is asked first: what will be refused is known before anything is changed.
  const std::size_t count = open->record.info.parts.size();
  std::vector<Push> pushes;
  std::vector<std::shared_ptr<const Credential>> credentials;
  for (std::size_t i = 0; i < count; ++i) {
    const ShipmentPart part = open->record.info.parts[i];
    const Result<Remote> remote = read_remote(part.remote);
    if (!remote) co_return setback(remote.error());
    pushes.push_back(push_of(open->record, part, *remote));
    Answer<std::shared_ptr<const Credential>> found = co_await credential(open->record, *remote);
    if (!found) co_return std::unexpected(found.error());
    credentials.push_back(std::move(*found));
    if (part.pushed) continue;
    const Result<std::string> stands = co_await pusher_.look(pushes[i], credentials[i]);
    if (!stands) co_return setback(stands.error());
    const Result<void> written = co_await change(open, [i, stands = *stands](Record& record) {
      ShipmentPart& changed = record.info.parts[i];
      // The first look says what there was before; later ones may see what this shipment itself has done.
      if (std::ranges::find(record.hidden.looked, changed.repo) == record.hidden.looked.end()) {
        record.hidden.looked.push_back(changed.repo);
        changed.before = stands;
      }
      changed.pushed = stands == changed.commit;  // an answer that was lost: it is there already
    });
    if (!written) co_return setback(written.error());
    if (open->record.info.parts[i].pushed) continue;
    if (count == 1) continue;
    const Result<void> may = co_await pusher_.rehearse(pushes[i], credentials[i]);
    if (!may) co_return setback(may.error());
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (open->record.info.parts[i].pushed) continue;
    const Result<void> pushed = co_await pusher_.push(pushes[i], credentials[i]);
    if (!pushed) co_return setback(pushed.error());
    const Result<void> written = co_await change(open, [i](Record& record) { record.info.parts[i].pushed = true; });
    if (!written) co_return setback(written.error());
  }
  co_return open->record.info.wish.pull_request ? ShipmentState::opening : ShipmentState::done;
}

async::Task<Result<std::unique_ptr<Forge>>> Shipping::forge(const Record& record, const ShipmentPart& part) {
  const Result<Remote> remote = read_remote(part.remote);
  if (!remote) co_return fail(remote.error());
  Answer<std::shared_ptr<const Credential>> found = co_await credential(record, *remote);
  if (!found) co_return fail(found.error().error);
  const Service service = service_of(with_.config, *remote);
  co_return std::make_unique<Forge>(Forge::Setup{.loop = with_.loop,
                                                 .client = client_for(service.ca_file),
                                                 .limiters = with_.limiters,
                                                 .remote = *remote,
                                                 .service = service,
                                                 .credential = std::move(*found),
                                                 .swarm = record.info.swarm});
}

PullWish Shipping::wish_of(const Record& record, std::size_t part) const {
  const api::ShipmentInfo& info = record.info;
  std::string body = record.hidden.body;
  if (!info.protected_paths.empty()) {
    body = fmt::format("**Changes protected paths** (approved by a person before it was pushed): {}\n\n{}",
                       fmt::join(info.protected_paths, ", "), body);
  }
  std::string others;
  for (std::size_t i = 0; i < info.parts.size(); ++i) {
    if (i == part) continue;
    others +=
        fmt::format("- {}{}\n", info.parts[i].repo,
                    info.parts[i].url.empty() ? ", branch `" + info.parts[i].branch + "`" : ": " + info.parts[i].url);
  }
  if (!others.empty()) body += "\n\nThe same task in other repositories, to be merged together:\n" + others;
  body += "\n\n" + mark_of(info.id);
  return {.branch = info.parts[part].branch,
          .into = info.parts[part].into,
          .title = to_utf8(info.title),
          .body = to_utf8(body),
          .draft = info.wish.draft};
}

async::Task<Result<void>> Shipping::found(Shared open, std::size_t part, Pull pull, bool ours) {
  Result<void> written = co_await change(open, [part, pull, ours](Record& record) {
    ShipmentPart& changed = record.info.parts[part];
    changed.number = pull.number;
    changed.url = pull.url;
    changed.created = changed.created || ours;
  });
  co_return written;
}

async::Task<Answer<bool>> Shipping::open_one(Shared open, std::size_t part) {
  Result<std::unique_ptr<Forge>> made = co_await forge(open->record, open->record.info.parts[part]);
  if (!made) co_return setback(made.error());
  const std::unique_ptr<Forge> service = std::move(*made);
  if (open->record.info.parts[part].into.empty()) {
    Answer<std::string> branch = co_await service->default_branch();
    if (!branch) co_return std::unexpected(branch.error());
    const Result<void> written =
        co_await change(open, [part, into = *branch](Record& record) { record.info.parts[part].into = into; });
    if (!written) co_return setback(written.error());
  }
  const PullWish wish = wish_of(open->record, part);
  Answer<std::optional<Pull>> there = co_await service->find(wish.branch, wish.into);
  if (!there) co_return std::unexpected(there.error());
  const std::string repo = open->record.info.parts[part].repo;
  Pull pull;
  if (*there) {
    pull = **there;
    // Opened by us when the answer, or we ourselves, did not live to tell: there was none, we were about to open one,
    // and this one says what only ours says.
    const bool begun = !open->record.info.parts[part].number && holds(open->record.hidden.opening, repo);
    const Result<void> known =
        co_await found(open, part, pull, begun && pull.body.contains(mark_of(open->record.info.id)));
    if (!known) co_return setback(known.error());
    if (pull.title != wish.title || pull.body != wish.body) {
      Answer<Pull> updated = co_await service->update(pull.number, wish);
      if (!updated) co_return std::unexpected(updated.error());
    }
  } else {
    if (!holds(open->record.hidden.opening, repo)) {
      const Result<void> begun =
          co_await change(open, [repo](Record& record) { record.hidden.opening.push_back(repo); });
      if (!begun) co_return setback(begun.error());
    }
    Answer<Pull> opened = co_await service->open(wish);
    if (!opened) {
      Setback why = opened.error();
      // It came to be between the look and this: the next pass finds it.
      why.error.retryable = why.error.retryable || why.error.code == Code::already_exists;
      co_return std::unexpected(std::move(why));
    }
    pull = *opened;
    const Result<void> known = co_await found(open, part, pull, true);
    if (!known) co_return setback(known.error());
  }
  if (!open->record.info.wish.labels.empty()) {
    const Answer<bool> labelled = co_await service->label(pull.number, open->record.info.wish.labels);
    if (!labelled) co_return std::unexpected(labelled.error());
  }
  co_return true;
}

async::Task<Answer<ShipmentState>> Shipping::open_all(Shared open) {
  const std::size_t count = open->record.info.parts.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Answer<bool> done = co_await open_one(open, i);
    if (!done) co_return std::unexpected(done.error());
  }
  if (count < 2 || open->record.hidden.linked) co_return ShipmentState::done;
  // Now that each has a number, they can name each other: the second time each is found, and updated.
  for (std::size_t i = 0; i < count; ++i) {
    const Answer<bool> done = co_await open_one(open, i);
    if (!done) co_return std::unexpected(done.error());
  }
  const Result<void> written = co_await change(open, [](Record& record) { record.hidden.linked = true; });
  if (!written) co_return setback(written.error());
  co_return ShipmentState::done;
}

async::Task<Answer<bool>> Shipping::find_opened(Shared open, std::size_t at) {
  const ShipmentPart part = open->record.info.parts[at];
  Result<std::unique_ptr<Forge>> service = co_await forge(open->record, part);
  if (!service) co_return setback(service.error());
  const Answer<std::optional<Pull>> there = co_await (*service)->find(part.branch, part.into);
  if (!there) co_return std::unexpected(there.error());
  if (!*there || !(*there)->body.contains(mark_of(open->record.info.id))) co_return false;
  const Result<void> known = co_await found(open, at, **there, true);
  if (!known) co_return setback(known.error());
  co_return true;
}

async::Task<Answer<bool>> Shipping::take_back(Shared open) {
  for (std::size_t i = 0; i < open->record.info.parts.size(); ++i) {
    ShipmentPart part = open->record.info.parts[i];
    if (!part.number && holds(open->record.hidden.opening, part.repo)) {
      const Answer<bool> looked = co_await find_opened(open, i);
      if (!looked) co_return std::unexpected(looked.error());
      part = open->record.info.parts[i];
    }
    if (part.number && part.created) {
      Result<std::unique_ptr<Forge>> service = co_await forge(open->record, part);
      if (!service) co_return setback(service.error());
      const Answer<bool> closed = co_await (*service)->close(*part.number);
      if (!closed) co_return std::unexpected(closed.error());
      const Result<void> written = co_await change(open, [i](Record& record) { record.info.parts[i].created = false; });
      if (!written) co_return setback(written.error());
    }
    if (!part.pushed) continue;
    const Result<Remote> remote = read_remote(part.remote);
    if (!remote) co_return setback(remote.error());
    Answer<std::shared_ptr<const Credential>> found = co_await credential(open->record, *remote);
    if (!found) co_return std::unexpected(found.error());
    const Push push = push_of(open->record, part, *remote);
    const Result<std::string> stands = co_await pusher_.look(push, *found);
    if (!stands) co_return setback(stands.error());
    if (*stands == part.commit &&
        part.before != part.commit) {  // else it was taken back already, or is somebody else's now
      const Result<void> undone = co_await pusher_.undo(push, part.before, *found);
      if (!undone) co_return setback(undone.error());
    }
    const Result<void> written = co_await change(open, [i](Record& record) { record.info.parts[i].pushed = false; });
    if (!written) co_return setback(written.error());
  }
  co_return true;
}

}  // namespace swarm::ship
