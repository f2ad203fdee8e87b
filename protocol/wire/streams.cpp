#include "protocol/wire/streams.hpp"

#include <fmt/format.h>

#include <limits>

#include "protocol/wire/msgpack.hpp"
#include "protocol/wire/reader.hpp"
#include "protocol/wire/stream_entry.hpp"

namespace swarm::wire {
namespace {

/// Credit goes back in pieces of this size, not with every small chunk.
constexpr std::size_t kCreditStep = kInitialCredit / 4;

/// The members of all stream notifications; which are needed depends on the method.
struct Fields {
  std::optional<std::uint32_t> stream;
  std::optional<std::string_view> data;
  std::optional<std::uint64_t> bytes;
  std::optional<std::span<const std::byte>> error;
};

std::optional<Fields> read_fields(std::span<const std::byte> params) {
  Reader reader(params);
  if (reader.array() != 1) return std::nullopt;
  const std::optional<std::size_t> members = reader.map();
  if (!members) return std::nullopt;
  Fields fields;
  for (std::size_t i = 0; i < *members; ++i) {
    const std::optional<std::string_view> key = reader.string();
    if (!key) return std::nullopt;
    if (*key == "stream") {
      const std::optional<std::uint64_t> id = reader.unsigned_integer();
      if (!id || *id > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
      fields.stream = static_cast<std::uint32_t>(*id);
    } else if (*key == "data") {
      fields.data = reader.bytes();
      if (!fields.data) return std::nullopt;
    } else if (*key == "bytes") {
      fields.bytes = reader.unsigned_integer();
      if (!fields.bytes) return std::nullopt;
    } else {
      const std::optional<std::span<const std::byte>> value = reader.any();
      if (!value) return std::nullopt;
      if (*key == "error" && !Reader(*value).nil()) fields.error = value;
    }
  }
  return fields;
}

Error cancelled(std::uint32_t id) {
  return {.code = Code::cancelled, .message = fmt::format("nobody reads stream {}", id)};
}

}  // namespace

Streams::Streams(async::Loop& loop, Output& output, Side side, const Limits& limits)
    : loop_(loop),
      output_(&output),
      side_(side),
      limits_(limits),
      turn_(loop),
      next_id_(side == Side::dialer ? 1 : 2) {}

Streams::~Streams() = default;

std::uint32_t Streams::new_id() {
  // 2^31 ids of one parity; after that, those still in use are skipped.
  do next_id_ += 2;
  while (next_id_ < 3 || entries_.contains(next_id_ - 2));
  return next_id_ - 2;
}

Streams::Entry* Streams::find(std::uint32_t id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : found->second.get();
}

Streams::EntryPtr Streams::add(std::uint32_t id) {
  auto entry = std::make_shared<Entry>(loop_, id);
  entry->serial = newest_request_;
  entries_.emplace(id, entry);
  return entry;
}

Result<Streams::EntryPtr> Streams::for_opening(std::uint32_t id) {
  if (ended_) return fail(*ended_);
  const auto found = entries_.find(id);
  if (found != entries_.end()) {
    const Entry& entry = *found->second;
    const bool given_up = entry.receive == Entry::Receive::dropped &&
                          (entry.send == Entry::Send::unused || entry.send == Entry::Send::over);
    if (!given_up) return found->second;
    // Whoever names the id in a new request regards the old stream as over.
    entries_.erase(found);
  }
  if (entries_.size() >= limits_.max_streams + limits_.max_early_streams) {
    return fail(Code::resource_exhausted,
                fmt::format("{} streams are open on this connection; close one first", entries_.size()));
  }
  return add(id);
}

Result<void> Streams::take(const Message& message) {
  const std::optional<Fields> fields = read_fields(message.params);
  const std::string_view kind = message.method.substr(message.method.find('.') + 1);
  if (fields && fields->stream) {
    if (kind == "data" && fields->data) {
      on_data(*fields->stream, *fields->data);
      return {};
    }
    if (kind == "credit" && fields->bytes) {
      on_credit(*fields->stream, *fields->bytes);
      return {};
    }
    if (kind == "end") {
      std::optional<Error> error;
      if (fields->error) {
        const Result<Value> value = decode_scanned(*fields->error, "error");
        error = value ? error_from(*value) : value.error();
      }
      on_end(*fields->stream, std::move(error));
      return {};
    }
  }
  return fail(Code::invalid_argument,
              "a stream notification must be stream.data [{stream, data}], stream.credit [{stream, bytes}] or "
              "stream.end [{stream, error?}]");
}

Streams::Entry* Streams::for_arrival(std::uint32_t id) {
  if (Entry* entry = find(id)) return entry;
  // Ids of our own are used once and opened before the peer hears of them: this is late, not early.
  if (own(id)) return nullptr;
  if (newest_request_ < oldest_open_ || early_ >= limits_.max_early_streams) {
    refuse(id);
    return nullptr;
  }
  ++early_;
  const EntryPtr entry = add(id);
  entry->receive = Entry::Receive::early;
  return entry.get();
}

void Streams::on_data(std::uint32_t id, std::string_view data) {
  Entry* entry = for_arrival(id);
  if (entry == nullptr || entry->peer_ended) return;
  if (data.size() > entry->allowed) {
    overrun(*entry);
    return;
  }
  entry->allowed -= data.size();
  if (entry->receive == Entry::Receive::dropped) {
    if (entry->send == Entry::Send::open) give_back(*entry, data.size());
    return;
  }
  // A direction that nobody opened yet; the handler may open its two directions one after the other.
  if (data.empty() || entry->receive == Entry::Receive::over) return;
  // Small pieces are joined: what one byte costs in memory must not depend on how it was cut.
  if (!entry->chunks.empty() && entry->chunks.back().size() + data.size() <= kMaxChunk) {
    entry->chunks.back().append(data);
  } else {
    entry->chunks.emplace_back(data);
  }
  entry->readable.notify_all();
}

void Streams::overrun(Entry& entry) {
  const Error error{
      .code = Code::resource_exhausted,
      .message = fmt::format("stream {} got more bytes than it had credit for; wait for stream.credit", entry.id)};
  entry.peer_ended = true;
  entry.peer_error = error;
  if (entry.send == Entry::Send::open) {
    entry.broken = error;
    entry.send = Entry::Send::ended;
  }
  send_end(entry.id, &error);
  entry.readable.notify_all();
  entry.writable.notify_all();
  forget_if_over(entry);
}

void Streams::on_credit(std::uint32_t id, std::uint64_t bytes) {
  Entry* entry = find(id);
  if (entry == nullptr) return;
  constexpr std::size_t kMost = std::size_t{1} << 53U;
  entry->credit = static_cast<std::size_t>(std::min<std::uint64_t>(kMost, entry->credit + std::min(bytes, kMost)));
  entry->writable.notify_all();
}

void Streams::on_end(std::uint32_t id, std::optional<Error> error) {
  Entry* entry = for_arrival(id);
  if (entry == nullptr) return;
  if (error && entry->send == Entry::Send::open) {
    entry->broken = error;
    sink_ended(*entry, nullptr);
    entry->writable.notify_all();
  }
  if (!entry->peer_ended) {
    entry->peer_ended = true;
    entry->peer_error = std::move(error);
    entry->readable.notify_all();
  }
  if (entry->receive == Entry::Receive::dropped) entry->receive = Entry::Receive::over;
  forget_if_over(*entry);
}

void Streams::requests_answered(std::uint64_t oldest_open) {
  oldest_open_ = oldest_open;
  if (early_ == 0) return;
  std::vector<EntryPtr> late;
  for (const auto& [id, entry] : entries_) {
    if (entry->receive == Entry::Receive::early && entry->serial < oldest_open) late.push_back(entry);
  }
  for (const EntryPtr& entry : late) {
    --early_;
    entry->chunks.clear();
    entry->receive = entry->peer_ended ? Entry::Receive::over : Entry::Receive::dropped;
    if (entry->receive == Entry::Receive::dropped && entry->send == Entry::Send::unused) {
      refuse(entry->id);
      bury(*entry);
    }
    forget_if_over(*entry);
  }
}

void Streams::connection_ended(const Error& reason) {
  if (ended_) return;
  ended_ = reason;
  output_ = nullptr;
  auto entries = std::exchange(entries_, {});
  for (const auto& [id, entry] : entries) {
    if (!entry->peer_ended) {
      entry->peer_ended = true;
      entry->peer_error = reason;
    }
    if (!entry->broken) entry->broken = reason;
    entry->readable.notify_all();
    entry->writable.notify_all();
  }
}

void Streams::forget_if_over(Entry& entry) {
  using enum Entry::Receive;
  const bool receives = entry.receive == early || entry.receive == open || entry.receive == dropped;
  const bool sends = entry.send == Entry::Send::open || entry.send == Entry::Send::ended;
  if (!receives && !sends) entries_.erase(entry.id);
}

void Streams::bury(Entry& entry) {
  // Kept until the peer confirms with its own end, so that bytes on their way are not taken for a new stream. A peer
  // that never confirms costs us this many small entries and no more.
  buried_.push_back(entry.id);
  if (buried_.size() <= limits_.max_early_streams) return;
  const std::uint32_t oldest = buried_.front();
  buried_.pop_front();
  Entry* found = find(oldest);
  if (found == nullptr || found == &entry || found->receive != Entry::Receive::dropped) return;
  found->receive = Entry::Receive::over;
  forget_if_over(*found);
}

void Streams::send_data(std::uint32_t id, std::span<const std::byte> bytes) {
  if (output_ == nullptr) return;
  std::string& out = output_->buffer();
  append_array(out, 3);
  append_uint(out, 2);
  append_str(out, "stream.data");
  append_array(out, 1);
  append_map(out, 2);
  append_str(out, "stream");
  append_uint(out, id);
  append_str(out, "data");
  append_bin_header(out, static_cast<std::uint32_t>(bytes.size()));
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());  // NOLINT: bytes as characters
  output_->flush_soon();
}

void Streams::send_credit(std::uint32_t id, std::size_t bytes) {
  if (output_ == nullptr) return;
  std::string& out = output_->buffer();
  append_array(out, 3);
  append_uint(out, 2);
  append_str(out, "stream.credit");
  append_array(out, 1);
  append_map(out, 2);
  append_str(out, "stream");
  append_uint(out, id);
  append_str(out, "bytes");
  append_uint(out, bytes);
  output_->flush_soon();
}

void Streams::send_end(std::uint32_t id, const Error* error) {
  if (output_ == nullptr) return;
  Value params;
  params.set("stream", id);
  if (error != nullptr) params.set("error", error_map(*error));
  Value::Array list;
  list.push_back(std::move(params));
  append_notification(output_->buffer(), "stream.end", Value(std::move(list)));
  output_->flush_soon();
}

void Streams::refuse(std::uint32_t id) {
  // A peer that floods unknown streams and reads no answers gets none.
  if (output_ == nullptr || output_->size() >= limits_.max_output_bytes) return;
  const Error error = cancelled(id);
  send_end(id, &error);
}

void Streams::give_back(Entry& entry, std::size_t bytes) {
  entry.consumed += bytes;
  if (entry.consumed < kCreditStep || entry.peer_ended) return;
  entry.allowed += entry.consumed;
  send_credit(entry.id, std::exchange(entry.consumed, 0));
}

void Streams::source_gone(Entry& entry) {
  if (output_ == nullptr) return;
  entry.chunks.clear();
  if (entry.peer_ended) {
    entry.receive = Entry::Receive::over;
  } else {
    entry.receive = Entry::Receive::dropped;
    if (entry.send != Entry::Send::open) {
      const Error error = cancelled(entry.id);
      send_end(entry.id, &error);
      if (own(entry.id)) {
        entry.receive = Entry::Receive::over;
      } else {
        bury(entry);
      }
    }
  }
  forget_if_over(entry);
}

void Streams::sink_ended(Entry& entry, const Error* error) {
  if (entry.send != Entry::Send::open) return;
  entry.send = Entry::Send::ended;
  if (entry.receive == Entry::Receive::dropped && error == nullptr && !entry.broken) {
    // Our side was kept going for this direction alone; now nobody is left.
    send_end(entry.id, nullptr);
    const Error gone = cancelled(entry.id);
    send_end(entry.id, &gone);
    return;
  }
  send_end(entry.id, error);
}

void Streams::sink_gone(Entry& entry) {
  if (output_ == nullptr) return;
  const Error error{.code = Code::cancelled, .message = fmt::format("the sender gave up stream {}", entry.id)};
  sink_ended(entry, &error);
  entry.send = Entry::Send::over;
  if (entry.receive == Entry::Receive::dropped && (own(entry.id) || entry.peer_ended)) {
    entry.receive = Entry::Receive::over;
  }
  forget_if_over(entry);
}

}  // namespace swarm::wire
