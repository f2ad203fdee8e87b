#include "daemon/secrets/vault.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <set>

#include "daemon/config/schema.hpp"
#include "daemon/secrets/sources.hpp"
#include "protocol/async/blocking.hpp"
#include "protocol/async/file.hpp"
#include "protocol/async/loop.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/places/places.hpp"

namespace swarm::secrets {
namespace {

std::string origin_of(const config::Secret& secret) {
  switch (secret.source) {
    case config::SecretSource::stored:
      return "stored";
    case config::SecretSource::environment:
      return "environment variable " + secret.variable;
    case config::SecretSource::file:
      return "file " + secret.file.string();
    case config::SecretSource::credential:
      return "credential " + secret.credential;
    case config::SecretSource::command:
      // Its arguments may say more than they should.
      return "command " + secret.command.front();
  }
  return "stored";
}

Result<void> store(const std::filesystem::path& directory, const std::string& name, const SecretString& value) {
  if (auto made = ensure_directory(directory, 0700, ::geteuid()); !made) return made;
  return async::write_file_atomic_now((directory / name).string(), value.reveal(), 0600, async::Sync::power);
}

}  // namespace

Vault::Vault(async::Loop& loop, Redactor& redactor, Places places, std::map<std::string, config::Secret> declared,
             std::map<std::string, SecretString> from_environment)
    : loop_(loop),
      redactor_(redactor),
      places_(std::move(places)),
      declared_(std::move(declared)),
      from_environment_(std::move(from_environment)) {
  // What came with the environment is known at once, so it is redacted at once. Values too short to be redacted are
  // refused at their use, with the reason.
  for (const auto& [name, value] : from_environment_) (void)redactor_.add(name, value);
}

Result<config::Secret> Vault::find(const std::string& name) const {
  if (const auto found = declared_.find(name); found != declared_.end()) return found->second;
  std::vector<std::string> names = stored_names();
  if (std::ranges::find(names, name) != names.end()) return config::Secret{};
  for (const auto& [known, secret] : declared_) names.push_back(known);
  return fail(Code::not_found,
              fmt::format("there is no secret '{}'{}; store it with 'swarmctl secret set', or declare where it "
                          "comes from in [secret.NAME]",
                          name, did_you_mean(name, names)));
}

async::Task<Result<SecretString>> Vault::get(std::string name) {
  if (const auto known = values_.find(name); known != values_.end()) co_return known->second.copy();
  const Result<config::Secret> secret = find(name);
  if (!secret) co_return fail(secret.error());
  const std::uint64_t generation = generation_;
  Result<SecretString> value = co_await read(name, *secret);
  if (!value) co_return fail(value.error(), fmt::format("secret '{}'", name));
  if (Result<void> added = redactor_.add(name, *value); !added) co_return fail(added.error());
  if (generation == generation_) values_[name] = value->copy();
  co_return value;
}

async::Task<Result<SecretString>> Vault::get_for(std::string name, Use use) {
  const Result<config::Secret> secret = find(name);
  if (!secret) co_return fail(secret.error());
  if (Result<void> granted = check_grant(name, *secret, use); !granted) co_return fail(granted.error());
  Result<SecretString> value = co_await get(std::move(name));
  co_return value;
}

async::Task<Result<void>> Vault::check(std::string name) {
  const Result<SecretString> value = co_await get(std::move(name));
  if (!value) co_return fail(value.error());
  co_return {};
}

async::Task<Result<SecretString>> Vault::read(std::string name, config::Secret secret) {
  switch (secret.source) {
    case config::SecretSource::environment: {
      const auto found = from_environment_.find(name);
      if (found != from_environment_.end() && !found->second.empty()) co_return found->second.copy();
      co_return fail(Code::failed_precondition,
                     fmt::format("the environment variable {} was not set when the daemon started", secret.variable));
    }
    case config::SecretSource::credential:
      if (places_.credentials.empty()) {
        co_return fail(Code::failed_precondition,
                       fmt::format("systemd gave no credentials (CREDENTIALS_DIRECTORY is not set); add "
                                   "LoadCredential={}:... to the unit",
                                   secret.credential));
      }
      co_return read_secret_file(places_.credentials / secret.credential, FileTrust::managed);
    case config::SecretSource::file:
      co_return read_secret_file(secret.file, FileTrust::private_to_owner);
    case config::SecretSource::stored: {
      Result<SecretString> value = read_secret_file(places_.stored / name, FileTrust::private_to_owner);
      if (!value && value.error().code == Code::not_found) {
        co_return fail(Code::not_found, fmt::format("nothing is stored yet; run 'swarmctl secret set {}'", name));
      }
      co_return value;
    }
    case config::SecretSource::command: {
      Result<SecretString> value = co_await read_from_command(loop_, redactor_, std::move(secret));
      co_return value;
    }
  }
  co_return fail(Code::internal, "unknown source");
}

async::Task<Result<void>> Vault::set(std::string name, SecretString value) {
  if (!config::is_instance_name(name)) {
    co_return fail(Code::invalid_argument, fmt::format("'{}' is no name for a secret; use a-z, 0-9, _ and -", name));
  }
  const auto declared = declared_.find(name);
  if (declared != declared_.end() && declared->second.source != config::SecretSource::stored) {
    co_return fail(Code::failed_precondition,
                   fmt::format("secret '{}' comes from {}; change it there, or set secret.{}.source = \"stored\"", name,
                               origin_of(declared->second), name));
  }
  // Refuses what cannot be redacted before it is anywhere.
  if (Result<void> added = redactor_.add(name, value); !added) co_return fail(added.error());
  // The job owns its copy: it goes on when this task is dropped. Shared because the pool copies the call.
  auto owned = std::make_shared<const SecretString>(value.copy());
  Result<void> written = co_await async::run_blocking(
      loop_, [directory = places_.stored, name, owned] { return store(directory, name, *owned); });
  if (!written) co_return fail(written.error(), fmt::format("store secret '{}'", name));
  ++generation_;
  values_[name] = std::move(value);
  co_return {};
}

Result<void> Vault::remove(const std::string& name) {
  if (!config::is_instance_name(name))
    return fail(Code::invalid_argument, fmt::format("'{}' is no name for a secret", name));
  const std::filesystem::path path = places_.stored / name;
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return fail(Code::not_found, fmt::format("no secret '{}' is stored", name));
    return fail_errno("unlink", path.native());
  }
  ++generation_;
  values_.erase(name);
  return {};
}

std::vector<std::string> Vault::stored_names() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(places_.stored, error)) {
    // Temporary files of a write that was cut off have a dot.
    std::string name = entry.path().filename().string();
    if (config::is_instance_name(name)) names.push_back(std::move(name));
  }
  return names;
}

std::vector<Listed> Vault::list() const {
  std::map<std::string, Listed> all;
  for (const std::string& name : stored_names()) {
    const config::Secret defaults;
    all[name] = {name, "stored", false, defaults.swarms, defaults.roles, defaults.hosts};
  }
  for (const auto& [name, secret] : declared_) {
    all[name] = {name, origin_of(secret), true, secret.swarms, secret.roles, secret.hosts};
  }
  std::vector<Listed> result;
  for (auto& [name, listed] : all) result.push_back(std::move(listed));
  return result;
}

void Vault::redeclare(std::map<std::string, config::Secret> declared) {
  ++generation_;
  declared_ = std::move(declared);
  values_.clear();
}

}  // namespace swarm::secrets
