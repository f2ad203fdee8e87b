#include "protocol/api/note.hpp"

#include "protocol/api/describe.hpp"

namespace swarm::api {

template const TypeInfo& type_of<DecisionKind>();
template const TypeInfo& type_of<NoteInfo>();
template const TypeInfo& type_of<NotePutRequest>();
template const TypeInfo& type_of<NoteGetRequest>();
template const TypeInfo& type_of<NoteListRequest>();
template const TypeInfo& type_of<NoteListReply>();
template const TypeInfo& type_of<NoteWatchRequest>();
template const TypeInfo& type_of<NoteWatchReply>();
template const TypeInfo& type_of<DecisionInfo>();
template const TypeInfo& type_of<NoteDecideRequest>();
template const TypeInfo& type_of<NoteDecisionsRequest>();
template const TypeInfo& type_of<NoteDecisionsReply>();
template const TypeInfo& type_of<NoteLinkRequest>();
template const TypeInfo& type_of<NoteChanged>();
template const TypeInfo& type_of<NoteDecided>();
template const TypeInfo& type_of<InSwarm<NoteDecideRequest>>();
template const TypeInfo& type_of<InSwarm<NoteDecisionsRequest>>();
template const TypeInfo& type_of<InSwarm<NoteGetRequest>>();
template const TypeInfo& type_of<InSwarm<NoteLinkRequest>>();
template const TypeInfo& type_of<InSwarm<NoteListRequest>>();
template const TypeInfo& type_of<InSwarm<NotePutRequest>>();
template const TypeInfo& type_of<InSwarm<NoteWatchRequest>>();

std::span<const MethodInfo* const> note_methods() {
  static constexpr std::array<const MethodInfo*, 7> kAll = {&kNotePut,    &kNoteGet,       &kNoteList, &kNoteWatch,
                                                            &kNoteDecide, &kNoteDecisions, &kNoteLink};
  return kAll;
}

std::span<const EventInfo* const> note_events() {
  static constexpr std::array<const EventInfo*, 2> kAll = {&kNoteChanged, &kNoteDecided};
  return kAll;
}

}  // namespace swarm::api
