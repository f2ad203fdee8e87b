// What agents tell each other.

#include <algorithm>
#include <array>
#include <cctype>

#include "agentd/cli/ask.hpp"
#include "agentd/cli/body.hpp"
#include "agentd/cli/print.hpp"

namespace swarm::cli {
namespace {

/// The last one is not for `broadcast`.
constexpr std::array kSendOptions = {Option{"--kind"},
                                     Option{"--priority"},
                                     Option{"--reply-to"},
                                     Option{"--expires"},
                                     kFileOption,
                                     Option{"--ack", Takes::nothing},
                                     Option{"--no-ack", Takes::nothing},
                                     Option{"--role"}};

std::string upper(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return c == '_' ? '-' : std::toupper(c); });
  return text;
}

void print_sent(const Value& answer) {
  print_line(text_of(answer, "id"));
  for (const Value& one : list_of(answer, "recipients")) {
    if (!truth_of(one, "queued")) print_line("not to " + text_of(one, "agent") + ": " + text_of(one, "why_not"));
  }
}

/// `arguments` says to whom; the text begins at word `from`.
int send_to(const Invocation& call, const Arguments& args, Value::Map arguments, std::size_t from) {
  Result<std::string> body = read_text(args, from);
  if (!body) return misused(call, body.error());
  arguments.emplace_back("body", std::move(*body));
  if (auto kind = args.value("--kind")) arguments.emplace_back("kind", upper(std::move(*kind)));
  if (auto priority = args.value("--priority")) arguments.emplace_back("priority", std::move(*priority));
  if (auto reply = args.value("--reply-to")) arguments.emplace_back("reply_to", std::move(*reply));
  const auto expires = args.duration("--expires");
  if (!expires) return misused(call, expires.error());
  if (*expires) arguments.emplace_back("expires_ms", std::int64_t{(*expires)->count()});
  if (args.has("--ack") || args.has("--no-ack")) arguments.emplace_back("ack", args.has("--ack"));
  return answer(call, args, {.method = "message.send", .arguments = std::move(arguments), .again = Again::keyed},
                print_sent);
}

int send(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, kSendOptions, {});
  if (!args) return misused(call, args.error());
  if (auto role = args->value("--role")) return send_to(call, *args, {{"role", std::move(*role)}}, 0);
  if (args->rest().empty())
    return misused(call, {.message = "say to whom: an agent's name, several with commas, or "
                                     "'--role ROLE'"});
  const std::vector<std::string> to = split_commas(args->rest().front());
  return send_to(call, *args, {{"to", Value::Array(to.begin(), to.end())}}, 1);
}

int broadcast(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, std::span(kSendOptions).first(kSendOptions.size() - 1), {});
  if (!args) return misused(call, args.error());
  return send_to(call, *args, {{"all", true}}, 0);
}

void print_letter(const Value& letter) {
  const Value* message = letter.find("message");
  if (message == nullptr) return;
  std::string head = text_of(*message, "id") + "  " + text_of(*message, "kind") + " from " +
                     text_of(*message, "sender") + ", " + ago(number_of(*message, "sent_us"));
  if (const std::string priority = text_of(*message, "priority"); priority == "urgent" || priority == "high") {
    head += ", " + priority;
  }
  if (const std::string reply = text_of(*message, "reply_to"); !reply.empty()) head += ", answers " + reply;
  if (truth_of(letter, "repeat")) head += ", perhaps seen before";
  print_line(head);
  print_text(text_of(*message, "body"), "    ");
  if (const Value* file = message->find("file"); file != nullptr && !file->is_nil()) {
    print_line("    more in " + text_of(*file, "path"));
  }
  if (truth_of(*message, "ack")) print_line("    its sender waits for 'swarm ack " + text_of(*message, "id") + "'");
}

int inbox(const Invocation& call) {
  const Result<Arguments> args =
      Arguments::read(call.words, {{"--peek", Takes::nothing}, {"--limit", Takes::value}}, {.most = 0});
  if (!args) return misused(call, args.error());
  const auto limit = args->number("--limit");
  if (!limit) return misused(call, limit.error());
  const bool peek = args->has("--peek");
  const Result<Value> got = ask(call, {.method = "message.inbox",
                                       .arguments = {{"peek", peek}, {"limit", limit->value_or(20)}},
                                       .again = peek ? Again::safe : Again::never});
  if (!got) return failed(got.error());
  const Value::Array& letters = list_of(*got, "letters");
  if (args->json()) {
    print_json(*got);
  } else {
    for (const Value& letter : letters) print_letter(letter);
    const std::int64_t more = number_of(*got, "waiting") - static_cast<std::int64_t>(letters.size());
    if (letters.empty() && more > 0) {
      print_line(std::to_string(more) + " on their way to you already; ask again in a moment");
    } else if (letters.empty()) {
      print_line("no messages");
    } else if (more > 0) {
      print_line(std::to_string(more) + " more; ask again");
    }
  }
  // What was written out ended well is delivered; what was not comes again.
  const int written = flushed();
  if (written != kExitOk || peek || letters.empty()) return written;
  Value::Array ids;
  for (const Value& letter : letters) {
    if (const Value* message = letter.find("message")) ids.emplace_back(text_of(*message, "id"));
  }
  const Result<Value> confirmed = ask(call, {.method = "message.confirm",
                                             .arguments = {{"ids", std::move(ids)}, {"by", "swarm inbox"}},
                                             .again = Again::safe});
  return confirmed ? kExitOk : failed(confirmed.error());
}

void print_nothing(const Value& /*answer*/) {}

int ack(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words, {kFileOption}, {.least = 1});
  if (!args) return misused(call, args.error());
  Value::Map arguments{{"id", args->rest().front()}};
  if (args->rest().size() > 1 || args->has(kFileOption.name)) {
    Result<std::string> body = read_text(*args, 1);
    if (!body) return misused(call, body.error());
    arguments.emplace_back("body", std::move(*body));
  }
  return answer(call, *args, {.method = "message.ack", .arguments = std::move(arguments)}, print_nothing);
}

void print_messages(const Value& answer) {
  std::vector<std::vector<std::string>> rows = {{"MESSAGE", "SENT", "KIND", "FROM", "TO", "TEXT"}};
  for (const Value& one : list_of(answer, "messages")) {
    std::string text = text_of(one, "body");
    if (const auto line = text.find('\n'); line != std::string::npos) text = text.substr(0, line) + " ...";
    rows.push_back({text_of(one, "id"), ago(number_of(one, "sent_us")), text_of(one, "kind"), text_of(one, "sender"),
                    text_of(one, "address"), std::move(text)});
  }
  print_table(rows, "no messages");
}

void print_message(const Value& answer) {
  const Value* message = answer.find("message");
  if (message == nullptr) return;
  print_line(text_of(*message, "id") + "  " + text_of(*message, "kind") + " from " + text_of(*message, "sender") +
             " to " + text_of(*message, "address") + ", " + ago(number_of(*message, "sent_us")));
  print_text(text_of(*message, "body"), "    ");
  for (const Value& copy : list_of(answer, "deliveries")) {
    const std::string reason = text_of(copy, "reason");
    print_line(text_of(copy, "recipient") + ": " + text_of(copy, "state") + (reason.empty() ? "" : ", " + reason));
  }
}

int messages(const Invocation& call) {
  const Result<Arguments> args = Arguments::read(call.words,
                                                 {{"--text", Takes::value},
                                                  {"--from", Takes::value},
                                                  {"--to", Takes::value},
                                                  {"--kind", Takes::value},
                                                  {"--thread", Takes::value},
                                                  {"--limit", Takes::value}},
                                                 {.most = 1});
  if (!args) return misused(call, args.error());
  if (!args->rest().empty()) {
    return answer(call, *args,
                  {.method = "message.show", .arguments = {{"id", args->rest().front()}}, .again = Again::safe},
                  print_message);
  }
  const auto limit = args->number("--limit");
  if (!limit) return misused(call, limit.error());
  Value::Map arguments{{"limit", limit->value_or(20)}};
  constexpr std::array<std::pair<const char*, const char*>, 4> kWords = {
      {{"--text", "text"}, {"--from", "sender"}, {"--to", "recipient"}, {"--thread", "thread"}}};
  for (const auto& [option, field] : kWords) {
    if (auto value = args->value(option)) arguments.emplace_back(field, std::move(*value));
  }
  if (auto kind = args->value("--kind")) arguments.emplace_back("kind", upper(std::move(*kind)));
  return answer(call, *args, {.method = "message.search", .arguments = std::move(arguments), .again = Again::safe},
                print_messages);
}

constexpr std::string_view kSendDetails =
    "The text is the words behind the recipients, a file (`--file PATH`), or standard input (no text, or `-`).\n"
    "Prints the message's id: it is then in every queue, durably.\n\n"
    "  --kind KIND        INFO, QUESTION, REVIEW-REQUEST, BLOCKED, COMPLETED, CHALLENGE; else INFO\n"
    "  --priority P       low, normal, high, urgent\n"
    "  --reply-to ID      the message that it answers\n"
    "  --ack, --no-ack    whether to wait for an acknowledgement; else questions, review requests, challenges do\n"
    "  --expires TIME     not delivered later than this: 30m, 2h";

constexpr std::array kMessageVerbs = {
    Verb{"ack", "ack ID [TEXT | --file PATH]", "acknowledge a message that was sent to you",
         "With a text it travels to the sender as an ACK message.", ack},
    Verb{"broadcast", "broadcast [OPTIONS] [TEXT]", "send a message to all living agents", kSendDetails, broadcast},
    Verb{"inbox", "inbox [--limit N] [--peek]", "read the messages in your queue",
         "What was printed is delivered and does not come again. `--peek` leaves everything in the queue.", inbox},
    Verb{"messages",
         "messages [--text WORDS] [--from AGENT] [--to AGENT] [--kind KIND] [--thread ID] [--limit N]\nmessages ID",
         "search all messages of the swarm, newest first, or show one and where each copy is", "", messages},
    Verb{"send", "send AGENT[,AGENT...] [OPTIONS] [TEXT]\nsend --role ROLE [OPTIONS] [TEXT]", "send a message",
         kSendDetails, send},
};

}  // namespace

std::span<const Verb> message_verbs() { return kMessageVerbs; }

}  // namespace swarm::cli
