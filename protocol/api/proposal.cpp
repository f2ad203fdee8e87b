#include "protocol/api/proposal.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<VoteMethod>();
template const TypeInfo& type_of<TieBreak>();
template const TypeInfo& type_of<ProposalState>();
template const TypeInfo& type_of<VoteInfo>();
template const TypeInfo& type_of<CountRound>();
template const TypeInfo& type_of<VoteCount>();
template const TypeInfo& type_of<ProposalInfo>();
template const TypeInfo& type_of<ProposalOpenRequest>();
template const TypeInfo& type_of<ProposalRef>();
template const TypeInfo& type_of<ProposalListRequest>();
template const TypeInfo& type_of<ProposalListReply>();
template const TypeInfo& type_of<ProposalVoteRequest>();
template const TypeInfo& type_of<ProposalChanged>();
template const TypeInfo& type_of<FromAgent<ProposalListRequest>>();
template const TypeInfo& type_of<FromAgent<ProposalOpenRequest>>();
template const TypeInfo& type_of<FromAgent<ProposalRef>>();
template const TypeInfo& type_of<FromAgent<ProposalVoteRequest>>();

std::span<const MethodInfo* const> proposal_methods() {
  static constexpr std::array<const MethodInfo*, 5> kAll = {&kProposalOpen, &kProposalShow, &kProposalList,
                                                            &kProposalVote, &kProposalClose};
  return kAll;
}

std::span<const EventInfo* const> proposal_events() {
  static constexpr std::array<const EventInfo*, 1> kAll = {&kProposalChanged};
  return kAll;
}

}  // namespace swarm::api
