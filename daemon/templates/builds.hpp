#pragma once
// Templates of the account at E2B: built from a directory of this host, listed, deleted.

#include <functional>

#include "daemon/providers/e2b/settings.hpp"
#include "daemon/templates/context.hpp"
#include "protocol/core/random.hpp"

namespace swarm::templates {

class Builds {
 public:
  /// `loop` outlives it. Without `settings` provider e2b is not enabled: all but `check` is refused.
  Builds(async::Loop& loop, std::optional<e2b::Settings> settings, std::filesystem::path bundle,
         std::filesystem::path scratch);

  async::Task<Result<api::TemplateCheckReply>> check(api::TemplateBuildRequest request);
  using Tell = std::function<void(const api::TemplateBuildLine&)>;
  async::Task<Result<api::TemplateBuildReply>> build(api::TemplateBuildRequest request, Tell tell);
  async::Task<Result<api::TemplateLogsReply>> logs(api::TemplateLogsRequest request);
  async::Task<Result<api::Empty>> remove(api::TemplateRemoveRequest request);
  async::Task<Result<api::TemplateRemoteReply>> remote();

 private:
  [[nodiscard]] Result<e2b::Control*> control();
  async::Task<Result<Plan>> plan(api::TemplateBuildRequest request);
  async::Task<Result<bool>> send(e2b::Control& control, std::string template_id, Files files);

  async::Loop& loop_;
  std::filesystem::path bundle_;
  std::filesystem::path scratch_;
  SystemRandom random_;
  std::optional<e2b::Settings> settings_;
  std::unique_ptr<http_client::Client> client_;
  std::unique_ptr<e2b::Control> control_;
};

}  // namespace swarm::templates
