#pragma once

#include <optional>
#include <string>
#include <vector>

#include "protocol/core/error.hpp"

namespace swarm::e2b_endpoint {

/// The boundary of a `multipart/form-data` content type; nothing for another type.
std::optional<std::string> multipart_boundary(std::string_view content_type);

/// Takes multipart/form-data (RFC 7578) apart as it comes. Keeps no more of it than a boundary's length.
class MultipartReader {
 public:
  explicit MultipartReader(std::string boundary) : delimiter_("\r\n--" + boundary), buffer_("\r\n") {}

  struct Piece {
    enum class Kind : std::uint8_t { begin, data, end };
    Kind kind = Kind::data;
    std::string name{};      ///< of the part that begins
    std::string filename{};  ///< likewise
    std::string data{};
  };
  /// What these bytes were. `invalid_argument` for what is no multipart.
  Result<std::vector<Piece>> feed(std::string_view bytes);
  /// The closing boundary has come.
  [[nodiscard]] bool complete() const { return state_ == State::over; }

 private:
  enum class State : std::uint8_t { preamble, delimiter, header, body, over };
  std::string delimiter_;
  std::string buffer_;  ///< begins with a line end, so that a boundary at the very start is one like the others
  State state_ = State::preamble;
};

}  // namespace swarm::e2b_endpoint
