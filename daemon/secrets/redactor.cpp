#include "daemon/secrets/redactor.hpp"

#include <fmt/format.h>

#include <bitset>

#include "daemon/secrets/forms.hpp"
#include "protocol/core/known_keys.hpp"

namespace swarm::secrets {
namespace {

constexpr std::size_t kLongestSecret = 64U << 10U;

unsigned place_of(char c) { return static_cast<unsigned char>(c); }
unsigned pair_of(char first, char second) { return place_of(first) << 8U | place_of(second); }

std::uint32_t prefix_of(std::string_view text) {
  std::uint32_t prefix = 0;
  std::memcpy(&prefix, text.data(), sizeof prefix);
  return prefix;
}

}  // namespace

namespace detail {

/// The forms of all secrets, found by their first four bytes. Immutable once it is in use.
///
/// Nearly every position of a text is passed by one look at a bit for its two bytes; an automaton over all forms would
/// cost more memory than the forms and touch it at every byte.
class Table {
 public:
  struct Match {
    std::size_t length = 0;  ///< of the longest form that stands there whole
    const std::string* name = nullptr;
    bool partial = false;  ///< the text ends inside a longer one
  };

  Table() {
    for (const KnownKey& key : known_keys()) {
      const bool header = key.kind == KnownKey::Kind::header;
      const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
      const char a = key.prefix[0];
      const char b = key.prefix[1];
      mark(a, b);
      if (!header) continue;
      mark(upper(a), upper(b));
      mark(upper(a), b);
      mark(a, upper(b));
    }
  }

  Table(const Table& other) : Table() {
    for (const Form& form : other.forms_) insert(form.name, form.text.copy());
  }
  Table& operator=(const Table&) = delete;
  ~Table() = default;

  void insert(const std::shared_ptr<const std::string>& name, SecretString text) {
    const std::string_view form = text.reveal();
    std::vector<std::size_t>& bucket = buckets_[prefix_of(form)];
    // Two secrets may share a form (one is the other's base64); the first name stays.
    for (const std::size_t index : bucket) {
      if (forms_[index].text == text) return;
    }
    mark(form[0], form[1]);
    bucket.push_back(forms_.size());
    forms_.push_back({name, std::move(text)});
    std::ranges::sort(bucket,
                      [this](std::size_t a, std::size_t b) { return forms_[a].text.size() > forms_[b].text.size(); });
  }

  /// False where neither a secret nor a known key begins.
  [[nodiscard]] bool may_start(std::string_view text, std::size_t at) const {
    return at + 1 < text.size() ? pairs_[pair_of(text[at], text[at + 1])] : firsts_[place_of(text[at])];
  }

  [[nodiscard]] Match match(std::string_view text) const {
    Match found;
    const auto consider = [&](const Form& form) {
      const std::string_view wanted = form.text.reveal();
      if (wanted.size() > text.size()) {
        found.partial = found.partial || wanted.starts_with(text);
      } else if (wanted.size() > found.length && text.starts_with(wanted)) {
        found.length = wanted.size();
        found.name = form.name.get();
      }
    };
    if (text.size() < sizeof(std::uint32_t)) {
      for (const Form& form : forms_) consider(form);
    } else if (const auto bucket = buckets_.find(prefix_of(text)); bucket != buckets_.end()) {
      for (const std::size_t index : bucket->second) consider(forms_[index]);
    }
    return found;
  }

 private:
  struct Form {
    std::shared_ptr<const std::string> name;  // shared by the forms of one secret and by copies of the table
    SecretString text;
  };

  void mark(char first, char second) {
    pairs_.set(pair_of(first, second));
    firsts_.set(place_of(first));
  }

  std::vector<Form> forms_;
  std::unordered_map<std::uint32_t, std::vector<std::size_t>> buckets_;
  std::bitset<65536> pairs_;
  std::bitset<256> firsts_;
};

}  // namespace detail

namespace {

using Mode = RedactingStream::Mode;

/// What a scan carries from one piece of a stream to the next.
struct State {
  Mode mode = Mode::text;
  std::size_t rule = 0;
  char before = '\n';
};

/// One pass over a text.
class Scan {
 public:
  enum class End { open, final };

  Scan(const detail::Table& table, std::string_view text, End end, State state)
      : table_(table), text_(text), final_(end == End::final), state_(state) {}

  /// Goes on until the end or until more text is needed; `at()` is where it stopped.
  void run() {
    out_.reserve(text_.size());
    while (at_ < text_.size()) {
      const bool went_on = state_.mode == Mode::text ? step() : swallow();
      if (!went_on) return;
    }
  }

  [[nodiscard]] std::size_t at() const { return at_; }
  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  /// A stretch of plain text and what follows it. False if more text is needed.
  bool step() {
    std::size_t next = at_;
    while (next < text_.size() && !table_.may_start(text_, next)) ++next;
    show_to(next);
    if (at_ == text_.size()) return true;

    const auto match = table_.match(text_.substr(at_));
    if (match.partial && !final_) return false;
    if (match.length > 0) return replace(*match.name, at_ + match.length);

    bool unclear = false;
    for (std::size_t i = 0; i < known_keys().size(); ++i) {
      const KnownKey& key = known_keys()[i];
      const Sighting sighting = sight(key, text_.substr(at_), state_.before);
      unclear = unclear || sighting.verdict == Sighting::Verdict::more_needed;
      if (sighting.verdict != Sighting::Verdict::yes) continue;
      const std::size_t start = at_;
      show_to(at_ + sighting.shown);
      if (!replace(std::string(key.name), at_ + sighting.taken)) {
        // Held back: the shown part is held with it, so that the next piece sees the whole again.
        out_.resize(out_.size() - (at_ - start));
        at_ = start;
        return false;
      }
      state_.rule = i;
      state_.mode = key.kind == KnownKey::Kind::token    ? Mode::token
                    : key.kind == KnownKey::Kind::header ? Mode::line
                                                         : Mode::block;
      return true;
    }
    if (unclear && !final_) return false;
    show_to(at_ + 1);
    return true;
  }

  void show_to(std::size_t end) {
    if (end == at_) return;
    out_.append(text_.substr(at_, end - at_));
    state_.before = text_[end - 1];
    at_ = end;
  }

  /// Replaces up to `end`, or further where another secret begins inside. False if that is not clear yet.
  bool replace(const std::string& name, std::size_t end) {
    for (std::size_t inside = at_ + 1; inside < end; ++inside) {
      if (!table_.may_start(text_, inside)) continue;
      const auto match = table_.match(text_.substr(inside));
      if (match.partial && !final_) return false;
      end = std::max(end, inside + match.length);
    }
    fmt::format_to(std::back_inserter(out_), "[redacted:{}]", name);
    state_.before = text_[end - 1];
    at_ = end;
    return true;
  }

  bool swallow() {
    if (state_.mode == Mode::block) return swallow_block();
    const KnownKey& key = known_keys()[state_.rule];
    while (at_ < text_.size()) {
      // A registered secret may reach beyond the end of a token.
      if (table_.may_start(text_, at_)) {
        const auto match = table_.match(text_.substr(at_));
        if (match.partial && !final_) return false;
        if (match.length > 0) {
          at_ += match.length;
          continue;
        }
      }
      const char c = text_[at_];
      const bool inside =
          state_.mode == Mode::token ? is_of(key.characters, c) : !std::string_view("\r\n\"'\\").contains(c);
      if (!inside) {
        state_.mode = Mode::text;
        state_.before = ' ';
        return true;
      }
      ++at_;
    }
    return true;
  }

  bool swallow_block() {
    constexpr std::string_view kEnd = "-----END ";
    constexpr std::string_view kDashes = "-----";
    constexpr std::size_t kFurthest = 80;
    const std::size_t end = text_.find(kEnd, at_);
    if (end == std::string_view::npos) {
      // The end may begin in the last bytes of this piece.
      at_ = final_ ? text_.size() : std::max(at_, text_.size() - std::min(text_.size(), kEnd.size() - 1));
      return final_;
    }
    at_ = end;
    const std::size_t close = text_.find(kDashes, end + kEnd.size());
    const bool near = close != std::string_view::npos && close - end < kFurthest;
    if (!near && !final_ && text_.size() - end < kFurthest) return false;
    at_ = near ? close + kDashes.size() : end + kEnd.size();
    state_.mode = Mode::text;
    state_.before = '-';
    return true;
  }

  const detail::Table& table_;
  std::string_view text_;
  bool final_;
  State state_;
  std::string out_;
  std::size_t at_ = 0;
};

}  // namespace

Redactor::Redactor() : table_(std::make_shared<const detail::Table>()) {}
Redactor::~Redactor() = default;

Result<void> Redactor::add(std::string name, const SecretString& value) {
  if (value.size() < kShortestSecret) {
    return fail(
        Code::invalid_argument,
        fmt::format("secret '{}' has {} bytes; under {} it would occur in other text by chance and could not be "
                    "kept out of logs, so it is refused",
                    name, value.size(), kShortestSecret));
  }
  if (value.size() > kLongestSecret) {
    return fail(Code::invalid_argument,
                fmt::format("secret '{}' has {} bytes; at most {} are taken", name, value.size(), kLongestSecret));
  }
  const auto shared_name = std::make_shared<const std::string>(std::move(name));
  std::vector<SecretString> forms = forms_of(value.reveal());
  const std::lock_guard lock(mutex_);
  auto next = std::make_shared<detail::Table>(*table_);
  for (SecretString& form : forms) next->insert(shared_name, std::move(form));
  table_ = std::move(next);
  return {};
}

std::shared_ptr<const detail::Table> Redactor::table() const {
  const std::lock_guard lock(mutex_);
  return table_;
}

std::string Redactor::redact(std::string_view text) const {
  const auto current = table();
  Scan scan(*current, text, Scan::End::final, {});
  scan.run();
  return scan.take();
}

std::string RedactingStream::feed(std::string_view piece) {
  const auto table = redactor_.table();
  std::string text = std::move(held_);
  text += piece;
  Scan scan(*table, text, Scan::End::open, {mode_, rule_, before_});
  scan.run();
  held_ = text.substr(scan.at());
  wipe(text);
  mode_ = scan.state().mode;
  rule_ = scan.state().rule;
  before_ = scan.state().before;
  return scan.take();
}

std::string RedactingStream::finish() {
  const auto table = redactor_.table();
  Scan scan(*table, held_, Scan::End::final, {mode_, rule_, before_});
  scan.run();
  std::string rest = scan.take();
  wipe(held_);
  mode_ = Mode::text;
  before_ = '\n';
  return rest;
}

}  // namespace swarm::secrets
