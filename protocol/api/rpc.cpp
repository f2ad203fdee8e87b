#include "protocol/api/rpc.hpp"

#include "protocol/api/codec.hpp"
#include "protocol/api/describe.hpp"
#include "protocol/api/discover.hpp"

namespace swarm::api {

template const TypeInfo& type_of<Code>();
template const TypeInfo& type_of<Empty>();
template const TypeInfo& type_of<CommonFields>();
template const TypeInfo& type_of<ErrorShape>();
template const TypeInfo& type_of<ErrorInfo>();
template const TypeInfo& type_of<RpcHelloRequest>();
template const TypeInfo& type_of<RpcHelloReply>();
template const TypeInfo& type_of<RpcPingRequest>();
template const TypeInfo& type_of<RpcPingReply>();
template const TypeInfo& type_of<RpcLastErrorReply>();
template const TypeInfo& type_of<RpcCancel>();

std::span<const MethodInfo* const> rpc_methods() {
  static constexpr std::array<const MethodInfo*, 4> kAll = {&kRpcDiscover, &kRpcHello, &kRpcPing, &kRpcLastError};
  return kAll;
}

std::span<const NotificationInfo* const> rpc_notifications() {
  static constexpr std::array<const NotificationInfo*, 2> kAll = {&kRpcCancel, &kRpcError};
  return kAll;
}

ErrorInfo to_error_info(const Error& error) {
  return {.code = error.code, .message = error.message, .retryable = error.retryable, .detail = {}};
}

Error to_error(const ErrorInfo& info) {
  return {.code = info.code, .message = info.message, .retryable = info.retryable};
}

}  // namespace swarm::api
