#include <fmt/format.h>
#include <zlib.h>

#include "daemon/e2b/envd.hpp"
#include "daemon/e2b/multipart.hpp"
#include "protocol/wire/client.hpp"

namespace swarm::e2b_endpoint {
namespace {

Refusal file_refusal(const Error& error) {
  Refusal refusal = refusal_of(error);
  if (error.code == Code::failed_precondition || error.code == Code::already_exists) refusal.status = 400;
  if (error.code == Code::resource_exhausted) refusal.status = 507;
  return refusal;
}

/// Undoes gzip as the bytes come; passes others through.
class Inflater {
 public:
  explicit Inflater(bool on) : on_(on) {
    if (on_) inflateInit2(&stream_, 16 + MAX_WBITS);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (on_) inflateEnd(&stream_);
  }
  Result<std::string> take(std::string bytes) {
    if (!on_) return bytes;
    std::string out;
    std::string part(65536, '\0');
    stream_.next_in = reinterpret_cast<Bytef*>(bytes.data());
    stream_.avail_in = static_cast<uInt>(bytes.size());
    while (stream_.avail_in > 0) {
      stream_.next_out = reinterpret_cast<Bytef*>(part.data());
      stream_.avail_out = static_cast<uInt>(part.size());
      const int status = inflate(&stream_, Z_NO_FLUSH);
      out.append(part, 0, part.size() - stream_.avail_out);
      if (status == Z_STREAM_END) break;
      if (status != Z_OK) return fail(Code::invalid_argument, "the body is not gzip");
    }
    return out;
  }

 private:
  bool on_;
  z_stream stream_{};
};

/// One file on its way in.
struct Incoming {
  std::string path;
  std::unique_ptr<wire::ByteSink> sink;
  std::optional<Result<api::FileInfo>> answer;
  async::Event answered;
  async::TaskSet calling;
  explicit Incoming(async::Loop& loop) : answered(loop), calling(loop) {}
};

async::Task<> call_upload(Call& call, api::FilesUploadRequest request, Incoming& file) {
  file.answer = co_await wire::call(call.use.agent(), api::inside::kFilesUpload, request);
  file.answered.set();
}

Result<std::unique_ptr<Incoming>> begin_file(Call& call, async::Loop& loop, const std::string& path) {
  auto file = std::make_unique<Incoming>(loop);
  file->path = resolve_path(call.user, path);
  wire::Connection& agent = call.use.agent();
  api::FilesUploadRequest request;
  request.path = api::Path(file->path);
  request.user = call.user.name;
  request.content = agent.new_stream_id();
  request.parents = true;
  auto sink = agent.open_sink(request.content);
  if (!sink) return fail(sink.error());
  file->sink = std::move(*sink);
  file->calling.spawn(call_upload(call, std::move(request), *file));
  return file;
}

async::Task<Result<void>> end_file(Incoming& file, Value::Array& done) {
  file.sink->end();
  co_await file.answered.wait();
  if (!*file.answer) co_return fail(file.answer->error());
  Value entry;
  entry.set("path", file.path);
  entry.set("name", file.path.substr(file.path.rfind('/') + 1));
  entry.set("type", "file");
  done.push_back(std::move(entry));
  co_return {};
}

/// Why a write to a file on its way in failed: what agentd says of it, where it does.
async::Task<Error> why_failed(Incoming& file, Error otherwise) {
  co_await file.answered.wait();
  if (file.answer && !*file.answer) co_return file.answer->error();
  co_return otherwise;
}

std::string_view type_of_name(std::string_view path) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kTypes = {
      {{".txt", "text/plain; charset=utf-8"},
       {".html", "text/html; charset=utf-8"},
       {".css", "text/css; charset=utf-8"},
       {".js", "text/javascript; charset=utf-8"},
       {".json", "application/json"},
       {".png", "image/png"},
       {".jpg", "image/jpeg"},
       {".svg", "image/svg+xml"},
       {".pdf", "application/pdf"},
       {".xml", "text/xml; charset=utf-8"},
       {".gz", "application/gzip"},
       {".zip", "application/zip"}}};
  for (const auto& [suffix, type] : kTypes) {
    if (path.ends_with(suffix)) return type;
  }
  return "application/octet-stream";
}

/// "bytes=a-b" of a file of `size` bytes; nothing when the field is none that is known (then the whole file is sent).
struct Range {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
std::optional<std::optional<Range>> read_range(std::string_view field, std::uint64_t size) {
  if (!field.starts_with("bytes=") || field.contains(',')) return std::nullopt;
  field.remove_prefix(6);
  const std::size_t dash = field.find('-');
  if (dash == field.npos) return std::nullopt;
  const auto digits = [](std::string_view text) {
    return text.size() < 19 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  const std::string_view low = field.substr(0, dash);
  const std::string_view high = field.substr(dash + 1);
  if (!digits(low) || !digits(high) || (low.empty() && high.empty())) return std::nullopt;
  if (low.empty()) {
    const std::uint64_t tail = std::min<std::uint64_t>(std::stoull(std::string(high)), size);
    if (tail == 0) return std::optional<Range>();
    return std::optional<Range>({.first = size - tail, .count = tail});
  }
  const std::uint64_t first = std::stoull(std::string(low));
  const std::uint64_t last =
      high.empty() ? size - 1 : std::min<std::uint64_t>(std::stoull(std::string(high)), size - 1);
  if (size == 0 || first >= size || last < first) return std::optional<Range>();
  return std::optional<Range>({.first = first, .count = last - first + 1});
}

}  // namespace

async::Task<> Envd::download(Call& call) {
  auto query = http::parse_query(call.exchange.request().query());
  const std::string path = resolve_path(call.user, query["path"]);
  api::FilesStatRequest stat;
  stat.path = api::Path(path);
  const Result<api::FileInfo> info = co_await call_files(call, api::inside::kFilesStat, std::move(stat));
  if (!info) {
    Refusal refusal = file_refusal(info.error());
    if (refusal.status == 404) refusal.message = fmt::format("path '{}' does not exist", path);
    co_await send_refusal(call.exchange, std::move(refusal));
    co_return;
  }
  if (info->kind != api::FileKind::file) {
    co_await send_refusal(call.exchange, {400, fmt::format("path '{}' is not a regular file", path)});
    co_return;
  }
  http::Answer answer;
  answer.headers.add("content-type", type_of_name(path));
  answer.headers.add("content-disposition", fmt::format("inline; filename={}", path.substr(path.rfind('/') + 1)));
  answer.headers.add("accept-ranges", "bytes");
  Range range{.first = 0, .count = info->size_bytes};
  if (const std::string* field = call.exchange.request().headers.find("range")) {
    const auto asked = read_range(*field, info->size_bytes);
    if (asked && !*asked) {
      co_await send_refusal(call.exchange, {416, "the range is outside of the file"});
      co_return;
    }
    if (asked) {
      range = **asked;
      answer.status = 206;
      answer.headers.add("content-range",
                         fmt::format("bytes {}-{}/{}", range.first, range.first + range.count - 1, info->size_bytes));
    }
  }
  wire::Connection& agent = call.use.agent();
  api::FilesDownloadRequest request;
  request.path = api::Path(path);
  request.offset = range.first;
  request.content = agent.new_stream_id();
  auto source = agent.open_source(request.content);
  if (!source) {
    co_await send_refusal(call.exchange, refusal_of(source.error()));
    co_return;
  }
  request.user = call.user.name;
  Result<api::FileInfo> begun = co_await wire::call(agent, api::inside::kFilesDownload, request);
  if (!begun && begun.error().code == Code::permission_denied && call.user.uid != 0) {
    request.user = "root";
    request.content = agent.new_stream_id();
    source = agent.open_source(request.content);
    if (source) begun = co_await wire::call(agent, api::inside::kFilesDownload, request);
  }
  if (!begun) {
    co_await send_refusal(call.exchange, file_refusal(begun.error()));
    co_return;
  }
  answer.headers.add("content-length", std::to_string(range.count));
  Result<void> sent = co_await call.exchange.begin(std::move(answer));
  std::uint64_t left = range.count;
  while (sent && left > 0) {
    Result<std::optional<std::string>> part = co_await (*source)->read();
    if (!part || !*part) co_return;  // shorter than it was: the answer breaks off
    if ((*part)->size() > left) (*part)->resize(left);
    left -= (*part)->size();
    sent = co_await call.exchange.write(std::move(**part));
  }
  if (sent) sent = co_await call.exchange.end();
}

async::Task<> Envd::upload(Call& call) {
  const http::Headers& fields = call.exchange.request().headers;
  auto query = http::parse_query(call.exchange.request().query());
  for (const auto& [name, value] : fields) {
    if (!name.starts_with("x-metadata-")) continue;
    co_await send_refusal(call.exchange, {501, "files of this endpoint have no metadata: leave the option away"});
    co_return;
  }
  const std::string_view encoding = fields.get("content-encoding");
  if (!encoding.empty() && encoding != "gzip" && encoding != "identity") {
    co_await send_refusal(call.exchange, {415, fmt::format("content encoding '{}' is not known; gzip is", encoding)});
    co_return;
  }
  Inflater inflater(encoding == "gzip");
  const std::string type(fields.get("content-type"));
  const std::optional<std::string> boundary = multipart_boundary(type);
  const bool raw = http::lower(type).starts_with("application/octet-stream");
  if (!boundary && !raw) {
    co_await send_refusal(call.exchange, {400, "content type: multipart/form-data or application/octet-stream"});
    co_return;
  }
  if (raw && query["path"].empty()) {
    co_await send_refusal(call.exchange, {400, "path: is required for application/octet-stream"});
    co_return;
  }
  async::Loop& loop = boxes_.loop();
  MultipartReader parts(boundary.value_or(""));
  std::unique_ptr<Incoming> file;
  Value::Array done;
  std::optional<Error> failure;
  if (raw) {
    auto begun = begin_file(call, loop, query["path"]);
    if (begun) {
      file = std::move(*begun);
    } else {
      failure = begun.error();
    }
  }
  while (!failure) {
    Result<std::optional<std::string>> bytes = co_await call.exchange.read();
    if (!bytes) co_return;  // the client went; what was begun leaves nothing
    if (!*bytes) break;
    Result<std::string> plain = inflater.take(std::move(**bytes));
    if (!plain) {
      failure = plain.error();
      break;
    }
    std::vector<MultipartReader::Piece> pieces;
    if (raw) {
      pieces.push_back({.kind = MultipartReader::Piece::Kind::data, .data = std::move(*plain)});
    } else {
      Result<std::vector<MultipartReader::Piece>> read = parts.feed(*plain);
      if (!read) {
        failure = read.error();
        break;
      }
      pieces = std::move(*read);
    }
    for (MultipartReader::Piece& piece : pieces) {
      if (piece.kind == MultipartReader::Piece::Kind::begin) {
        if (piece.name != "file") continue;
        const std::string target = query["path"].empty() ? piece.filename : query["path"];
        auto begun = target.empty()
                         ? Result<std::unique_ptr<Incoming>>(fail(Code::invalid_argument, "a part has no path"))
                         : begin_file(call, loop, target);
        if (!begun) {
          failure = begun.error();
          break;
        }
        file = std::move(*begun);
      } else if (piece.kind == MultipartReader::Piece::Kind::data && file != nullptr) {
        const Result<void> written = co_await file->sink->write(std::as_bytes(std::span(piece.data)));
        if (!written) {
          failure = co_await why_failed(*file, written.error());
          break;
        }
      } else if (piece.kind == MultipartReader::Piece::Kind::end && file != nullptr) {
        const Result<void> ended = co_await end_file(*file, done);
        file.reset();
        if (!ended) {
          failure = ended.error();
          break;
        }
      }
    }
  }
  if (!failure && raw) {
    const Result<void> ended = co_await end_file(*file, done);
    if (!ended) failure = ended.error();
  }
  if (!failure && !raw && !parts.complete())
    failure = Error{.code = Code::invalid_argument, .message = "the multipart body has no end"};
  if (failure) {
    co_await send_refusal(call.exchange, file_refusal(*failure));
    co_return;
  }
  co_await send_json(call.exchange, 200, std::move(done));
}

async::Task<> Envd::metrics(Call& call) {
  const Result<api::SandboxMetrics> now = co_await wire::call(call.use.agent(), api::inside::kSandboxMetrics, {});
  if (!now) {
    co_await send_refusal(call.exchange, refusal_of(now.error()));
    co_return;
  }
  const api::SandboxLimits& limits = call.use.record().hidden.limits;
  const std::uint64_t memory = limits.memory_bytes.value_or(0);
  Value out;
  out.set("ts", now->time_us / 1'000'000);
  out.set("cpu_count", static_cast<std::int64_t>(std::max(1.0, std::round(limits.cpus.value_or(1)))));
  out.set("cpu_used_pct", 0.0);
  out.set("mem_total", memory);
  out.set("mem_used", now->memory_bytes);
  out.set("mem_cache", 0);
  out.set("mem_total_mib", memory >> 20U);
  out.set("mem_used_mib", now->memory_bytes >> 20U);
  out.set("disk_used", now->disk_bytes);
  out.set("disk_total", limits.disk_bytes.value_or(0));
  co_await send_json(call.exchange, 200, std::move(out));
}

}  // namespace swarm::e2b_endpoint
