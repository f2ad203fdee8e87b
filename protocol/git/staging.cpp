#include "protocol/git/staging.hpp"

#include <fmt/format.h>
#include <git2.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>

#include <cstring>

namespace swarm::git {

/// libgit2's face of the objects in memory. No exception may cross its frames.
struct Staging::Backend : git_odb_backend {
  Staging* owner = nullptr;

  static const Object* find(git_odb_backend* self, const git_oid* id) {
    const Staging& staging = *static_cast<Backend*>(self)->owner;
    const auto found = staging.objects_.find(Oid(*id));
    return found == staging.objects_.end() ? nullptr : &found->second;
  }
  static int read_object(void** data, std::size_t* size, git_object_t* type, git_odb_backend* self, const git_oid* id) {
    const Object* object = find(self, id);
    if (object == nullptr) return GIT_ENOTFOUND;
    *data = git_odb_backend_data_alloc(self, object->data.size());
    if (*data == nullptr) return GIT_ERROR;
    std::memcpy(*data, object->data.data(), object->data.size());
    *size = object->data.size();
    *type = static_cast<git_object_t>(object->type);
    return 0;
  }
  static int read_size(std::size_t* size, git_object_t* type, git_odb_backend* self, const git_oid* id) {
    const Object* object = find(self, id);
    if (object == nullptr) return GIT_ENOTFOUND;
    *size = object->data.size();
    *type = static_cast<git_object_t>(object->type);
    return 0;
  }
  static int has(git_odb_backend* self, const git_oid* id) { return find(self, id) != nullptr ? 1 : 0; }
  static int put(git_odb_backend* self, const git_oid* id, const void* data, std::size_t size, git_object_t type) {
    try {
      return static_cast<Backend*>(self)->owner->add(id, data, size, type);
    } catch (const std::exception&) {
      return GIT_ERROR;
    }
  }
  static void drop(git_odb_backend* self) { delete static_cast<Backend*>(self); }  // NOLINT: libgit2 is the owner
};

namespace {

enum class Writes { no, yes };

/// Adds what is on disk at `objects`, loose and packed; gives the loose part. Packs that come later are not looked for:
/// libgit2 would list the directory once for each object that is new, twice for one that is written.
Result<git_odb_backend*> add_disk(git_odb* odb, const std::string& objects, Writes writes) {
  git_odb_backend* packed = nullptr;
  if (const int code = git_odb_backend_pack(&packed, objects.c_str()); code < 0) return failed(code, "packs");
  packed->refresh = nullptr;
  if (const int code = git_odb_add_alternate(odb, packed, 1); code < 0) {
    packed->free(packed);
    return failed(code, "packs");
  }
  git_odb_backend* loose = nullptr;
  constexpr int kDefault = -1;
  if (const int code = git_odb_backend_loose(&loose, objects.c_str(), kDefault, 0, 0755, 0444); code < 0) {
    return failed(code, "objects");
  }
  const int code = writes == Writes::yes ? git_odb_add_backend(odb, loose, 2) : git_odb_add_alternate(odb, loose, 2);
  if (code < 0) {
    loose->free(loose);
    return failed(code, "objects");
  }
  return loose;
}

}  // namespace

Result<Repository> open_bare(const std::string& git_dir) {
  library();
  return made<Repository>("open repository", [&](git_repository** out) {
    return git_repository_open_ext(
        out, git_dir.c_str(), GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE | GIT_REPOSITORY_OPEN_NO_DOTGIT,
        nullptr);
  });
}

Staging::~Staging() = default;

Result<std::unique_ptr<Staging>> Staging::open(const std::string& git_dir, std::uint64_t limit_bytes) {
  Result<Repository> repository = open_bare(git_dir);
  if (!repository) return fail(repository.error());
  std::unique_ptr<Staging> staging(new Staging);
  staging->limit_bytes_ = limit_bytes;
  staging->repository_ = std::move(*repository);
  const std::string objects = git_dir + "/objects";
  Result<Odb> store = made<Odb>("objects", [](git_odb** out) { return git_odb_new(out); });
  if (!store) return fail(store.error());
  staging->store_ = std::move(*store);
  Result<Odb> both = made<Odb>("objects", [](git_odb** out) { return git_odb_new(out); });
  if (!both) return fail(both.error());
  auto backend = std::make_unique<Backend>();
  if (git_odb_init_backend(backend.get(), GIT_ODB_BACKEND_VERSION) < 0) return failed(-1, "objects");
  backend->owner = staging.get();
  backend->read = &Backend::read_object;
  backend->read_header = &Backend::read_size;
  backend->exists = &Backend::has;
  backend->write = &Backend::put;
  backend->free = &Backend::drop;
  if (const int code = git_odb_add_backend(both->get(), backend.get(), 999); code < 0) return failed(code, "objects");
  static_cast<void>(backend.release());
  for (git_odb* odb : {staging->store_.get(), both->get()}) {
    const bool is_store = odb == staging->store_.get();
    const Result<git_odb_backend*> loose = add_disk(odb, objects, is_store ? Writes::yes : Writes::no);
    if (!loose) return fail(loose.error());
    if (is_store) staging->loose_ = *loose;
  }
  // The repository takes a reference of its own.
  if (const int code = git_repository_set_odb(staging->repository_.get(), both->get()); code < 0) {
    return failed(code, "objects");
  }
  return staging;
}

int Staging::add(const git_oid* id, const void* data, std::size_t size, int type) {
  const Oid key(*id);
  // libgit2 writes again what it cannot touch, and with an agent's rights it can touch nothing of the store.
  if (objects_.contains(key) || git_odb_exists(store_.get(), id) != 0) return 0;
  if (bytes_ + size > limit_bytes_) {
    trouble_ = Error{.code = Code::resource_exhausted,
                     .message = fmt::format("more than {} bytes are new at once; commit in parts, or leave large files "
                                            "out by .gitignore",
                                            limit_bytes_)};
    git_error_set_str(GIT_ERROR_ODB, trouble_->message.c_str());
    return GIT_EUSER;
  }
  bytes_ += size;
  objects_.emplace(key, Object{.type = type, .data = std::string(static_cast<const char*>(data), size)});
  order_.push_back(key);
  return 0;
}

Result<void> Staging::store() {
  for (const Oid& id : order_) {
    const Object& object = objects_.at(id);
    const int code =
        loose_->write(loose_, id.get(), object.data.data(), object.data.size(), static_cast<git_object_t>(object.type));
    if (code < 0) return failed(code, "store object");
  }
  order_.clear();
  objects_.clear();
  bytes_ = 0;
  return {};
}

}  // namespace swarm::git
