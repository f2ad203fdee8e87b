#include "daemon/secrets/redactor.hpp"

#include <rapidcheck/catch.h>
#include <sodium.h>
#include <catch2/catch.hpp>

#include <atomic>
#include <thread>

#include "daemon/secrets/forms.hpp"

using namespace swarm;
using namespace swarm::secrets;

namespace {

const std::string kSecret = "pa/ss w\"ord\xc3\xa9+1\n2";
const std::string kGithub = "ghp_" + std::string(36, 'A');
const std::string kE2b = "e2b_0123456789abcdef0123456789abcdef01234567";
const std::string kKeyBlock =
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\nQmFzZTY0\n-----END OPENSSH PRIVATE KEY-----";

std::string base64(std::string_view bytes, int variant) {
  std::string out(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(out.data(), out.size(), reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
                    variant);
  out.pop_back();
  return out;
}

std::unique_ptr<Redactor> redactor_of(const std::vector<std::pair<std::string, std::string>>& secrets) {
  auto redactor = std::make_unique<Redactor>();
  for (const auto& [name, value] : secrets) REQUIRE(redactor->add(name, SecretString(value)));
  return redactor;
}

/// What comes out when the text arrives in two pieces, for every place to cut it.
void check_every_cut(const Redactor& redactor, const std::string& text, const std::string& expected) {
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    RedactingStream stream(redactor);
    std::string out = stream.feed(std::string_view(text).substr(0, cut));
    out += stream.feed(std::string_view(text).substr(cut));
    out += stream.finish();
    INFO("cut at " << cut);
    CHECK(out == expected);
  }
  RedactingStream bytes(redactor);
  std::string out;
  for (const char c : text) out += bytes.feed({&c, 1});
  CHECK(out + bytes.finish() == expected);
  CHECK(redactor.redact(text) == expected);
}

template <class T>
concept Streamable = requires(std::ostringstream& out, const T& value) { out << value; };
static_assert(!Streamable<SecretString>);
static_assert(!std::is_copy_constructible_v<SecretString>);
static_assert(!std::is_convertible_v<SecretString, std::string_view>);

}  // namespace

TEST_CASE("a secret is found in every encoding and however it is cut") {
  const auto redactor = redactor_of({{"k", kSecret}});
  const std::vector<std::string> encodings = {
      kSecret,
      "70612f73732077226f7264c3a92b310a32",
      "70612F73732077226F7264C3A92B310A32",
      "pa%2Fss%20w%22ord%C3%A9%2B1%0A2",
      "pa%2fss%20w%22ord%c3%a9%2b1%0a2",
      "pa%2Fss+w%22ord%C3%A9%2B1%0A2",
      "pa/ss%20w%22ord%C3%A9+1%0A2",
      "pa/ss w\\\"ord\xc3\xa9+1\\n2",
      "pa\\/ss w\\\"ord\\u00e9+1\\n2",
      "pa/ss w\\\"ord\\u00E9+1\\n2",
  };
  for (const std::string& encoded : encodings) {
    check_every_cut(*redactor, "before " + encoded + " after", "before [redacted:k] after");
  }
}

TEST_CASE("base64 is found at every alignment inside a longer encoded text") {
  const std::string secret = "correct-horse-battery";
  const auto redactor = redactor_of({{"k", secret}});
  for (const int variant : {sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_URLSAFE_NO_PADDING}) {
    for (const char* user : {"", "u", "us", "use", "user:"}) {
      const std::string out = redactor->redact(base64(user + secret + "@tail", variant));
      INFO(out);
      CHECK(out.find("[redacted:k]") != std::string::npos);
      // At most two characters at each side mix bits of the secret with bits of its neighbours.
      CHECK(out.size() <= std::string("[redacted:k]").size() + 20);
    }
  }
}

TEST_CASE("known kinds of keys are found without being registered") {
  const Redactor redactor;
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"key sk-ant-api03-abcdefghijklmnop_-Z next", "key [redacted:anthropic-key] next"},
      {"GH=" + kGithub + ";", "GH=[redacted:github-token];"},
      {"github_pat_11ABCDEFG0abcdefghijklmnop_x", "[redacted:github-token]"},
      {kE2b + "\n", "[redacted:e2b-key]\n"},
      {"id AKIAIOSFODNN7EXAMPLE.", "id [redacted:aws-key]."},
      {"Authorization: Bearer abc.def\r\nHost: x", "Authorization: [redacted:authorization]\r\nHost: x"},
      {R"({"authorization":"Basic dTpw","x":1})", R"({"authorization":"[redacted:authorization]","x":1})"},
      {R"(curl -H 'X-Api-Key: abc' x)", R"(curl -H 'X-Api-Key: [redacted:api-key]' x)"},
      {R"({"line":"{\"Authorization\": \"token t\"}"})",
       R"({"line":"{\"Authorization\": \"[redacted:authorization]\"}"})"},
      {"a\n" + kKeyBlock + "\nb", "a\n[redacted:private-key]\nb"},
  };
  for (const auto& [text, expected] : cases) check_every_cut(redactor, text, expected);
}

TEST_CASE("what only looks alike is left alone") {
  const auto redactor = redactor_of({{"k", "correct-horse"}});
  for (const std::string text :
       {"sk-ant-short", "task-force and risk-averse", "ghp_tooshort", "e2b_zzzz", "xAKIAIOSFODNN7EXAMPLE",
        "authorization failed", "Authorization:\n", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----",
        "correct-hors", "orrect-horse", "", "the authorization of sk-", "-----BEGIN "}) {
    check_every_cut(*redactor, text, text);
  }
}

TEST_CASE("overlapping secrets go as a whole, of nested ones the longest") {
  const auto redactor =
      redactor_of({{"one", "abcdefgh"}, {"two", "ghijklmn"}, {"three", "lmnopqrs"}, {"long", "abcdefgh-long"}});
  check_every_cut(*redactor, "<abcdefghijklmnopqrs>", "<[redacted:one]>");
  check_every_cut(*redactor, "<abcdefgh-long>", "<[redacted:long]>");
  check_every_cut(*redactor, "<abcdefghabcdefgh>", "<[redacted:one][redacted:one]>");
  check_every_cut(*redactor, "abcdefgh-lon abcdefg", "[redacted:one]-lon abcdefg");
}

TEST_CASE("a registered secret that reaches beyond a known key goes with it") {
  const auto redactor = redactor_of({{"k", "AAAA/tail/of/it"}});
  check_every_cut(*redactor, "x " + kGithub + "/tail/of/it y", "x [redacted:github-token] y");
}

TEST_CASE("each line of a secret with several is one") {
  const auto redactor = redactor_of({{"pem", "-----BEGIN X-----\nMIIEvQIBADANBgkqhkiG\nshort\n-----END X-----"}});
  CHECK(redactor->redact("| MIIEvQIBADANBgkqhkiG |") == "| [redacted:pem] |");
  CHECK(redactor->redact("-----BEGIN X----- short") == "-----BEGIN X----- short");
}

TEST_CASE("an unfinished key block shows nothing of the key, in bounded memory") {
  const Redactor redactor;
  RedactingStream stream(redactor);
  std::string out = stream.feed("x -----BEGIN PRIVATE KEY-----\n");
  for (int i = 0; i < 1000; ++i) {
    out += stream.feed("QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=\n");
    REQUIRE(stream.held() < 100);
  }
  CHECK(out + stream.finish() == "x [redacted:private-key]");
}

TEST_CASE("values that would occur by chance are refused with the reason") {
  Redactor redactor;
  const auto refused = redactor.add("pin", SecretString("12345"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message ==
        "secret 'pin' has 5 bytes; under 6 it would occur in other text by chance and could not be kept out of logs, "
        "so it is "
        "refused");
  CHECK(redactor.add("pin", SecretString("123456")));
  CHECK_FALSE(redactor.add("big", SecretString(std::string(70'000, 'x'))));
}

TEST_CASE("a replaced value stays redacted") {
  const auto redactor = redactor_of({{"k", "old-value"}, {"k", "new-value"}});
  CHECK(redactor->redact("old-value new-value") == "[redacted:k] [redacted:k]");
}

TEST_CASE("any secret in any text, cut anywhere") {
  rc::prop("nothing of a planted secret is left and nothing else changes", [] {
    const auto secret = *rc::gen::resize(
        40, rc::gen::suchThat(rc::gen::string<std::string>(), [](const std::string& s) { return s.size() >= 6; }));
    const auto text = [](char low, char high) {
      return rc::gen::resize(60, rc::gen::container<std::string>(rc::gen::inRange(low, high)));
    };
    const std::string before = *text('0', '9');
    const std::string after = *text('0', '9');
    Redactor redactor;
    RC_ASSERT(redactor.add("k", SecretString(secret)).has_value());
    const auto forms = forms_of(secret);
    const auto& form = forms[*rc::gen::inRange<std::size_t>(0, forms.size())];
    const std::string whole = before + std::string(form.reveal()) + after;
    RedactingStream stream(redactor);
    std::string out;
    for (std::size_t at = 0; at < whole.size();) {
      const auto n = *rc::gen::inRange<std::size_t>(1, 9);
      out += stream.feed(std::string_view(whole).substr(at, n));
      at += n;
    }
    out += stream.finish();
    RC_ASSERT(out == redactor.redact(whole));
    RC_ASSERT(out.find("[redacted:k]") != std::string::npos);
    RC_ASSERT(redactor.redact(out) == out);
    RC_ASSERT(out.find(form.reveal()) == std::string::npos);
  });
}

TEST_CASE("secrets are added while other threads redact") {
  Redactor redactor;
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> readers;
  REQUIRE(redactor.add("first", SecretString("first-secret")));
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!stop) {
        if (redactor.redact("a first-secret b") != "a [redacted:first] b") ++wrong;
      }
    });
  }
  for (int i = 0; i < 50; ++i) REQUIRE(redactor.add("n", SecretString("another-secret-" + std::to_string(i))));
  stop = true;
  readers.clear();
  CHECK(wrong == 0);
  CHECK(redactor.redact("another-secret-49") == "[redacted:n]");
}

TEST_CASE("secrets are moved and wiped, not copied") {
  std::string source = "a secret that is long enough for the heap";
  SecretString secret = SecretString::taken_from(source);
  CHECK(source.empty());
  SecretString moved = std::move(secret);
  CHECK(secret.empty());  // NOLINT(bugprone-use-after-move): that is the promise
  CHECK(moved.reveal() == "a secret that is long enough for the heap");
  CHECK(moved == moved.copy());
  CHECK_FALSE(moved == SecretString("other"));
}
