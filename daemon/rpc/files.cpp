#include "daemon/rpc/pass_on.hpp"
#include "protocol/api/agentd.hpp"

namespace swarm::rpc {

void add_files_methods(wire::Router& router, Services& services) {
  const auto pass = [&](const auto& method, const auto& inside) { add_passed_on(router, services, method, inside); };
  pass(api::kFilesRead, api::inside::kFilesRead);
  pass(api::kFilesWrite, api::inside::kFilesWrite);
  pass(api::kFilesAppend, api::inside::kFilesAppend);
  pass(api::kFilesList, api::inside::kFilesList);
  pass(api::kFilesStat, api::inside::kFilesStat);
  pass(api::kFilesMkdir, api::inside::kFilesMkdir);
  pass(api::kFilesRemove, api::inside::kFilesRemove);
  pass(api::kFilesRename, api::inside::kFilesRename);
  pass(api::kFilesChmod, api::inside::kFilesChmod);
  pass(api::kFilesGlob, api::inside::kFilesGlob);
  pass(api::kFilesUpload, api::inside::kFilesUpload);
  pass(api::kFilesDownload, api::inside::kFilesDownload);
  pass(api::kFilesUploadTree, api::inside::kFilesUploadTree);
  pass(api::kFilesDownloadTree, api::inside::kFilesDownloadTree);
}

}  // namespace swarm::rpc
