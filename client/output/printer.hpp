#pragma once
// Everything that commands say passes through here: for people on a terminal or in a pipe, or as JSON for scripts.

#include <functional>
#include <string>
#include <string_view>

#include "client/output/style.hpp"
#include "client/output/table.hpp"
#include "protocol/api/codec.hpp"
#include "protocol/core/error.hpp"

namespace swarm::client {

/// When to use colour.
enum class Color : std::uint8_t { automatic, always, never };

/// One of our outputs: how to write to it, and what is at its other end.
struct Outlet {
  std::function<void(std::string_view)> write;
  bool terminal = false;
  std::size_t columns = 0;  ///< of the terminal; 0 where there is none
};

/// Standard output and standard error of this process. Output that nobody reads any more (EPIPE) ends the program as
/// SIGPIPE would: quietly.
Outlet standard_output();
Outlet standard_error();

/// Ends the program as if SIGPIPE had: what a shell expects of a program whose reader has gone.
[[noreturn]] void end_for_closed_output();

class Printer {
 public:
  enum class Form : std::uint8_t { people, json };
  struct Options {
    Form form = Form::people;
    Color color = Color::automatic;
    bool quiet = false;
    bool no_color_asked = false;  ///< NO_COLOR is set and not empty (no-color.org)
  };
  Printer(Outlet out, Outlet err, Options options);

  [[nodiscard]] bool json() const { return options_.form == Form::json; }
  [[nodiscard]] bool quiet() const { return options_.quiet; }
  [[nodiscard]] const Outlet& out() const { return out_; }
  [[nodiscard]] const Outlet& err() const { return err_; }
  [[nodiscard]] Paint paint() const { return paint_; }
  [[nodiscard]] Paint error_paint() const { return error_paint_; }

  /// The result of a command, as text: to standard output. `text` ends in a newline.
  void text(std::string_view text) { out_.write(text); }
  void line(std::string_view line) { out_.write(std::string(line) + "\n"); }
  void table(const Table& table) { out_.write(table.render(out_.columns, paint_)); }
  void fields(const Fields& fields) { out_.write(fields.render(paint_)); }

  /// One JSON document; indented on a terminal.
  void document(const Value& value);
  /// One line of a sequence of JSON documents.
  void json_line(const Value& value);
  /// A wire struct as one document.
  template <class T>
  void document_of(const T& object) {
    document(api::encode(object));
  }

  /// What a person may want to know while a command works; to standard error, never with --quiet.
  void note(std::string_view sentence);
  /// The same, said even with --quiet.
  void warning(std::string_view sentence);

  /// The failure of a command: a sentence to standard error; with --json also {"error": ...} to standard output.
  void error(const Error& error);

 private:
  Outlet out_;
  Outlet err_;
  Options options_;
  Paint paint_;
  Paint error_paint_;
};

/// `sentence` without control sequences: messages may quote what a sandbox said.
std::string safe(std::string_view sentence);

}  // namespace swarm::client
