#include "daemon/rpc/pass_on.hpp"

namespace swarm::rpc::detail {

Result<void> connect_streams(const api::TypeInfo& type, void* request, Relay& relay) {
  for (const api::FieldInfo& field : type.fields) {
    if (field.stream == api::StreamUse::none) continue;
    void* member = static_cast<char*>(request) + field.offset;
    const api::TypeInfo* number = &field.type();
    if (number->kind == api::TypeKind::optional) {
      if (number->size(member) == 0) continue;
      member =
          const_cast<void*>(number->at(member, 0));  // NOLINT: the table's reader of an object that is ours to write
      number = &number->element();
    }
    const auto outer = static_cast<std::uint32_t>(number->load(member));
    const Result<std::uint32_t> inner =
        field.stream == api::StreamUse::from_caller ? relay.from_caller(outer) : relay.to_caller(outer);
    if (!inner) return fail(inner.error(), field.name);
    number->store(member, *inner);
  }
  return {};
}

async::Task<> keep(sandbox::Sandboxes::Use use, std::unique_ptr<Relay> relay) {
  const sandbox::Sandboxes::Use in_use = std::move(use);
  const std::unique_ptr<Relay> kept = std::move(relay);  // declared after: its streams go before the connection
  co_await kept->all_done();
}

}  // namespace swarm::rpc::detail
