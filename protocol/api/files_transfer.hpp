#pragma once
// Files and trees of any size, on streams.

#include "protocol/api/files.hpp"

namespace swarm::api {

struct FilesUploadRequest : FileTarget {
  std::uint32_t content = 0;
  std::optional<std::uint64_t> size_bytes;
  std::optional<std::uint32_t> mode;
  std::optional<std::int64_t> mtime_us;
  WriteMode if_exists = WriteMode::any;
  bool atomic = true;
  bool parents = false;
  bool operator==(const FilesUploadRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesUploadRequest", "Where a file goes.");
    describe_target(d);
    d.field("content", &FilesUploadRequest::content, "Stream with its content.")
        .required()
        .min(1)
        .stream(StreamUse::from_caller);
    d.field("size_bytes", &FilesUploadRequest::size_bytes,
            "How long it is, when known: a shorter or longer stream is refused.");
    d.field("mode", &FilesUploadRequest::mode, "Permission bits; else those of the file replaced, else 0644.")
        .max(07777);
    d.field("mtime_us", &FilesUploadRequest::mtime_us, "Its time, UTC; else now.");
    d.field("if_exists", &FilesUploadRequest::if_exists, "Whether it may or must be there before.");
    d.field("atomic", &FilesUploadRequest::atomic,
            "Written beside it and renamed over it at the end; a broken upload leaves nothing.");
    d.field("parents", &FilesUploadRequest::parents, "Make missing directories.");
  }
};

struct FilesDownloadRequest : FileTarget {
  std::uint32_t content = 0;
  std::uint64_t offset = 0;
  bool operator==(const FilesDownloadRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesDownloadRequest", "Which file.");
    describe_target(d);
    d.field("content", &FilesDownloadRequest::content, "Stream for its content.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
    d.field("offset", &FilesDownloadRequest::offset, "First byte.");
  }
};

struct FilesUploadTreeRequest : FileTarget {
  std::uint32_t content = 0;
  bool replace = true;
  bool operator==(const FilesUploadTreeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesUploadTreeRequest", "Where a tree goes.");
    describe_target(d);
    d.field("content", &FilesUploadTreeRequest::content,
            "Stream with a POSIX tar archive (ustar with pax headers) of files, directories, symbolic and hard links. "
            "Names "
            "that are absolute or climb with `..` are refused, and links are never followed while unpacking.")
        .required()
        .min(1)
        .stream(StreamUse::from_caller);
    d.field("replace", &FilesUploadTreeRequest::replace, "Replace files that are there; false refuses them.");
  }
};

struct FilesDownloadTreeRequest : FileTarget {
  std::uint32_t content = 0;
  std::vector<std::string> exclude;
  bool operator==(const FilesDownloadTreeRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesDownloadTreeRequest", "Which tree.");
    describe_target(d);
    d.field("content", &FilesDownloadTreeRequest::content,
            "Stream for a POSIX tar archive (ustar with pax headers), names relative to `path`, with modes and times.")
        .required()
        .min(1)
        .stream(StreamUse::to_caller);
    d.field("exclude", &FilesDownloadTreeRequest::exclude, "Patterns, as in `files.glob`, of what to leave out.")
        .max_length(1000);
  }
};

struct FilesTreeReply {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t size_bytes = 0;
  std::vector<Path> skipped;
  bool operator==(const FilesTreeReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesTreeReply", "What a tree held.");
    d.field("files", &FilesTreeReply::files, "Regular files.").required();
    d.field("directories", &FilesTreeReply::directories, "Directories.").required();
    d.field("links", &FilesTreeReply::links, "Links.").required();
    d.field("size_bytes", &FilesTreeReply::size_bytes, "Content of the files.").required();
    d.field("skipped", &FilesTreeReply::skipped,
            "Sockets, pipes, devices and vanished files that were left out, at most 100.");
  }
};

inline constexpr Method<InSandbox<FilesUploadRequest>, FileInfo> kFilesUpload{{
    .name = "files.upload",
    .doc = "Writes a file from a stream. Answers when it is in place.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight, kNoSpace, {Code::already_exists, "it is there, and `if_exists` is `create`"}},
}};
inline constexpr Method<InSandbox<FilesDownloadRequest>, FileInfo> kFilesDownload{{
    .name = "files.download",
    .doc = "Sends a file on a stream. Answers before the first byte; the stream's end says whether all was sent.",
    .errors = {kNoSuchPath, kNoRight, {Code::failed_precondition, "it is not a regular file"}},
}};
inline constexpr Method<InSandbox<FilesUploadTreeRequest>, FilesTreeReply> kFilesUploadTree{{
    .name = "files.upload_tree",
    .doc = "Unpacks a tree into a directory, which is made when it is not there. Answers when all is in place.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight, kNoSpace, {Code::already_exists, "a file is there, and `replace` is false"}},
}};
inline constexpr Method<InSandbox<FilesDownloadTreeRequest>, FilesTreeReply> kFilesDownloadTree{{
    .name = "files.download_tree",
    .doc = "Packs a directory onto a stream. Answers when all was sent.",
    .errors = {kNoSuchPath, kNoRight, {Code::failed_precondition, "it is not a directory"}},
}};

std::span<const MethodInfo* const> files_transfer_methods();

}  // namespace swarm::api
