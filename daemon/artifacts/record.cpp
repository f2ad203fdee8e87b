#include "daemon/artifacts/record.hpp"

#include <fmt/format.h>

#include <array>

#include "protocol/wire/stored.hpp"

namespace swarm::artifacts {
namespace {

constexpr std::array kArtifactMigrations = {
    store::Migration{1, "artifacts", R"sql(
      CREATE TABLE artifacts (
        id         TEXT PRIMARY KEY,
        swarm      TEXT NOT NULL,
        task       TEXT NOT NULL,
        review     TEXT NOT NULL,
        sha256     TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        created_us INTEGER NOT NULL,
        over_us    INTEGER NOT NULL DEFAULT 0,
        info       BLOB NOT NULL
      ) STRICT, WITHOUT ROWID;
      CREATE INDEX artifacts_swarm ON artifacts (swarm, id);
      CREATE INDEX artifacts_content ON artifacts (sha256, size_bytes);
    )sql"},
};

constexpr store::Sql kAddArtifact{"artifacts.insert",
                                  "INSERT INTO artifacts (id, swarm, task, review, sha256, size_bytes, created_us, "
                                  "info) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"};
constexpr store::Sql kSameArtifact{"artifacts.same",
                                   "SELECT info FROM artifacts WHERE swarm = ? AND sha256 = ? AND task = ? AND "
                                   "review = ? ORDER BY id"};
constexpr store::Sql kArtifactsOf{
    "artifacts.of",
    "SELECT info FROM artifacts WHERE swarm = ?1 AND id > ?4 AND (?2 = '' OR (task >= ?2 AND task < ?2 || '~')) AND "
    "(?3 = '' OR (review >= ?3 AND review < ?3 || '~')) ORDER BY id LIMIT ?5"};
constexpr store::Sql kFindArtifact{"artifacts.find",
                                   "SELECT info FROM artifacts WHERE swarm = ?1 AND id >= ?2 AND id < ?2 || '~' "
                                   "ORDER BY id LIMIT 2"};
constexpr store::Sql kArtifactBytes{"artifacts.bytes",
                                    "SELECT COALESCE(SUM(size_bytes), 0) FROM (SELECT DISTINCT sha256, size_bytes "
                                    "FROM artifacts)"};
constexpr store::Sql kArtifactCount{"artifacts.count", "SELECT COUNT(*) FROM artifacts WHERE swarm = ?"};
constexpr store::Sql kArtifactBytesOf{"artifacts.bytes_of",
                                      "SELECT COALESCE(SUM(size_bytes), 0) FROM artifacts WHERE swarm = ?"};
constexpr store::Sql kArtifactsOver{"artifacts.over",
                                    "UPDATE artifacts SET over_us = ? WHERE over_us = 0 AND swarm IN "
                                    "(SELECT id FROM swarms WHERE over = 1)"};
constexpr store::Sql kForgetArtifacts{
    "artifacts.forget",
    "DELETE FROM artifacts WHERE swarm NOT IN (SELECT id FROM swarms WHERE discarded = 0) OR "
    "(over_us > 0 AND over_us < ?)"};
constexpr store::Sql kArtifactContents{"artifacts.contents", "SELECT DISTINCT sha256 FROM artifacts"};

Result<std::vector<api::ArtifactInfo>> read_all(const Result<std::vector<std::tuple<Bytes>>>& rows) {
  if (!rows) return fail(rows.error());
  std::vector<api::ArtifactInfo> found;
  for (const auto& [bytes] : *rows) {
    auto info = wire::unpack<api::ArtifactInfo>(bytes, "stored artifact");
    if (!info) return fail(info.error());
    found.push_back(std::move(*info));
  }
  return found;
}

}  // namespace

const store::Domain kArtifactDomain{"artifacts", kArtifactMigrations};

Result<api::ArtifactInfo> insert(store::Database& db, const api::ArtifactInfo& info, std::uint64_t most) {
  const std::string task = info.task.value_or("");
  const std::string review = info.review.value_or("");
  const auto same = read_all(db.all<Bytes>(kSameArtifact, info.swarm, info.sha256, task, review));
  if (!same) return fail(same.error());
  for (const api::ArtifactInfo& one : *same) {
    if (one.name == info.name && one.by == info.by) return one;
  }
  const Result<std::uint64_t> count = count_of(db, info.swarm);
  if (!count) return fail(count.error());
  if (*count >= most) {
    return fail(Code::resource_exhausted,
                fmt::format("the swarm has {} artifacts, and may have {} (artifacts.max_per_swarm)", *count, most));
  }
  const Result<void> added = db.run(kAddArtifact, info.id, info.swarm, task, review, info.sha256,
                                    static_cast<std::int64_t>(info.size_bytes), info.created_us, wire::pack(info));
  if (!added) return fail(added.error());
  return info;
}

Result<std::vector<api::ArtifactInfo>> load_of(store::Database& db, const std::string& swarm, const std::string& task,
                                               const std::string& review, const std::string& after, int limit) {
  return read_all(db.all<Bytes>(kArtifactsOf, swarm, task, review, after, limit));
}

Result<std::vector<api::ArtifactInfo>> find(store::Database& db, const std::string& swarm, const std::string& prefix) {
  return read_all(db.all<Bytes>(kFindArtifact, swarm, prefix));
}

Result<std::uint64_t> stored_bytes(store::Database& db) {
  const auto row = db.one<std::int64_t>(kArtifactBytes);
  if (!row) return fail(row.error());
  return *row ? static_cast<std::uint64_t>(std::get<0>(**row)) : 0;
}

Result<std::uint64_t> count_of(store::Database& db, const std::string& swarm) {
  const auto row = db.one<std::int64_t>(kArtifactCount, swarm);
  if (!row) return fail(row.error());
  return *row ? static_cast<std::uint64_t>(std::get<0>(**row)) : 0;
}

Result<std::uint64_t> bytes_of(store::Database& db, const std::string& swarm) {
  const auto row = db.one<std::int64_t>(kArtifactBytesOf, swarm);
  if (!row) return fail(row.error());
  return *row ? static_cast<std::uint64_t>(std::get<0>(**row)) : 0;
}

Result<std::int64_t> forget(store::Database& db, std::int64_t now_us, std::int64_t over_before_us) {
  if (const Result<void> noted = db.run(kArtifactsOver, now_us); !noted) return fail(noted.error());
  if (const Result<void> gone = db.run(kForgetArtifacts, over_before_us); !gone) return fail(gone.error());
  return db.changes();
}

Result<std::set<std::string>> contents(store::Database& db) {
  const auto rows = db.all<std::string>(kArtifactContents);
  if (!rows) return fail(rows.error());
  std::set<std::string> all;
  for (const auto& [sha256] : *rows) all.insert(sha256);
  return all;
}

}  // namespace swarm::artifacts
