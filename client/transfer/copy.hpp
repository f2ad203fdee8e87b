#pragma once
// Files and trees between this machine and a sandbox. A local file or tree never passes through memory as a whole, and
// what comes from a sandbox never leads out of the directory that it is put into.

#include "client/connect.hpp"
#include "client/transfer/place.hpp"

namespace swarm::client {

struct CopyOptions {
  std::string user;     ///< as whom inside; empty: the sandbox's default
  bool raw = false;     ///< a stream to a terminal keeps its control sequences
  bool refuse = false;  ///< what is there already stays, and the copy fails
  std::vector<std::string> exclude;
};

/// What was copied.
struct Copied {
  std::uint64_t files = 0;
  std::uint64_t directories = 0;
  std::uint64_t links = 0;
  std::uint64_t size_bytes = 0;
  std::vector<std::string> skipped;
  std::string target;
};

/// Into a sandbox. `from` is local or the stream.
async::Task<Result<Copied>> copy_in(Context& context, Client& client, CopyPlace from, CopyPlace to,
                                    CopyOptions options);

/// Out of a sandbox. `to` is local or the stream; a directory goes to the stream as a tar archive.
async::Task<Result<Copied>> copy_out(Context& context, Client& client, CopyPlace from, CopyPlace to,
                                     CopyOptions options);

}  // namespace swarm::client
