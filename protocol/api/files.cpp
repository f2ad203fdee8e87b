#include "protocol/api/files.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<FileKind>();
template const TypeInfo& type_of<WriteMode>();
template const TypeInfo& type_of<FileChangeKind>();
template const TypeInfo& type_of<FileInfo>();
template const TypeInfo& type_of<FileChange>();
template const TypeInfo& type_of<FilesChanged>();
template const TypeInfo& type_of<FilesReadReply>();
template const TypeInfo& type_of<FilesListReply>();
template const TypeInfo& type_of<FilesRemoveReply>();
template const TypeInfo& type_of<FilesChmodReply>();
template const TypeInfo& type_of<FilesGlobRequest>();
template const TypeInfo& type_of<FilesGlobReply>();
template const TypeInfo& type_of<FilesWatchReply>();
template const TypeInfo& type_of<FilesUnwatchRequest>();
template const TypeInfo& type_of<InSandbox<FilesAppendRequest>>();
template const TypeInfo& type_of<InSandbox<FilesChmodRequest>>();
template const TypeInfo& type_of<InSandbox<FilesGlobRequest>>();
template const TypeInfo& type_of<InSandbox<FilesListRequest>>();
template const TypeInfo& type_of<InSandbox<FilesMkdirRequest>>();
template const TypeInfo& type_of<InSandbox<FilesReadRequest>>();
template const TypeInfo& type_of<InSandbox<FilesRemoveRequest>>();
template const TypeInfo& type_of<InSandbox<FilesRenameRequest>>();
template const TypeInfo& type_of<InSandbox<FilesStatRequest>>();
template const TypeInfo& type_of<InSandbox<FilesUnwatchRequest>>();
template const TypeInfo& type_of<InSandbox<FilesWatchRequest>>();
template const TypeInfo& type_of<InSandbox<FilesWriteRequest>>();

std::span<const MethodInfo* const> files_methods() {
  static constexpr std::array<const MethodInfo*, 12> kAll = {&kFilesRead,  &kFilesWrite, &kFilesAppend, &kFilesList,
                                                             &kFilesStat,  &kFilesMkdir, &kFilesRemove, &kFilesRename,
                                                             &kFilesChmod, &kFilesGlob,  &kFilesWatch,  &kFilesUnwatch};
  return kAll;
}

std::span<const NotificationInfo* const> files_notifications() {
  static constexpr std::array<const NotificationInfo*, 1> kAll = {&kFilesChanged};
  return kAll;
}

}  // namespace swarm::api
