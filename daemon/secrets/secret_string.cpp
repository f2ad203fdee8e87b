#include "daemon/secrets/secret_string.hpp"

#include <sodium.h>

namespace swarm::secrets {

SecretString::SecretString(std::string_view value)
    : data_(value.empty() ? nullptr : std::make_unique<char[]>(value.size())), size_(value.size()) {
  if (!value.empty()) std::memcpy(data_.get(), value.data(), value.size());
}

SecretString SecretString::taken_from(std::string& value) {
  SecretString result(value);
  secrets::wipe(value);
  return result;
}

SecretString::SecretString(SecretString&& other) noexcept
    : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

SecretString& SecretString::operator=(SecretString&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

SecretString::~SecretString() { wipe(); }

void SecretString::wipe() {
  if (data_) sodium_memzero(data_.get(), size_);
  data_.reset();
  size_ = 0;
}

bool SecretString::operator==(const SecretString& other) const {
  if (size_ != other.size_) return false;
  return size_ == 0 || sodium_memcmp(data_.get(), other.data_.get(), size_) == 0;
}

void wipe(std::string& text) {
  text.resize(text.capacity());
  sodium_memzero(text.data(), text.size());
  text.clear();
}

}  // namespace swarm::secrets
