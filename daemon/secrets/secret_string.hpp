#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace swarm::secrets {

/// Holds a secret. Its memory is wiped when it goes, it cannot be copied by accident, and nothing prints it: neither a
/// stream nor fmt takes one. `reveal()` is the one way to the text, easy to find by name.
class SecretString {
 public:
  SecretString() = default;
  explicit SecretString(std::string_view value);
  /// Takes the text over and wipes the string that it came from.
  [[nodiscard]] static SecretString taken_from(std::string& value);

  SecretString(SecretString&& other) noexcept;
  SecretString& operator=(SecretString&& other) noexcept;
  SecretString(const SecretString&) = delete;
  SecretString& operator=(const SecretString&) = delete;
  ~SecretString();

  /// The secret itself; valid as long as this object.
  [[nodiscard]] std::string_view reveal() const { return {data_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] SecretString copy() const { return SecretString(reveal()); }

  /// Compares in constant time for equal lengths.
  bool operator==(const SecretString& other) const;

  template <class Stream>
  friend Stream& operator<<(Stream&, const SecretString&) = delete;

 private:
  void wipe();

  std::unique_ptr<char[]> data_;  // never a std::string: its small buffer would be left behind by a move
  std::size_t size_ = 0;
};

/// Overwrites what a string holds, its unused capacity too, and empties it.
void wipe(std::string& text);

}  // namespace swarm::secrets
