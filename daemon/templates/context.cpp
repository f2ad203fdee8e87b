#include "daemon/templates/context.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fnmatch.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "daemon/config/document.hpp"
#include "protocol/async/file.hpp"
#include "protocol/core/nearest.hpp"
#include "protocol/core/unique_fd.hpp"
#include "protocol/tree/atomic_file.hpp"

namespace swarm::templates {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostText = std::size_t{1} << 20U;
constexpr std::size_t kMostFiles = 100'000;
constexpr std::size_t kBlock = 512;

/// Every byte of a file of the host, in pieces.
Result<void> read_all(const fs::path& path, const std::function<Result<void>(std::string_view)>& take) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return fail_errno("open", path.native());
  std::string chunk(std::size_t{256} << 10U, '\0');
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read", path.native());
    if (got == 0) return {};
    if (auto taken = take(std::string_view(chunk).substr(0, static_cast<std::size_t>(got))); !taken) return taken;
  }
}

Result<struct stat> facts_of(const fs::path& path) {
  struct stat facts{};
  if (lstat(path.c_str(), &facts) != 0) return fail_errno("lstat", path.native());
  return facts;
}

/// Names below `root`, sorted, each directory before what is in it.
Result<std::vector<std::string>> names_below(const fs::path& root, const std::string& first) {
  std::vector<std::string> names = {first};
  std::error_code error;
  if (fs::is_directory(fs::symlink_status(root / first, error))) {
    for (fs::recursive_directory_iterator it(root / first, error), end; !error && it != end; it.increment(error)) {
      names.push_back(it->path().lexically_normal().lexically_relative(root.lexically_normal()).native());
      if (names.size() > kMostFiles)
        return fail(Code::resource_exhausted, fmt::format("'{}' has too many files", first));
    }
    if (error) return fail_errno("read directory", (root / first).native(), error.value());
  }
  std::ranges::sort(names);
  return names;
}

class Hash {
 public:
  Hash() { crypto_hash_sha256_init(&state_); }
  /// With its length, so that two pieces are never another two.
  void add(std::string_view piece) {
    const std::string length = std::to_string(piece.size()) + ":";
    raw(length);
    raw(piece);
  }
  void raw(std::string_view bytes) {
    crypto_hash_sha256_update(&state_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  }
  std::string hex() {
    std::array<unsigned char, crypto_hash_sha256_BYTES> out{};
    crypto_hash_sha256_final(&state_, out.data());
    std::string text;
    for (const unsigned char byte : out) text += fmt::format("{:02x}", byte);
    return text;
  }

 private:
  crypto_hash_sha256_state state_{};
};

Result<Files> files_of(const Step& step, const fs::path& directory, const fs::path& bundle) {
  std::string source = fs::path(step.args[0]).lexically_normal().native();
  while (source.starts_with('/')) source.erase(0, 1);
  if (source.ends_with('/')) source.pop_back();
  if (source.empty()) source = ".";
  if (source == ".." || source.starts_with("../")) {
    return fail(Code::invalid_argument, fmt::format("COPY {}: it lies outside of the directory", step.args[0]));
  }
  Files files{.root = directory};
  std::error_code ignored;
  std::vector<std::string> first;
  if (source.find_first_of("*?[") == std::string::npos) {
    // agentd comes with the installation.
    if (source == "agentd" && !fs::exists(fs::symlink_status(directory / source, ignored))) {
      files.root = bundle;
    } else if (!fs::exists(fs::symlink_status(directory / source, ignored))) {
      return fail(Code::not_found,
                  fmt::format("COPY {}: there is no such file in '{}'", step.args[0], directory.native()));
    }
    first = {source};
  } else {
    for (const auto& entry : fs::directory_iterator(directory / fs::path(source).parent_path(), ignored)) {
      const std::string name =
          entry.path().lexically_normal().lexically_relative(directory.lexically_normal()).native();
      if (fnmatch(source.c_str(), name.c_str(), FNM_PATHNAME | FNM_PERIOD) == 0) first.push_back(name);
    }
    if (first.empty()) return fail(Code::not_found, fmt::format("COPY {}: nothing has such a name", step.args[0]));
    std::ranges::sort(first);
  }
  for (const std::string& name : first) {
    Result<std::vector<std::string>> below = names_below(files.root, files.root == bundle ? "." : name);
    if (!below) return fail(below.error());
    std::ranges::move(*below, std::back_inserter(files.names));
  }
  Hash hash;
  hash.add(fmt::format("COPY {} {}", step.args[0], step.args[1]));
  for (const std::string& name : files.names) {
    const Result<struct stat> facts = facts_of(files.root / name);
    if (!facts) return fail(facts.error());
    hash.add(name);
    hash.add(std::to_string(facts->st_mode & 07777U));
    if (S_ISREG(facts->st_mode)) {
      files.size_bytes += static_cast<std::uint64_t>(facts->st_size);
      hash.raw(std::to_string(facts->st_size) + ":");
      auto read = read_all(files.root / name, [&hash](std::string_view bytes) -> Result<void> {
        hash.raw(bytes);
        return {};
      });
      if (!read) return fail(read.error());
    } else if (S_ISLNK(facts->st_mode)) {
      hash.add(fs::read_symlink(files.root / name, ignored).native());
    } else if (!S_ISDIR(facts->st_mode)) {
      return fail(Code::invalid_argument,
                  fmt::format("COPY {}: '{}' is no file, directory or link", step.args[0], name));
    }
  }
  files.hash = hash.hex();
  return files;
}

/// What the definition may say, as E2B's `e2b.toml` has it, and `target`.
struct Definition {
  std::string template_name;
  std::string template_id;
  std::string team_id;
  std::string dockerfile = "e2b.Dockerfile";
  std::string target;
  std::string from_template;
  std::string start_cmd;
  std::string ready_cmd;
  std::int64_t cpu_count = 2;
  std::int64_t memory_mb = 1024;
};

Result<Definition> read_definition(const std::string& text, const std::string& name) {
  const config::Document document = config::parse_document(text);
  const auto wrong = [&name](config::Position at, const std::string& why) {
    return fail(Code::invalid_argument, fmt::format("{} line {}: {}", name, at.line, why));
  };
  if (document.mistake) return wrong(document.mistake->at, document.mistake->message);
  Definition out;
  const std::map<std::string, std::string*> texts = {
      {"template_name", &out.template_name}, {"template_id", &out.template_id}, {"team_id", &out.team_id},
      {"dockerfile", &out.dockerfile},       {"target", &out.target},           {"from_template", &out.from_template},
      {"start_cmd", &out.start_cmd},         {"ready_cmd", &out.ready_cmd}};
  const std::map<std::string, std::int64_t*> numbers = {{"cpu_count", &out.cpu_count}, {"memory_mb", &out.memory_mb}};
  for (const config::Member& member : document.root) {
    if (const auto text_at = texts.find(member.key); text_at != texts.end()) {
      const auto* value = std::get_if<std::string>(&member.value.value);
      if (value == nullptr)
        return wrong(member.at, fmt::format("{} is a text, not {}", member.key, member.value.describe()));
      *text_at->second = *value;
    } else if (const auto number_at = numbers.find(member.key); number_at != numbers.end()) {
      const auto* value = std::get_if<std::int64_t>(&member.value.value);
      if (value == nullptr || *value <= 0 || *value > 1'000'000) {
        return wrong(member.at, fmt::format("{} is a number above zero, not {}", member.key, member.value.describe()));
      }
      *number_at->second = *value;
    } else {
      std::vector<std::string> known;
      for (const auto& [key, unused] : texts) known.push_back(key);
      for (const auto& [key, unused] : numbers) known.push_back(key);
      return wrong(member.at, fmt::format("unknown key '{}'{}", member.key, did_you_mean(member.key, known)));
    }
  }
  return out;
}

// The tar format, as POSIX 1988 has it, with GNU's long names.

void put_octal(std::span<char> field, std::uint64_t number) {
  const std::string text = fmt::format("{:0{}o}", number, field.size() - 1);
  std::memcpy(field.data(), text.data(), std::min(text.size(), field.size() - 1));
}

std::string header_of(std::string_view name, char kind, mode_t mode, std::uint64_t size, std::string_view link) {
  std::string block(kBlock, '\0');
  const auto field = [&block](std::size_t at, std::size_t length) {
    return std::span<char>(block).subspan(at, length);
  };
  std::memcpy(block.data(), name.data(), std::min<std::size_t>(name.size(), 100));
  put_octal(field(100, 8), mode);
  put_octal(field(108, 8), 0);
  put_octal(field(116, 8), 0);
  put_octal(field(124, 12), size);
  put_octal(field(136, 12), 0);  // no time: the same files are the same archive
  std::memset(block.data() + 148, ' ', 8);
  block[156] = kind;
  std::memcpy(block.data() + 157, link.data(), std::min<std::size_t>(link.size(), 100));
  std::memcpy(block.data() + 257, "ustar  ", 8);
  std::uint64_t sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put_octal(field(148, 7), sum);
  return block;
}

std::string padding(std::uint64_t size) { return std::string((kBlock - size % kBlock) % kBlock, '\0'); }

std::string long_name(std::string_view name, char kind) {
  const std::string text = std::string(name) + '\0';
  return header_of("././@LongLink", kind, 0, text.size(), "") + text + padding(text.size());
}

}  // namespace

Result<Plan> read_plan(const api::TemplateBuildRequest& request, const fs::path& bundle) {
  const fs::path directory(request.directory.bytes);
  const auto read = [&directory](const std::string& name) -> Result<std::string> {
    Result<std::string> text = async::read_file_now((directory / name).native(), kMostText);
    if (!text) return fail(text.error(), fmt::format("template '{}'", directory.native()));
    return text;
  };
  const Result<std::string> text = read(request.definition);
  if (!text) return fail(text.error());
  const Result<Definition> definition = read_definition(*text, request.definition);
  if (!definition) return fail(definition.error());
  const Result<std::string> dockerfile = read(definition->dockerfile);
  if (!dockerfile) return fail(dockerfile.error());
  Result<Recipe> recipe = read_dockerfile(*dockerfile, definition->target, request.args);
  if (!recipe) return fail(recipe.error());

  Plan plan{.name = request.name.value_or(definition->template_name.empty() ? definition->template_id
                                                                            : definition->template_name),
            .from_template = request.from_template.value_or(definition->from_template),
            .start = definition->start_cmd.empty() ? recipe->command : definition->start_cmd,
            .ready = definition->ready_cmd,
            .cpus = static_cast<std::uint32_t>(definition->cpu_count),
            .memory_mib = static_cast<std::uint32_t>(definition->memory_mb)};
  if (plan.name.empty()) {
    return fail(Code::invalid_argument,
                fmt::format("{}: template_name is missing; or give a name", request.definition));
  }
  if (plan.from_template.empty()) plan.image = recipe->image;
  const bool names_user = std::ranges::count(recipe->steps, "USER", &Step::type) > 1;
  if (!names_user) {
    // Where a Dockerfile says nothing, a sandbox is its user's.
    recipe->steps.push_back({.type = "USER", .args = {"user"}});
    recipe->steps.push_back({.type = "WORKDIR", .args = {"/home/user"}});
  }
  for (Step& step : recipe->steps) {
    Plan::PlannedStep planned{.step = std::move(step), .files = std::nullopt};
    if (planned.step.type == "COPY") {
      Result<Files> files = files_of(planned.step, directory, bundle);
      if (!files) return fail(files.error());
      if (files->root == bundle) planned.step.args[0] = ".";
      planned.files = std::move(*files);
    }
    plan.steps.push_back(std::move(planned));
  }
  return plan;
}

Result<void> write_archive(const Files& files, const fs::path& path) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("open", path.native());
  const auto put = [&fd](std::string_view bytes) { return tree::write_fully(fd.get(), bytes); };
  for (const std::string& name : files.names) {
    if (name == ".") continue;
    const Result<struct stat> facts = facts_of(files.root / name);
    if (!facts) return fail(facts.error());
    std::string link;
    char kind = '0';
    std::uint64_t size = 0;
    if (S_ISDIR(facts->st_mode)) {
      kind = '5';
    } else if (S_ISLNK(facts->st_mode)) {
      kind = '2';
      std::error_code error;
      link = fs::read_symlink(files.root / name, error).native();
      if (error) return fail_errno("readlink", name, error.value());
    } else {
      size = static_cast<std::uint64_t>(facts->st_size);
    }
    const std::string shown = kind == '5' ? name + "/" : name;
    std::string head;
    if (link.size() > 100) head += long_name(link, 'K');
    if (shown.size() > 100) head += long_name(shown, 'L');
    head += header_of(shown, kind, facts->st_mode & 07777U, size, link);
    if (auto written = put(head); !written) return written;
    if (kind != '0') continue;
    std::uint64_t sent = 0;
    auto copied = read_all(files.root / name, [&](std::string_view bytes) -> Result<void> {
      sent += bytes.size();
      if (sent > size) return fail(Code::unavailable, fmt::format("'{}' grew while it was read", name));
      return put(bytes);
    });
    if (!copied) return copied;
    if (sent != size) return fail(Code::unavailable, fmt::format("'{}' changed while it was read", name));
    if (auto written = put(padding(size)); !written) return written;
  }
  return put(std::string(kBlock * 2, '\0'));
}

}  // namespace swarm::templates
