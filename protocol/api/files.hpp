#pragma once
// Files in a sandbox. Relative paths begin at its workspace; every operation is done with the rights of a user of the
// sandbox, never with the daemon's. Short contents travel in the call; anything longer, and whole trees, on a stream
// (`files_transfer.hpp`).

#include "protocol/api/files_types.hpp"

namespace swarm::api {

/// The most bytes of content that travel within one call.
constexpr double kMaxInlineBytes = 4.0 * 1024 * 1024;

/// Fields that most requests of this domain share: which path, as whom.
struct FileTarget {
  Path path;
  std::optional<std::string> user;
  bool operator==(const FileTarget&) const = default;

  template <class D>
  static void describe_target(D& d) {
    d.field("path", &FileTarget::path, "Where; relative paths begin at the workspace.")
        .required()
        .non_empty()
        .max_length(4096);
    d.field("user", &FileTarget::user, "As whom: a user name or uid in the sandbox; else its default user.")
        .non_empty()
        .max_length(100);
  }
};

struct FilesReadRequest : FileTarget {
  std::uint64_t offset = 0;
  std::uint64_t limit_bytes = std::uint64_t{1024} * 1024;
  bool operator==(const FilesReadRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesReadRequest", "Which part of which file.");
    describe_target(d);
    d.field("offset", &FilesReadRequest::offset, "First byte.");
    d.field("limit_bytes", &FilesReadRequest::limit_bytes, "Most bytes of one answer.").min(1).max(kMaxInlineBytes);
  }
};

struct FilesReadReply {
  Bytes data;
  std::uint64_t offset = 0;
  std::uint64_t size_bytes = 0;
  bool eof = false;
  bool operator==(const FilesReadReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesReadReply", "A part of a file.");
    d.field("data", &FilesReadReply::data, "Its bytes.").required();
    d.field("offset", &FilesReadReply::offset, "Where they begin.").required();
    d.field("size_bytes", &FilesReadReply::size_bytes, "Size of the whole file.").required();
    d.field("eof", &FilesReadReply::eof, "The file ends here.").required();
  }
};

struct FilesWriteRequest : FileTarget {
  Bytes data;
  std::optional<std::uint32_t> mode;
  WriteMode if_exists = WriteMode::any;
  bool atomic = true;
  bool parents = false;
  bool operator==(const FilesWriteRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesWriteRequest", "A file and its content.");
    describe_target(d);
    d.field("data", &FilesWriteRequest::data, "Its content.")
        .required()
        .secret()
        .max_length(static_cast<std::size_t>(kMaxInlineBytes));
    d.field("mode", &FilesWriteRequest::mode, "Permission bits; else those of the file replaced, else 0644.")
        .max(07777);
    d.field("if_exists", &FilesWriteRequest::if_exists, "Whether it may or must be there before.");
    d.field("atomic", &FilesWriteRequest::atomic,
            "Written beside it and renamed over it: a reader sees the old content or the new. false keeps the inode.");
    d.field("parents", &FilesWriteRequest::parents, "Make missing directories.");
  }
};

struct FilesAppendRequest : FileTarget {
  Bytes data;
  std::optional<std::uint32_t> mode;
  bool operator==(const FilesAppendRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesAppendRequest", "What to add to a file.");
    describe_target(d);
    d.field("data", &FilesAppendRequest::data, "What is added.")
        .required()
        .secret()
        .max_length(static_cast<std::size_t>(kMaxInlineBytes));
    d.field("mode", &FilesAppendRequest::mode, "Permission bits when it has to be made; else 0644.").max(07777);
  }
};

struct FilesListRequest : FileTarget {
  std::uint32_t depth = 1;
  bool hidden = true;
  std::uint32_t limit = 100;
  std::optional<std::string> cursor;
  bool operator==(const FilesListRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesListRequest", "Which directory.");
    describe_target(d);
    d.field("depth", &FilesListRequest::depth, "How many levels; links are not followed.").min(1).max(100);
    d.field("hidden", &FilesListRequest::hidden, "Also names that begin with a dot.");
    d.field("limit", &FilesListRequest::limit, "Most entries of one answer.").min(1).max(10'000);
    d.field("cursor", &FilesListRequest::cursor, "`next_cursor` of the answer before.").max_length(8192);
  }
};

struct FilesListReply {
  std::vector<FileInfo> entries;
  std::optional<std::string> next_cursor;
  bool operator==(const FilesListReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesListReply", "Entries by name; a directory before what is in it.");
    d.field("entries", &FilesListReply::entries, "The entries.").required();
    d.field("next_cursor", &FilesListReply::next_cursor, "Where to go on; absent at the end.");
  }
};

struct FilesStatRequest : FileTarget {
  bool follow = true;
  bool operator==(const FilesStatRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesStatRequest", "Which path.");
    describe_target(d);
    d.field("follow", &FilesStatRequest::follow, "Say what a link points to, not what the link is.");
  }
};

struct FilesMkdirRequest : FileTarget {
  std::uint32_t mode = 0755;
  bool parents = false;
  bool operator==(const FilesMkdirRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesMkdirRequest", "Which directory to make.");
    describe_target(d);
    d.field("mode", &FilesMkdirRequest::mode, "Permission bits.").max(07777);
    d.field("parents", &FilesMkdirRequest::parents, "Make missing directories above; one that is there is no error.");
  }
};

struct FilesRemoveRequest : FileTarget {
  bool recursive = false;
  bool missing_ok = false;
  bool operator==(const FilesRemoveRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesRemoveRequest", "What to remove.");
    describe_target(d);
    d.field("recursive", &FilesRemoveRequest::recursive,
            "A directory with all that is in it; links are removed, not followed.");
    d.field("missing_ok", &FilesRemoveRequest::missing_ok, "What is not there is no error.");
  }
};

struct FilesRemoveReply {
  std::uint64_t removed = 0;
  bool operator==(const FilesRemoveReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesRemoveReply", "What was removed.");
    d.field("removed", &FilesRemoveReply::removed, "How many files, links and directories.").required();
  }
};

struct FilesRenameRequest : FileTarget {
  Path to;
  bool replace = true;
  bool operator==(const FilesRenameRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesRenameRequest", "From where to where.");
    describe_target(d);
    d.field("to", &FilesRenameRequest::to, "The new path, in the same file system.")
        .required()
        .non_empty()
        .max_length(4096);
    d.field("replace", &FilesRenameRequest::replace, "Replace what is there.");
  }
};

struct FilesChmodRequest : FileTarget {
  std::uint32_t mode = 0;
  bool recursive = false;
  bool operator==(const FilesChmodRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesChmodRequest", "New permissions.");
    describe_target(d);
    d.field("mode", &FilesChmodRequest::mode, "Permission bits, as a number.").required().max(07777);
    d.field("recursive", &FilesChmodRequest::recursive, "Also all that is below; links are left alone.");
  }
};

struct FilesChmodReply {
  std::uint64_t changed = 0;
  bool operator==(const FilesChmodReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesChmodReply", "What was changed.");
    d.field("changed", &FilesChmodReply::changed, "How many files and directories.").required();
  }
};

struct FilesGlobRequest {
  std::string pattern;
  std::optional<Path> path;
  std::optional<std::string> user;
  std::uint32_t limit = 1000;
  bool operator==(const FilesGlobRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesGlobRequest", "What to look for.");
    d.field("pattern", &FilesGlobRequest::pattern,
            "`*` and `?` stay within a name, `**` crosses directories, `[...]` and `{a,b}` choose: `src/**/*.{c,h}`.")
        .required()
        .non_empty()
        .max_length(4096);
    d.field("path", &FilesGlobRequest::path, "Where to begin; else the workspace.").non_empty().max_length(4096);
    d.field("user", &FilesGlobRequest::user, "As whom; else the sandbox's default user.").non_empty().max_length(100);
    d.field("limit", &FilesGlobRequest::limit, "Most paths.").min(1).max(100'000);
  }
};

struct FilesGlobReply {
  std::vector<Path> paths;
  bool truncated = false;
  bool operator==(const FilesGlobReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesGlobReply", "What was found.");
    d.field("paths", &FilesGlobReply::paths, "Paths in order, relative to where the search began.").required();
    d.field("truncated", &FilesGlobReply::truncated, "There are more than `limit`.").required();
  }
};

struct FilesWatchRequest : FileTarget {
  bool recursive = true;
  bool operator==(const FilesWatchRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesWatchRequest", "What to watch.");
    describe_target(d);
    d.field("recursive", &FilesWatchRequest::recursive, "Also directories below, and those that appear later.");
  }
};

struct FilesWatchReply {
  std::string watch;
  bool operator==(const FilesWatchReply&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesWatchReply", "A watch that runs.");
    d.field("watch", &FilesWatchReply::watch, "Its id, unique on the connection.").required();
  }
};

struct FilesUnwatchRequest {
  std::string watch;
  bool operator==(const FilesUnwatchRequest&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesUnwatchRequest", "Which watch to end.");
    d.field("watch", &FilesUnwatchRequest::watch, "Its id.").required().non_empty().max_length(100);
  }
};

inline constexpr ErrorDoc kNoSuchPath{Code::not_found, "no such sandbox, path or user"};
inline constexpr ErrorDoc kNoRight{Code::permission_denied, "that user may not"};
inline constexpr ErrorDoc kNoSpace{Code::resource_exhausted, "the sandbox's disk is full"};

inline constexpr Method<InSandbox<FilesReadRequest>, FilesReadReply> kFilesRead{{
    .name = "files.read",
    .doc = "Reads a part of a file.",
    .errors = {kNoSuchPath, kNoRight, {Code::failed_precondition, "it is not a regular file"}},
}};
inline constexpr Method<InSandbox<FilesWriteRequest>, FileInfo> kFilesWrite{{
    .name = "files.write",
    .doc = "Writes a whole file.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight, kNoSpace, {Code::already_exists, "it is there, and `if_exists` is `create`"}},
}};
inline constexpr Method<InSandbox<FilesAppendRequest>, FileInfo> kFilesAppend{{
    .name = "files.append",
    .doc = "Adds to the end of a file, in one piece; makes it when it is not there.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight, kNoSpace},
}};
inline constexpr Method<InSandbox<FilesListRequest>, FilesListReply> kFilesList{{
    .name = "files.list",
    .doc = "Lists a directory.",
    .errors = {kNoSuchPath, kNoRight, {Code::failed_precondition, "it is not a directory"}},
}};
inline constexpr Method<InSandbox<FilesStatRequest>, FileInfo> kFilesStat{{
    .name = "files.stat",
    .doc = "Says what stands at a path.",
    .errors = {kNoSuchPath, kNoRight},
}};
inline constexpr Method<InSandbox<FilesMkdirRequest>, FileInfo> kFilesMkdir{{
    .name = "files.mkdir",
    .doc = "Makes a directory.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight, kNoSpace, {Code::already_exists, "something is there"}},
}};
inline constexpr Method<InSandbox<FilesRemoveRequest>, FilesRemoveReply> kFilesRemove{{
    .name = "files.remove",
    .doc = "Removes a file, link or directory.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight, {Code::failed_precondition, "the directory is not empty"}},
}};
inline constexpr Method<InSandbox<FilesRenameRequest>, FileInfo> kFilesRename{{
    .name = "files.rename",
    .doc = "Moves a file, link or directory, in one step.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath,
               kNoRight,
               {Code::already_exists, "something is at `to`, and `replace` is false"},
               {Code::failed_precondition, "`to` is in another file system"}},
}};
inline constexpr Method<InSandbox<FilesChmodRequest>, FilesChmodReply> kFilesChmod{{
    .name = "files.chmod",
    .doc = "Changes permissions.",
    .effect = Effect::changes,
    .errors = {kNoSuchPath, kNoRight},
}};
inline constexpr Method<InSandbox<FilesGlobRequest>, FilesGlobReply> kFilesGlob{{
    .name = "files.glob",
    .doc = "Finds paths by a pattern. Links to directories are not followed.",
    .errors = {kNoSuchPath, kNoRight},
}};
inline constexpr Method<InSandbox<FilesWatchRequest>, FilesWatchReply> kFilesWatch{{
    .name = "files.watch",
    .doc = "Sends `files.changed` when something changes, until `files.unwatch` or the end of the connection.",
    .errors = {kNoSuchPath, kNoRight, {Code::resource_exhausted, "too many watches"}},
}};
inline constexpr Method<InSandbox<FilesUnwatchRequest>, Empty> kFilesUnwatch{{
    .name = "files.unwatch",
    .doc = "Ends a watch.",
    .errors = {{Code::not_found, "no such sandbox or watch"}},
}};

inline constexpr Notification<FilesChanged> kFilesChanged{{
    .name = "files.changed",
    .doc = "What a watch saw. Changes are gathered for a moment; when a client reads too slowly they are dropped and "
           "`overflow` says so.",
}};

std::span<const MethodInfo* const> files_methods();
std::span<const NotificationInfo* const> files_notifications();

}  // namespace swarm::api
