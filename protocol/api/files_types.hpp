#pragma once
// What is said about files in a sandbox.

#include "protocol/api/method.hpp"

namespace swarm::api {

enum class FileKind : std::uint8_t { file, directory, symlink, fifo, socket, device, other };

template <class D>
void describe_enum(D& d, FileKind*) {
  d.type("FileKind", "What stands at a path.");
  d.value("file", FileKind::file, "A regular file.");
  d.value("directory", FileKind::directory, "A directory.");
  d.value("symlink", FileKind::symlink, "A symbolic link.");
  d.value("fifo", FileKind::fifo, "A named pipe.");
  d.value("socket", FileKind::socket, "A socket.");
  d.value("device", FileKind::device, "A device.");
  d.value("other", FileKind::other, "Something else.");
  d.unknown(FileKind::other);
}

struct FileInfo {
  Path path;
  FileKind kind = FileKind::file;
  std::uint64_t size_bytes = 0;
  std::uint32_t mode = 0;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::int64_t mtime_us = 0;
  std::optional<Path> target;
  bool operator==(const FileInfo&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FileInfo", "A file, directory or link.");
    d.field("path", &FileInfo::path, "Where it is.").required();
    d.field("kind", &FileInfo::kind, "What it is.").required();
    d.field("size_bytes", &FileInfo::size_bytes, "Its size.").required();
    d.field("mode", &FileInfo::mode, "Permission bits, as a number: 420 is 0644.").required();
    d.field("uid", &FileInfo::uid, "Its owner inside the sandbox.").required();
    d.field("gid", &FileInfo::gid, "Its group inside the sandbox.").required();
    d.field("mtime_us", &FileInfo::mtime_us, "When it was last changed, UTC.").required();
    d.field("target", &FileInfo::target, "Where a link points.");
  }
};

enum class WriteMode : std::uint8_t { any, create, replace };

template <class D>
void describe_enum(D& d, WriteMode*) {
  d.type("WriteMode", "Whether the file may or must be there before.");
  d.value("any", WriteMode::any, "It is made or replaced.");
  d.value("create", WriteMode::create, "It must not be there yet.");
  d.value("replace", WriteMode::replace, "It must be there.");
}

enum class FileChangeKind : std::uint8_t { created, modified, attributes, removed, renamed, other };

template <class D>
void describe_enum(D& d, FileChangeKind*) {
  d.type("FileChangeKind", "What happened to a file.");
  d.value("created", FileChangeKind::created, "It appeared, or was moved in from elsewhere.");
  d.value("modified", FileChangeKind::modified, "Its content changed.");
  d.value("attributes", FileChangeKind::attributes, "Its mode, owner or time changed.");
  d.value("removed", FileChangeKind::removed, "It went, or was moved elsewhere.");
  d.value("renamed", FileChangeKind::renamed,
          "It was moved within what is watched; `path` is the new name, `from` the old.");
  d.value("other", FileChangeKind::other, "Something that this version has no name for.");
  d.unknown(FileChangeKind::other);
}

struct FileChange {
  FileChangeKind kind = FileChangeKind::modified;
  Path path;
  std::optional<Path> from;
  bool directory = false;
  bool operator==(const FileChange&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FileChange", "A change that a watch saw.");
    d.field("kind", &FileChange::kind, "What happened.").required();
    d.field("path", &FileChange::path, "To what.").required();
    d.field("from", &FileChange::from, "The name before a rename.");
    d.field("directory", &FileChange::directory, "It is a directory.");
  }
};

/// Parameters of the notification `files.changed`.
struct FilesChanged {
  std::string watch;
  std::vector<FileChange> changes;
  bool overflow = false;
  std::optional<std::string> ended;
  bool operator==(const FilesChanged&) const = default;

  template <class D>
  static void describe(D& d) {
    d.type("FilesChanged", "What a watch saw since the last time.");
    d.field("watch", &FilesChanged::watch, "The watch.").required();
    d.field("changes", &FilesChanged::changes, "Changes, oldest first.").required();
    d.field("overflow", &FilesChanged::overflow, "Changes were missed: read the directory again.");
    d.field("ended", &FilesChanged::ended, "The watch is over, and why.");
  }
};

}  // namespace swarm::api
