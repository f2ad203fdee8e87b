#include "protocol/api/secret.hpp"

#include "daemon/rpc/money.hpp"

namespace swarm::rpc {
namespace {

async::Task<Result<api::SecretCheckReply>> check(secrets::Vault& vault, api::SecretName request) {
  const Result<void> had = co_await vault.check(request.name);
  if (had) co_return api::SecretCheckReply{.available = true};
  // What it comes from may be missing, too: a program, a file.
  const std::vector<secrets::Listed> all = vault.list();
  const bool known = std::ranges::any_of(all, [&](const secrets::Listed& each) { return each.name == request.name; });
  if (!known) co_return fail(had.error());
  co_return api::SecretCheckReply{.available = false, .problem = had.error().message};
}

async::Task<Result<api::Empty>> set(secrets::Vault& vault, std::string name, secrets::SecretString value) {
  const Result<void> done = co_await vault.set(std::move(name), std::move(value));
  if (!done) co_return fail(done.error());
  co_return api::Empty{};
}

}  // namespace

void add_secret_methods(wire::Router& router, secrets::Vault& vault) {
  router.bind(api::kSecretList, [&vault](wire::CallContext&, api::Empty) -> Result<api::SecretListReply> {
    api::SecretListReply reply;
    for (secrets::Listed& listed : vault.list()) {
      reply.secrets.push_back({.name = std::move(listed.name),
                               .origin = std::move(listed.origin),
                               .declared = listed.declared,
                               .swarms = std::move(listed.swarms),
                               .roles = std::move(listed.roles),
                               .hosts = std::move(listed.hosts)});
    }
    return reply;
  });
  router.bind(api::kSecretCheck,
              [&vault](wire::CallContext&, api::SecretName request) { return check(vault, std::move(request)); });
  router.bind(api::kSecretSet, [&vault](wire::CallContext&, api::SecretSetRequest request) {
    return set(vault, std::move(request.name), secrets::SecretString::taken_from(request.value.data));
  });
  router.bind(api::kSecretRemove, [&vault](wire::CallContext&, api::SecretName request) -> Result<api::Empty> {
    if (Result<void> done = vault.remove(request.name); !done) return fail(done.error());
    return api::Empty{};
  });
}

}  // namespace swarm::rpc
