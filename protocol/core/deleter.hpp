#pragma once

#include <memory>

namespace swarm {

/// Turns a C library's free function into a deleter: `using Stmt = CPtr<sqlite3_stmt, sqlite3_finalize>`.
template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

/// Owns an object of a C library.
template <class T, auto Free>
using CPtr = std::unique_ptr<T, Deleter<Free>>;

}  // namespace swarm
