#pragma once
// Files that agents attach to tasks and reviews. Their content is kept on the host, once for each content, and is found
// again by its SHA-256; the name is a word for people and never a path.

#include "protocol/api/from_agent.hpp"
#include "protocol/api/method.hpp"

namespace swarm::api {

struct ArtifactInfo {
  std::string id;
  std::string swarm;
  Path name;
  std::uint64_t size_bytes = 0;
  std::string sha256;
  std::string by;
  std::optional<std::string> task;
  std::optional<std::string> review;
  std::string note;
  std::int64_t created_us = 0;
  bool operator==(const ArtifactInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ArtifactInfo", "A file that was attached.");
    d.field("id", &ArtifactInfo::id, "Its id.").required();
    d.field("swarm", &ArtifactInfo::swarm, "The swarm whose it is.").required();
    d.field("name", &ArtifactInfo::name, "What it was called. Any bytes: no path, and nothing to print as it is.")
        .required();
    d.field("size_bytes", &ArtifactInfo::size_bytes, "How long it is.").required();
    d.field("sha256", &ArtifactInfo::sha256, "SHA-256 of its content, in hexadecimal.").required();
    d.field("by", &ArtifactInfo::by, "The agent that attached it; `human`: a person.").required();
    d.field("task", &ArtifactInfo::task, "The task that it belongs to.");
    d.field("review", &ArtifactInfo::review, "The review that it belongs to.");
    d.field("note", &ArtifactInfo::note, "What it is.");
    d.field("created_us", &ArtifactInfo::created_us, "When it was attached, UTC.").required();
  }
};

struct ArtifactPutRequest {
  Path name;
  std::uint32_t content = 0;
  std::optional<std::uint64_t> size_bytes;
  std::optional<std::string> task;
  std::optional<std::string> review;
  std::string note;
  bool operator==(const ArtifactPutRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ArtifactPutRequest", "A file to keep.");
    d.field("name", &ArtifactPutRequest::name, "What it is called; any bytes.").required().non_empty().max_length(255);
    d.field("content", &ArtifactPutRequest::content, "Stream with its content.")
        .required()
        .min(1)
        .stream(StreamUse::from_caller);
    d.field("size_bytes", &ArtifactPutRequest::size_bytes,
            "How long it is, when known: a stream of another length is refused.");
    d.field("task", &ArtifactPutRequest::task, "The task that it belongs to: its id or a unique prefix of it.")
        .non_empty()
        .max_length(40);
    d.field("review", &ArtifactPutRequest::review, "The review that it belongs to: its id or a unique prefix of it.")
        .non_empty()
        .max_length(40);
    d.field("note", &ArtifactPutRequest::note, "What it is, for people.").max_length(2000);
  }
};

struct ArtifactListRequest {
  std::optional<std::string> task;
  std::optional<std::string> review;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const ArtifactListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ArtifactListRequest", "Which artifacts.");
    d.field("task", &ArtifactListRequest::task, "Only those of this task: its id or a prefix of it.")
        .non_empty()
        .max_length(40);
    d.field("review", &ArtifactListRequest::review, "Only those of this review: its id or a prefix of it.")
        .non_empty()
        .max_length(40);
    d.field("limit", &ArtifactListRequest::limit, "At most so many.").min(1).max(1000);
    d.field("cursor", &ArtifactListRequest::cursor, "Go on behind the page that ended with this `next_cursor`.")
        .non_empty()
        .max_length(40);
  }
};

struct ArtifactListReply {
  std::vector<ArtifactInfo> artifacts;
  std::optional<std::string> next_cursor;
  bool operator==(const ArtifactListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ArtifactListReply", "Artifacts, oldest first.");
    d.field("artifacts", &ArtifactListReply::artifacts, "They.").required();
    d.field("next_cursor", &ArtifactListReply::next_cursor, "There are more behind it.");
  }
};

struct ArtifactGetRequest {
  std::string artifact;
  std::uint32_t content = 0;
  bool operator==(const ArtifactGetRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ArtifactGetRequest", "Which artifact.");
    d.field("artifact", &ArtifactGetRequest::artifact, "Its id or a unique prefix of it.")
        .required()
        .non_empty()
        .max_length(40);
    d.field("content", &ArtifactGetRequest::content, "Stream for its content.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
  }
};

/// Data of `artifact.added`.
struct ArtifactAdded {
  ArtifactInfo artifact;
  bool operator==(const ArtifactAdded&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("ArtifactAdded", "A file was attached.");
    d.field("artifact", &ArtifactAdded::artifact, "The file as it is kept.").required();
  }
};

inline constexpr ErrorDoc kNoSuchArtifact{Code::not_found, "no such artifact, task, review or swarm"};

inline constexpr Method<FromAgent<ArtifactPutRequest>, ArtifactInfo> kArtifactPut{{
    .name = "artifact.put",
    .doc = "Keeps a file on the host and attaches it to a task or a review. Answers when it is on the disk; a broken "
           "stream leaves nothing. The same content under the same name at the same place is kept once.",
    .caller = Caller::both,
    .effect = Effect::changes,
    .errors = {kNoSuchArtifact,
               {Code::resource_exhausted, "the file is too large, or the swarm or the host has too many"}},
}};
inline constexpr Method<FromAgent<ArtifactListRequest>, ArtifactListReply> kArtifactList{{
    .name = "artifact.list",
    .doc = "Lists the files that were attached in a swarm.",
    .caller = Caller::both,
    .errors = {kNoSuchArtifact},
}};
inline constexpr Method<FromAgent<ArtifactGetRequest>, ArtifactInfo> kArtifactGet{{
    .name = "artifact.get",
    .doc = "Sends the content of an artifact. Its SHA-256 is compared on the way: the stream ends with an error when "
           "the disk has something else now.",
    .caller = Caller::both,
    .errors = {kNoSuchArtifact},
}};

inline constexpr EventType<ArtifactAdded> kArtifactAdded{
    {.name = "artifact.added", .doc = "A file was attached to a task, a review or a run."}};

std::span<const MethodInfo* const> artifact_methods();
std::span<const EventInfo* const> artifact_events();

}  // namespace swarm::api
