#pragma once
// Described structs as bytes of a column, and records that stand in two of them: what clients are shown (`info`) and
// what only we know (`hidden`).

#include <string_view>
#include <tuple>
#include <vector>

#include "protocol/api/codec.hpp"
#include "protocol/core/error.hpp"
#include "protocol/core/value.hpp"
#include "protocol/wire/msgpack.hpp"

namespace swarm::wire {

template <class T>
Bytes pack(const T& object) {
  return {encode(api::encode(object))};
}

/// What `pack` made. `what` names it where it cannot be read: "stored sandbox".
template <class T>
Result<T> unpack(const Bytes& bytes, std::string_view what) {
  Result<Value> value = decode(std::as_bytes(std::span(bytes.data)), Limits{});
  if (!value) return fail(value.error(), what);
  return api::decode_reply<T>(std::move(*value));
}

/// A `Record` with `info` and `hidden` out of its two columns.
template <class Record>
Result<Record> unpack_record(const std::tuple<Bytes, Bytes>& row, std::string_view what) {
  auto info = unpack<decltype(Record::info)>(std::get<0>(row), what);
  if (!info) return fail(info.error());
  auto hidden = unpack<decltype(Record::hidden)>(std::get<1>(row), what);
  if (!hidden) return fail(hidden.error());
  return Record{.info = std::move(*info), .hidden = std::move(*hidden)};
}

template <class Record>
Result<std::vector<Record>> unpack_records(const Result<std::vector<std::tuple<Bytes, Bytes>>>& rows,
                                           std::string_view what) {
  if (!rows) return fail(rows.error());
  std::vector<Record> records;
  for (const auto& row : *rows) {
    Result<Record> record = unpack_record<Record>(row, what);
    if (!record) return fail(record.error());
    records.push_back(std::move(*record));
  }
  return records;
}

}  // namespace swarm::wire
