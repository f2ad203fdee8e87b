#include <rapidcheck/catch.h>
#include <catch2/catch.hpp>

#include "client/output/human.hpp"
#include "client/output/printer.hpp"
#include "client/output/table.hpp"
#include "client/output/width.hpp"

namespace swarm::client {
namespace {

using std::chrono::milliseconds;

struct Captured {
  std::string out;
  std::string err;
  Printer printer(Printer::Options options, bool terminal = false) {
    return {
        {.write = [this](std::string_view text) { out += text; }, .terminal = terminal, .columns = terminal ? 80U : 0U},
        {.write = [this](std::string_view text) { err += text; }, .terminal = terminal, .columns = terminal ? 80U : 0U},
        options};
  }
};

TEST_CASE("width counts columns, not bytes") {
  CHECK(display_width("abc") == 3);
  CHECK(display_width("Grüße") == 5);
  CHECK(display_width("世界") == 4);
  CHECK(display_width("e\xcc\x81") == 1);
  CHECK(cut_to_width("Grüße", 5) == "Grüße");
  CHECK(cut_to_width("Grüße", 4) == "Grü…");
  CHECK(cut_to_width("世界世界", 5) == "世界…");
  CHECK(cut_to_width("世界世界", 4) == "世…");
}

TEST_CASE("columns line up whatever is in them") {
  Table table({{"NAME", Align::left, Fit::shorten}, {"SIZE", Align::right}, {"NOTE"}});
  table.add({"世界", "1", "x"});
  table.add({"plain", "1000", ""});
  CHECK(table.render(0, Paint::no) ==
        "NAME   SIZE  NOTE\n"
        "世界      1  x\n"
        "plain  1000\n");
}

TEST_CASE("a narrow terminal shortens only what may be shortened") {
  Table table({{"ID"}, {"COMMAND", Align::left, Fit::shorten}, {"AGE", Align::right}});
  table.add({"saaaaaaaaaaaaaaaaaaab", std::string(100, 'x'), "12 s"});
  const std::string shown = table.render(80, Paint::no);
  CHECK(shown.find("saaaaaaaaaaaaaaaaaaab") != std::string::npos);
  CHECK(shown.find("…") != std::string::npos);
  std::size_t begin = 0;
  for (std::size_t end = 0; (end = shown.find('\n', begin)) != std::string::npos; begin = end + 1) {
    CHECK(display_width(std::string_view(shown).substr(begin, end - begin)) <= 80);
  }
}

TEST_CASE("colour changes nothing but colour") {
  Table table({{"STATE"}, {"N", Align::right}});
  table.add({{"ready", Style::good}, "1"});
  CHECK(table.render(0, Paint::yes) == "\x1b[1mSTATE\x1b[0m  \x1b[1mN\x1b[0m\n\x1b[32mready\x1b[0m  1\n");
}

TEST_CASE("fields leave out what is empty and indent what is long") {
  Fields fields;
  fields.add("Id", "s1");
  fields.add("Nothing", "");
  fields.add("Labels", "a=1\nb=2");
  CHECK(fields.render(Paint::no) ==
        "Id:      s1\n"
        "Labels:  a=1\n"
        "         b=2\n");
}

TEST_CASE("quantities are honest") {
  CHECK(human_size(0) == "0 B");
  CHECK(human_size(1023) == "1023 B");
  CHECK(human_size(1024) == "1 KiB");
  CHECK(human_size(1536) == "1.5 KiB");
  CHECK(human_size(std::uint64_t{512} << 20U) == "512 MiB");
  CHECK(human_size((std::uint64_t{1} << 30U) - 1) == "1 GiB");
  CHECK(human_size(UINT64_MAX) == "16.0 EiB");
  CHECK(human_duration(milliseconds(999)) == "999 ms");
  CHECK(human_duration(milliseconds(1500)) == "1.5 s");
  CHECK(human_duration(milliseconds(59'999)) == "59 s");
  CHECK(human_duration(milliseconds(61'000)) == "1 min 1 s");
  CHECK(human_duration(milliseconds(3 * 3'600'000 + 20 * 60'000)) == "3 h 20 min");
  CHECK(human_duration(milliseconds(std::int64_t{50} * 3'600'000)) == "2 d 2 h");
  const WallTime now{1'000'000'000'000};
  CHECK(human_age(now, now.us - 12'000'000) == "12 s");
  CHECK(human_age(now, now.us) == "now");
  CHECK(human_age(now, 0) == "-");
  CHECK(human_age(now, now.us + 5'000'000) == "-");
  CHECK(human_until(now, now.us + 240'000'000) == "in 4 min");
  CHECK(human_until(now, now.us - 3'600'000'000) == "1 h ago");
  CHECK(human_count(999) == "999");
  CHECK(human_count(1'234'567) == "1,234,567");
}

TEST_CASE("sizes never need more than eight columns", "[property]") {
  rc::prop("human_size", [](std::uint64_t bytes) { RC_ASSERT(human_size(bytes).size() <= 9); });
}

TEST_CASE("colour follows the terminal, NO_COLOR and --color") {
  Captured captured;
  CHECK(captured.printer({}, true).paint() == Paint::yes);
  CHECK(captured.printer({}, false).paint() == Paint::no);
  CHECK(captured.printer({.no_color_asked = true}, true).paint() == Paint::no);
  CHECK(captured.printer({.color = Color::always, .no_color_asked = true}, false).paint() == Paint::yes);
  CHECK(captured.printer({.color = Color::never}, true).paint() == Paint::no);
  CHECK(captured.printer({.form = Printer::Form::json, .color = Color::always}, true).paint() == Paint::no);
}

TEST_CASE("errors are sentences, and documents where JSON was asked for") {
  const Error error = fail(Code::not_found, "no sandbox 'x\x1b[2J'").error();
  Captured people;
  people.printer({}).error(error);
  CHECK(people.err == "swarmctl: no sandbox 'x'\n");
  CHECK(people.out.empty());
  Captured script;
  script.printer({.form = Printer::Form::json}).error(fail(Code::unavailable, "gone").error());
  CHECK(script.err == "swarmctl: gone\n");
  CHECK(script.out == R"({"error":{"code":"unavailable","message":"gone","retryable":true}})"
                      "\n");
}

TEST_CASE("quiet leaves out notes, never results and warnings") {
  Captured captured;
  Printer printer = captured.printer({.quiet = true});
  printer.note("by the way");
  printer.warning("look out");
  printer.line("result");
  CHECK(captured.err == "look out\n");
  CHECK(captured.out == "result\n");
}

TEST_CASE("long sentences are broken at spaces") {
  CHECK(wrap_to_width("one two three", 0) == "one two three");
  CHECK(wrap_to_width("one two three", 13) == "one two three");
  CHECK(wrap_to_width("one two three", 12) == "one two\nthree");
  CHECK(wrap_to_width("one two three", 7, "  ") == "one two\n  three");
  CHECK(wrap_to_width("  p: one two", 8, "    ") == "  p: one\n    two");
  CHECK(wrap_to_width("incomprehensibilities are", 10) == "incomprehensibilities\nare");
  CHECK(wrap_to_width("", 10).empty());
}

}  // namespace
}  // namespace swarm::client
