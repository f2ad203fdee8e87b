#pragma once
// Panes: terminals inside a sandbox in which agents' programs run. The methods, as clients call them and as agentd
// serves them.

#include "protocol/api/pane_requests.hpp"

namespace swarm::api {

inline constexpr Method<AtPane<PaneOpenRequest>, PaneInfo> kPaneOpen{{
    .name = "pane.open",
    .doc = "Opens a pane and starts its program there. Both go on without a client, and over a restart of agentd.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox, program, working directory or user"},
               {Code::already_exists, "there is a pane of this name"},
               {Code::failed_precondition, "the sandbox is not ready, or has no tmux"},
               {Code::resource_exhausted, "too many panes"}},
}};
inline constexpr Method<AtPane<PaneListRequest>, PaneListReply> kPaneList{{
    .name = "pane.list",
    .doc = "Lists the panes of a sandbox and what their programs do.",
    .errors = {{Code::not_found, "no such sandbox"}},
}};
inline constexpr Method<AtPane<PaneKillRequest>, PaneInfo> kPaneKill{{
    .name = "pane.kill",
    .doc = "Ends a pane's program and everything that it started: TERM, then KILL. Answers when all are gone. The pane "
           "keeps its last screen unless it is closed too.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox or pane"}},
}};
inline constexpr Method<AtPane<PaneRestartRequest>, PaneInfo> kPaneRestart{{
    .name = "pane.restart",
    .doc = "Starts a pane's program again, ending it first where it still runs. Output goes on in the same log.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox, pane or program"}},
}};
inline constexpr Method<AtPane<PaneScreenRequest>, PaneScreenReply> kPaneScreen{{
    .name = "pane.screen",
    .doc = "What a pane shows now, or what it shows next.",
    .errors = {{Code::not_found, "no such sandbox or pane"}},
}};
inline constexpr Method<AtPane<PaneSendRequest>, PaneSendReply> kPaneSend{{
    .name = "pane.send",
    .doc = "Types into a pane, whatever it shows. `pane.prompt` is for what a program shall read as a prompt.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox or pane"}, {Code::failed_precondition, "its program has ended"}},
}};
inline constexpr Method<AtPane<PanePromptRequest>, PanePromptReply> kPanePrompt{{
    .name = "pane.prompt",
    .doc = "Gives a program a prompt: waits until it is ready, pastes, sees that the paste is there, submits, and sees "
           "that it was taken. Never into a half-typed line or a dialog.",
    .effect = Effect::changes,
    .errors =
        {{Code::not_found, "no such sandbox or pane"},
         {Code::failed_precondition,
          "its program has ended, or is not logged in; or it was not ready in time: the message says what it did"},
         {Code::unavailable, "the paste did not show, or was not taken; the message says what is on the screen"}},
}};
inline constexpr Method<AtPane<PaneWaitRequest>, PaneInfo> kPaneWait{{
    .name = "pane.wait",
    .doc = "Waits until a pane's program is in one of some states.",
    .errors = {{Code::not_found, "no such sandbox or pane"},
               {Code::deadline_exceeded, "`timeout_ms` ran out; the message says the state it is in"}},
}};
inline constexpr Method<AtPane<PaneResizeRequest>, Empty> kPaneResize{{
    .name = "pane.resize",
    .doc = "Gives a pane, or one viewer's terminal, another size.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox, pane or viewer"}},
}};
inline constexpr Method<AtPane<PaneLogRequest>, PaneLogReply> kPaneLog{{
    .name = "pane.log",
    .doc = "Sends a pane's output from an offset on. Answers before the first byte. What is kept is capped: old output "
           "goes first.",
    .errors = {{Code::not_found, "no such sandbox or pane"},
               {Code::out_of_range,
                "the offset is older than what is kept, or not reached yet; the message says the range"}},
}};
inline constexpr Method<AtPane<PaneAttachRequest>, PaneAttachReply> kPaneAttach{{
    .name = "pane.attach",
    .doc = "Makes two streams a terminal that looks at a pane. A smaller one sees a part of it; nobody else's "
           "changes. It ends with its input.",
    .effect = Effect::changes,
    .errors = {{Code::not_found, "no such sandbox or pane"},
               {Code::already_exists, "another viewer has this name"},
               {Code::resource_exhausted, "too many viewers"}},
}};

std::span<const MethodInfo* const> pane_methods();

/// The methods as agentd serves them, to the daemon alone.
namespace inside {

/// The client's method without where: what `T` of `AtPane<T>` says is what agentd gets.
template <class Req, class Res>
constexpr Method<Req, Res> pane_method(const Method<AtPane<Req>, Res>& client) {
  return Method<Req, Res>({.name = client.name,
                           .doc = client.doc,
                           .caller = Caller::daemon,
                           .effect = client.effect,
                           .errors = client.errors});
}

inline constexpr auto kPaneOpen = pane_method(api::kPaneOpen);
inline constexpr auto kPaneList = pane_method(api::kPaneList);
inline constexpr auto kPaneKill = pane_method(api::kPaneKill);
inline constexpr auto kPaneRestart = pane_method(api::kPaneRestart);
inline constexpr auto kPaneScreen = pane_method(api::kPaneScreen);
inline constexpr auto kPaneSend = pane_method(api::kPaneSend);
inline constexpr auto kPanePrompt = pane_method(api::kPanePrompt);
inline constexpr auto kPaneWait = pane_method(api::kPaneWait);
inline constexpr auto kPaneResize = pane_method(api::kPaneResize);
inline constexpr auto kPaneLog = pane_method(api::kPaneLog);
inline constexpr auto kPaneAttach = pane_method(api::kPaneAttach);

}  // namespace inside

std::span<const MethodInfo* const> pane_inside_methods();

}  // namespace swarm::api
