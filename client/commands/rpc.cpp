#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <iterator>

#include "client/commands/arguments.hpp"
#include "client/commands/call.hpp"
#include "client/commands/commands.hpp"
#include "protocol/api/json.hpp"
#include "protocol/api/registry.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/tree/file_ends.hpp"

namespace swarm::client {
namespace {

struct RpcOptions {
  std::string method;
  std::string params;
  std::vector<std::string> streams;
  bool listen = false;
};

/// One stream of the call: a file that is sent, or one that is written.
struct StreamFile {
  UniqueFd file;
  std::unique_ptr<wire::ByteSink> sink;
  std::unique_ptr<wire::ByteSource> source;
};

Result<Value> read_params(const std::string& text) {
  std::string json = text;
  if (text == "-") json.assign(std::istreambuf_iterator<char>(std::cin), std::istreambuf_iterator<char>());
  if (json.empty()) return Value(Value::Map{});
  Result<Value> value = api::value_from_json(json);
  if (!value) return fail(value.error(), "the parameters are no JSON");
  return value;
}

/// "stdout=FILE": opens the file and a stream, and puts the stream's id among the parameters.
Result<StreamFile> open_stream(wire::Connection& connection, const api::MethodInfo* method, const std::string& word,
                               Value& params) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos || method == nullptr) {
    return fail(Code::invalid_argument, fmt::format("--stream {}: expected FIELD=FILE of a method that this version "
                                                    "knows",
                                                    word));
  }
  const std::string name = word.substr(0, equals);
  const std::string path = word.substr(equals + 1);
  std::vector<std::string> known;
  for (const api::FieldInfo& field : method->request().fields) {
    if (field.stream == api::StreamUse::none) continue;
    known.emplace_back(field.name);
    if (field.name != name) continue;
    StreamFile made;
    const bool sends = field.stream == api::StreamUse::from_caller;
    made.file = UniqueFd(sends ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC)
                               : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!made.file) return fail_errno("open", path);
    const std::uint32_t id = connection.new_stream_id();
    params.set(name, id);
    if (sends) {
      auto sink = connection.open_sink(id);
      if (!sink) return fail(sink.error());
      made.sink = std::move(*sink);
    } else {
      auto source = connection.open_source(id);
      if (!source) return fail(source.error());
      made.source = std::move(*source);
    }
    return made;
  }
  return fail(Code::invalid_argument,
              fmt::format("--stream {}: {} has no stream '{}'{}", word, method->name, name, did_you_mean(name, known)));
}

async::Task<> carry(async::Loop& loop, StreamFile stream, std::optional<Error>& failure) {
  Result<std::uint64_t> moved(std::uint64_t{0});
  if (stream.sink) {
    moved = co_await tree::pump_out(loop, std::make_shared<tree::FileProducer>(std::move(stream.file)), *stream.sink);
  } else {
    moved = co_await tree::pump_in(
        loop, std::make_shared<tree::InPlaceConsumer>(std::move(stream.file), tree::FileTarget{}), *stream.source);
  }
  // A reader that has enough is no failure; what the call answers says how it went.
  if (!moved && moved.error().code != Code::cancelled) failure = moved.error();
}

async::Task<Result<int>> rpc(Context& context, RpcOptions options) {
  Result<Value> params = read_params(options.params);
  if (!params) co_return fail(params.error());
  Result<std::unique_ptr<Client>> client = co_await Client::open(context);
  if (!client) co_return fail(client.error());
  const api::MethodInfo* method = api::find_method(api::all_methods(), options.method);
  std::optional<Error> failure;
  async::TaskSet carrying(context.loop);
  for (const std::string& word : options.streams) {
    Result<StreamFile> stream = open_stream((*client)->connection(), method, word, *params);
    if (!stream) co_return fail(stream.error());
    carrying.spawn(carry(context.loop, std::move(*stream), failure));
  }
  (*client)->on_notification([&](const std::string& name, Value arguments) {
    Value line;
    line.set("notification", name);
    line.set("params", std::move(arguments));
    context.printer.json_line(line);
  });
  const Result<Value> answer = co_await (*client)->call_raw(options.method, Value(Value::Array{std::move(*params)}));
  if (!answer) co_return fail(answer.error());
  co_await carrying.join();
  if (failure) co_return fail(*failure);
  context.printer.document(*answer);
  if (options.listen) {
    co_await (*client)->ended();
    co_return fail(Code::unavailable, "the daemon went away; 'swarmctl daemon status' says whether it runs");
  }
  co_return kExitOk;
}

}  // namespace

void add_rpc_command(CLI::App& root, Selection& selection) {
  CLI::App& command =
      add_command(root, selection, "rpc", "Call any method of the daemon; parameters and answer are JSON",
                  "  swarmctl rpc daemon.info\n"
                  "  swarmctl rpc sandbox.create '{\"name\": \"web\"}'\n"
                  "  echo '{\"types\": [\"sandbox.*\"]}' | swarmctl rpc events.subscribe - --listen\n"
                  "  swarmctl rpc files.download '{\"sandbox\": \"web\", \"path\": \"a.txt\"}' --stream "
                  "content=a.txt\n"
                  "\n'swarmctl rpc rpc.discover' describes all methods.\n");
  auto options = std::make_shared<RpcOptions>();
  command.add_option("METHOD", options->method, "Its name: sandbox.create")->required();
  command.add_option("JSON", options->params, "Its parameters, an object; - reads them from standard input");
  command.add_option("--stream", options->streams, "Sends a file on a stream of the method, or writes one to a file")
      ->type_name("FIELD=FILE")
      ->allow_extra_args(false);
  command.add_flag("--listen", options->listen, "Stay connected and print notifications, one a line");
  command.callback(
      [&selection, options] { selection.action = [options](Context& context) { return rpc(context, *options); }; });
}

}  // namespace swarm::client
