#pragma once
// A document of headings, paragraphs, tables and listings, which is written as Markdown or HTML. What stands in it came
// from agents and repositories: both forms escape everything.

#include <string>
#include <vector>

namespace swarm::client {

class Document {
 public:
  explicit Document(std::string title) : title_(std::move(title)) {}

  void heading(int level, std::string text);
  void paragraph(std::string text);
  void list(std::vector<std::string> items);
  void table(std::vector<std::string> head, std::vector<std::vector<std::string>> rows);
  /// Text as it is, in a fixed width.
  void listing(std::string text);

  [[nodiscard]] std::string markdown() const;
  /// One page without anything from elsewhere: no script, no style sheet, no image.
  [[nodiscard]] std::string html() const;

 private:
  enum class Kind : std::uint8_t { heading, paragraph, list, table, listing };
  struct Block {
    Kind kind;
    int level = 0;
    std::string text;
    std::vector<std::string> head;
    std::vector<std::vector<std::string>> rows;
  };
  std::string title_;
  std::vector<Block> blocks_;
};

}  // namespace swarm::client
