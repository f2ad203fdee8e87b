#include "tests/harness/provider_api.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<harness::CreateRequest>();
template const TypeInfo& type_of<harness::CreateReply>();
template const TypeInfo& type_of<harness::RefRequest>();
template const TypeInfo& type_of<harness::TimeReply>();
template const TypeInfo& type_of<harness::Entry>();
template const TypeInfo& type_of<harness::ListReply>();
template const TypeInfo& type_of<harness::Account>();
template const TypeInfo& type_of<harness::AccountsReply>();
template const TypeInfo& type_of<harness::ScriptRequest>();

}  // namespace swarm::api
