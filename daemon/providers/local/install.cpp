#include "daemon/providers/local/install.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "daemon/providers/local/command.hpp"
#include "daemon/providers/local/files.hpp"
#include "protocol/core/nearest.hpp"

namespace swarm::local {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// The first line that says something; npm prints pages.
std::string reason(const CommandResult& result) {
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.find("warn") == std::string::npos) return line;
  }
  return fmt::format("exit status {}", result.status);
}

/// "sha512-<base64>" of a file, as registries write it.
Result<std::string> integrity_of(const fs::path& file) {
  auto bytes = read_file(file.string());
  if (!bytes) return fail(bytes.error());
  std::array<unsigned char, crypto_hash_sha512_BYTES> hash{};
  crypto_hash_sha512(hash.data(), reinterpret_cast<const unsigned char*>(bytes->data()), bytes->size());
  std::string text(sodium_base64_ENCODED_LEN(hash.size(), sodium_base64_VARIANT_ORIGINAL), '\0');
  sodium_bin2base64(text.data(), text.size(), hash.data(), hash.size(), sodium_base64_VARIANT_ORIGINAL);
  text.pop_back();
  return "sha512-" + text;
}

struct Archive {
  fs::path file;
  std::string integrity;
};

Result<Archive> fetch(const std::string& npm, const std::string& spec, const fs::path& directory) {
  const auto published = run_to_end({npm, "view", spec, "dist.integrity"}, Environment::ours);
  if (published.status < 0)
    return fail(Code::failed_precondition,
                fmt::format("'{}' cannot be run ({}): apt-get install npm", npm, published.err));
  std::string integrity = published.out;
  while (!integrity.empty() && (integrity.back() == '\n' || integrity.back() == ' ')) integrity.pop_back();
  if (published.status != 0 || integrity.empty())
    return fail(Code::not_found, fmt::format("the registry has no '{}': {}", spec, reason(published)));
  const auto packed = run_to_end(
      {npm, "pack", spec, "--json", "--ignore-scripts", "--pack-destination", directory.string()}, Environment::ours);
  if (packed.status != 0) return fail(Code::unavailable, fmt::format("npm pack {}: {}", spec, reason(packed)));
  const json answer = json::parse(packed.out, nullptr, false);
  if (!answer.is_array() || answer.empty() || !answer[0].contains("filename"))
    return fail(Code::internal, fmt::format("npm pack {}: its answer was not understood", spec));
  // The name comes from outside: only its last part counts.
  Archive archive{.file = directory / fs::path(answer[0]["filename"].get<std::string>()).filename(),
                  .integrity = integrity};
  const auto actual = integrity_of(archive.file);
  if (!actual) return fail(actual.error());
  if (*actual != integrity)
    return fail(Code::failed_precondition,
                fmt::format("'{}' is not what the registry published: {} instead of {}", spec, *actual, integrity));
  return archive;
}

Result<void> unpack(const Archive& archive, const fs::path& target) {
  const auto listing = run_to_end({"tar", "-tvzf", archive.file.string()}, Environment::none);
  if (listing.status != 0) return fail(Code::failed_precondition, fmt::format("tar -t: {}", reason(listing)));
  if (auto checked = check_listing(listing.out); !checked) return fail(checked.error());
  std::error_code error;
  fs::create_directories(target, error);
  const auto done = run_to_end({"tar", "-xzf", archive.file.string(), "-C", target.string(), "--strip-components=1",
                                "--no-same-owner", "--no-same-permissions"},
                               Environment::none);
  if (done.status != 0) return fail(Code::internal, fmt::format("tar -x: {}", reason(done)));
  return {};
}

bool is_native(const fs::path& file) {
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::array<char, 4> magic{};
  return fd && read(fd.get(), magic.data(), magic.size()) == 4 &&
         std::string_view(magic.data(), 4) ==
             "\x7f"
             "ELF";
}

/// Where the command is in an unpacked package: what package.json calls it, else a native program of that name.
Result<fs::path> find_program(const fs::path& package, const std::string& program) {
  std::error_code error;
  const json manifest = json::parse(read_file((package / "package.json").string()).value_or(""), nullptr, false);
  if (manifest.is_object() && manifest.contains("bin")) {
    const json& bin = manifest["bin"];
    const std::string named = bin.is_string() ? bin.get<std::string>() : bin.is_object() ? bin.value(program, "") : "";
    const fs::path relative = fs::path(named).lexically_normal();
    if (!named.empty() && relative.is_relative() && *relative.begin() != ".." &&
        fs::is_regular_file(package / relative, error))
      return relative;
  }
  for (fs::recursive_directory_iterator it(package, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename() == program && it->is_regular_file(error) && is_native(it->path()))
      return it->path().lexically_relative(package);
  }
  return fail(Code::failed_precondition, fmt::format("the package has no program '{}'", program));
}

Result<void> arrange(const fs::path& draft, const ToolVersion& wanted, const std::string& spec,
                     const std::string& integrity) {
  const auto program = find_program(draft / "package", wanted.tool->program);
  if (!program) return fail(program.error());
  std::error_code error;
  fs::permissions(draft / "package" / *program, fs::perms(0755), error);
  fs::create_directories(draft / "bin", error);
  fs::create_symlink(fs::path("../package") / *program, draft / "bin" / wanted.tool->program, error);
  if (error) return fail_errno("symlink", (draft / "bin").string(), error.value());
  const json note = {
      {"name", wanted.tool->name}, {"version", wanted.version}, {"package", spec}, {"integrity", integrity}};
  return replace_file((draft / "installed.json").string(), note.dump(1) + "\n");
}

}  // namespace

const std::vector<Tool>& known_tools() {
  static const std::vector<Tool> tools = {
      {"claude", "claude", "@anthropic-ai/claude-code-{platform}@{version}"},
      {"codex", "codex", "@openai/codex@{version}-{platform}"},
      {"copilot", "copilot", "@github/copilot-{platform}@{version}"},
      {"gemini", "gemini", "@google/gemini-cli@{version}"},
      {"opencode", "opencode", "opencode-{platform}@{version}"},
  };
  return tools;
}

Result<ToolVersion> parse_tool(const std::string& text) {
  const auto at = text.find('@');
  const std::string name = text.substr(0, at);
  const auto& tools = known_tools();
  const auto tool = std::ranges::find(tools, name, &Tool::name);
  if (tool == tools.end()) {
    std::vector<std::string> names;
    for (const auto& known : tools) names.push_back(known.name);
    return fail(Code::invalid_argument, fmt::format("no tool '{}' is known{}", name, did_you_mean(name, names)));
  }
  const std::string version = at == std::string::npos ? "" : text.substr(at + 1);
  const bool exact = !version.empty() && version[0] >= '0' && version[0] <= '9' &&
                     version.find('.') != std::string::npos &&
                     version.find_first_not_of("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+") ==
                         std::string::npos;
  if (!exact)
    return fail(
        Code::invalid_argument,
        fmt::format(
            "'{}': an exact version is needed, as in {}@1.2.3; what sandboxes are given must not change by itself",
            text, name));
  return ToolVersion{.tool = &*tool, .version = version};
}

std::string npm_platform() {
#if defined(__aarch64__)
  return "linux-arm64";
#else
  return "linux-x64";
#endif
}

Result<std::size_t> check_listing(const std::string& listing) {
  std::istringstream lines(listing);
  std::size_t entries = 0;
  for (std::string line; std::getline(lines, line);) {
    // "-rw-r--r-- 0/0  123 2026-01-01 00:00 package/name": five fields, then the name to the end of the line.
    std::istringstream fields(line);
    std::string mode, owner, size, day, time, name;
    fields >> mode >> owner >> size >> day >> time >> std::ws;
    std::getline(fields, name);
    if (mode.empty() || name.empty())
      return fail(Code::failed_precondition, fmt::format("archive: '{}' was not understood", line));
    if (mode[0] != '-' && mode[0] != 'd')
      return fail(Code::failed_precondition, fmt::format("archive: '{}' is neither file nor directory", name));
    const fs::path path(name);
    if (path.is_absolute() || std::ranges::find(path, fs::path("..")) != path.end())
      return fail(Code::failed_precondition, fmt::format("archive: '{}' would be unpacked elsewhere", name));
    ++entries;
  }
  if (entries == 0) return fail(Code::failed_precondition, "archive: it is empty");
  return entries;
}

Result<fs::path> install_tool(const fs::path& tools, const std::string& text, const std::string& npm) {
  const auto wanted = parse_tool(text);
  if (!wanted) return fail(wanted.error());
  const fs::path target = tools / fmt::format("{}@{}", wanted->tool->name, wanted->version);
  std::error_code error;
  if (fs::exists(target / "installed.json", error)) return target;
  fs::create_directories(tools, error);
  if (error) return fail_errno("create directory", tools.string(), error.value());
  std::string draft = (tools / ".draft-XXXXXX").string();
  if (mkdtemp(draft.data()) == nullptr) return fail_errno("mkdtemp", draft);
  chmod(draft.c_str(), 0755);

  std::string spec = wanted->tool->spec;
  for (const auto& [key, value] :
       {std::pair<std::string, std::string>{"{platform}", npm_platform()}, {"{version}", wanted->version}}) {
    if (const auto at = spec.find(key); at != std::string::npos) spec.replace(at, key.size(), value);
  }
  Result<void> done;
  const auto archive = fetch(npm, spec, draft);
  if (!archive) done = fail(archive.error());
  if (done) done = unpack(*archive, fs::path(draft) / "package");
  if (done) done = arrange(draft, *wanted, spec, archive->integrity);
  if (done) {
    fs::remove(archive->file, error);
    fs::rename(draft, target, error);
    // Somebody else may have been faster with the same version.
    if (error && !fs::exists(target / "installed.json")) done = fail_errno("rename", target.string(), error.value());
  }
  fs::remove_all(draft, error);
  if (!done) return fail(done.error(), fmt::format("install {}", text));
  return target;
}

}  // namespace swarm::local
