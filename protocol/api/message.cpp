#include "protocol/api/message.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<MessageKind>();
template const TypeInfo& type_of<MessagePriority>();
template const TypeInfo& type_of<DeliveryState>();
template const TypeInfo& type_of<ProofStage>();
template const TypeInfo& type_of<MessageFile>();
template const TypeInfo& type_of<MessageInfo>();
template const TypeInfo& type_of<MessageSendRequest>();
template const TypeInfo& type_of<MessageRecipient>();
template const TypeInfo& type_of<MessageSendReply>();
template const TypeInfo& type_of<MessageInboxRequest>();
template const TypeInfo& type_of<MessageLetter>();
template const TypeInfo& type_of<MessageInboxReply>();
template const TypeInfo& type_of<MessageConfirmRequest>();
template const TypeInfo& type_of<MessageAckRequest>();
template const TypeInfo& type_of<MessageShowRequest>();
template const TypeInfo& type_of<MessageDelivery>();
template const TypeInfo& type_of<MessageShowReply>();
template const TypeInfo& type_of<MessageSearchRequest>();
template const TypeInfo& type_of<MessageSearchReply>();
template const TypeInfo& type_of<MessageAgainRequest>();
template const TypeInfo& type_of<MessageAgainReply>();
template const TypeInfo& type_of<MessageQueued>();
template const TypeInfo& type_of<MessageStateChanged>();
template const TypeInfo& type_of<MessageReminded>();
template const TypeInfo& type_of<MessageEscalated>();
template const TypeInfo& type_of<MessageSentAgain>();
template const TypeInfo& type_of<InSwarm<MessageAckRequest>>();
template const TypeInfo& type_of<InSwarm<MessageAgainRequest>>();
template const TypeInfo& type_of<InSwarm<MessageConfirmRequest>>();
template const TypeInfo& type_of<InSwarm<MessageInboxRequest>>();
template const TypeInfo& type_of<InSwarm<MessageSearchRequest>>();
template const TypeInfo& type_of<InSwarm<MessageSendRequest>>();
template const TypeInfo& type_of<InSwarm<MessageShowRequest>>();

std::span<const MethodInfo* const> message_methods() {
  static constexpr std::array<const MethodInfo*, 7> kAll = {
      &kMessageSend, &kMessageInbox, &kMessageConfirm, &kMessageAck, &kMessageShow, &kMessageSearch, &kMessageAgain};
  return kAll;
}

std::span<const EventInfo* const> message_events() {
  static constexpr std::array<const EventInfo*, 5> kAll = {&kMessageQueued, &kMessageState, &kMessageReminded,
                                                           &kMessageEscalated, &kMessageSentAgain};
  return kAll;
}

}  // namespace swarm::api
