#include "protocol/api/files_transfer.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<FilesTreeReply>();
template const TypeInfo& type_of<InSandbox<FilesDownloadRequest>>();
template const TypeInfo& type_of<InSandbox<FilesDownloadTreeRequest>>();
template const TypeInfo& type_of<InSandbox<FilesUploadRequest>>();
template const TypeInfo& type_of<InSandbox<FilesUploadTreeRequest>>();

std::span<const MethodInfo* const> files_transfer_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kFilesUpload, &kFilesDownload, &kFilesUploadTree,
                                                            &kFilesDownloadTree};
  return kAll;
}

}  // namespace swarm::api
