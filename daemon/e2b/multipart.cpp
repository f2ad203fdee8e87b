#include "daemon/e2b/multipart.hpp"

#include "daemon/http/message.hpp"

namespace swarm::e2b_endpoint {
namespace {

constexpr std::size_t kMostHeader = std::size_t{16} * 1024;

/// A parameter of a field: `name="a\"b"` or `name=a`.
std::optional<std::string> parameter(std::string_view field, std::string_view wanted) {
  std::size_t at = field.find(';');
  while (at < field.size()) {
    ++at;
    while (at < field.size() && field[at] == ' ') ++at;
    const std::size_t equals = field.find('=', at);
    if (equals == field.npos) return std::nullopt;
    const std::string name = http::lower(field.substr(at, equals - at));
    std::string value;
    at = equals + 1;
    if (at < field.size() && field[at] == '"') {
      for (++at; at < field.size() && field[at] != '"'; ++at) {
        if (field[at] == '\\' && at + 1 < field.size() && (field[at + 1] == '"' || field[at + 1] == '\\')) ++at;
        value += field[at];
      }
      at = std::min(field.find(';', at), field.size());
    } else {
      const std::size_t end = std::min(field.find(';', at), field.size());
      value = field.substr(at, end - at);
      at = end;
    }
    if (name == wanted) return value;
  }
  return std::nullopt;
}

/// Browsers and fetch write quotes and line ends of a name as percent escapes (HTML, "multipart/form-data").
std::string unescape_name(std::string name) {
  for (const auto& [escape, character] : {std::pair("%22", "\""), std::pair("%0D", "\r"), std::pair("%0A", "\n")}) {
    for (std::size_t at = name.find(escape); at != name.npos; at = name.find(escape, at))
      name.replace(at, 3, character);
  }
  return name;
}

}  // namespace

std::optional<std::string> multipart_boundary(std::string_view content_type) {
  if (!http::lower(content_type).starts_with("multipart/form-data")) return std::nullopt;
  std::optional<std::string> boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 200) return std::nullopt;
  return boundary;
}

Result<std::vector<MultipartReader::Piece>> MultipartReader::feed(std::string_view bytes) {
  std::vector<Piece> pieces;
  buffer_ += bytes;
  for (;;) {
    if (state_ == State::over) {
      buffer_.clear();
      return pieces;
    }
    if (state_ == State::preamble || state_ == State::body) {
      const std::size_t found = buffer_.find(delimiter_);
      const std::size_t plain =
          found != buffer_.npos ? found : buffer_.size() - std::min(buffer_.size(), delimiter_.size() - 1);
      if (state_ == State::body && plain > 0) {
        pieces.push_back({.kind = Piece::Kind::data, .data = buffer_.substr(0, plain)});
      }
      buffer_.erase(0, plain);
      if (found == buffer_.npos && !buffer_.starts_with(delimiter_)) return pieces;
      buffer_.erase(0, delimiter_.size());
      if (state_ == State::body) pieces.push_back({.kind = Piece::Kind::end});
      state_ = State::delimiter;
    }
    if (state_ == State::delimiter) {
      const std::size_t start = std::min(buffer_.find_first_not_of(" \t"), buffer_.size());
      if (buffer_.size() < start + 2) return pieces;
      if (buffer_.compare(start, 2, "--") == 0) {
        state_ = State::over;
        continue;
      }
      if (buffer_.compare(start, 2, "\r\n") != 0) {
        return fail(Code::invalid_argument, "the multipart body is malformed behind a boundary");
      }
      buffer_.erase(0, start);  // the line end stays: it is the first of the header's
      state_ = State::header;
    }
    if (state_ == State::header) {
      const std::size_t end = buffer_.find("\r\n\r\n");
      if (end == buffer_.npos) {
        if (buffer_.size() > kMostHeader) return fail(Code::invalid_argument, "a part's header is too long");
        return pieces;
      }
      Piece begin{.kind = Piece::Kind::begin};
      std::string_view lines = std::string_view(buffer_).substr(0, end);
      while (!lines.empty()) {
        const std::size_t line_end = std::min(lines.find("\r\n"), lines.size());
        const std::string_view line = lines.substr(0, line_end);
        lines.remove_prefix(std::min(line_end + 2, lines.size()));
        if (!http::lower(line).starts_with("content-disposition:")) continue;
        begin.name = parameter(line, "name").value_or("");
        begin.filename = unescape_name(parameter(line, "filename").value_or(""));
      }
      pieces.push_back(std::move(begin));
      buffer_.erase(0, end + 4);
      state_ = State::body;
    }
  }
}

}  // namespace swarm::e2b_endpoint
