#include "client/report/document.hpp"

#include <algorithm>

#include "client/output/sanitizer.hpp"

namespace swarm::client {
namespace {

/// One line in which Markdown sees no marks of its own.
std::string for_markdown(const std::string& text) {
  std::string out;
  for (const char c : one_line(text)) {
    if (std::string_view("\\`*_{}[]<>#|~").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string for_html(const std::string& text) {
  std::string out;
  for (const char c : sanitized(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

/// More backquotes than the text has in a row.
std::string fence_for(const std::string& text) {
  std::size_t longest = 0;
  std::size_t now = 0;
  for (const char c : text) {
    now = c == '`' ? now + 1 : 0;
    longest = std::max(longest, now);
  }
  return std::string(std::max<std::size_t>(longest + 1, 3), '`');
}

constexpr std::string_view kStyle =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;"
    "vertical-align:top}th{background:#f3f3f3}pre{background:#f6f6f6;padding:.8rem;overflow-x:auto}";

}  // namespace

void Document::heading(int level, std::string text) {
  blocks_.push_back({Kind::heading, level, std::move(text), {}, {}});
}
void Document::paragraph(std::string text) { blocks_.push_back({Kind::paragraph, 0, std::move(text), {}, {}}); }
void Document::list(std::vector<std::string> items) { blocks_.push_back({Kind::list, 0, {}, std::move(items), {}}); }
void Document::table(std::vector<std::string> head, std::vector<std::vector<std::string>> rows) {
  blocks_.push_back({Kind::table, 0, {}, std::move(head), std::move(rows)});
}
void Document::listing(std::string text) { blocks_.push_back({Kind::listing, 0, std::move(text), {}, {}}); }

std::string Document::markdown() const {
  std::string out = "# " + for_markdown(title_) + "\n";
  const auto row = [&](const std::vector<std::string>& cells) {
    out += "|";
    for (const std::string& cell : cells) out += " " + for_markdown(cell) + " |";
    out += "\n";
  };
  for (const Block& block : blocks_) {
    out += "\n";
    switch (block.kind) {
      case Kind::heading:
        out += std::string(static_cast<std::size_t>(block.level), '#') + " " + for_markdown(block.text) + "\n";
        break;
      case Kind::paragraph:
        out += for_markdown(block.text) + "\n";
        break;
      case Kind::list:
        for (const std::string& item : block.head) out += "- " + for_markdown(item) + "\n";
        break;
      case Kind::table:
        row(block.head);
        out += "|";
        for (std::size_t i = 0; i < block.head.size(); ++i) out += "---|";
        out += "\n";
        for (const auto& cells : block.rows) row(cells);
        break;
      case Kind::listing: {
        const std::string text = sanitized(block.text);
        const std::string fence = fence_for(text);
        out += fence + "\n" + text + (text.ends_with('\n') ? "" : "\n") + fence + "\n";
        break;
      }
    }
  }
  return out;
}

std::string Document::html() const {
  std::string out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" +
                    for_html(title_) + "</title>\n<style>" + std::string(kStyle) + "</style>\n</head>\n<body>\n<h1>" +
                    for_html(title_) + "</h1>\n";
  for (const Block& block : blocks_) {
    switch (block.kind) {
      case Kind::heading: {
        const std::string tag = "h" + std::to_string(block.level);
        out += "<" + tag + ">" + for_html(block.text) + "</" + tag + ">\n";
        break;
      }
      case Kind::paragraph:
        out += "<p>" + for_html(block.text) + "</p>\n";
        break;
      case Kind::list:
        out += "<ul>\n";
        for (const std::string& item : block.head) out += "<li>" + for_html(item) + "</li>\n";
        out += "</ul>\n";
        break;
      case Kind::table:
        out += "<table>\n<tr>";
        for (const std::string& cell : block.head) out += "<th>" + for_html(cell) + "</th>";
        out += "</tr>\n";
        for (const auto& cells : block.rows) {
          out += "<tr>";
          for (const std::string& cell : cells) out += "<td>" + for_html(cell) + "</td>";
          out += "</tr>\n";
        }
        out += "</table>\n";
        break;
      case Kind::listing:
        out += "<pre>" + for_html(block.text) + "</pre>\n";
        break;
    }
  }
  return out + "</body>\n</html>\n";
}

}  // namespace swarm::client
