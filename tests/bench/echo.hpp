#pragma once
// An echo server on bare libuv: what ours are measured beside.

#include <unistd.h>
#include <uv.h>

#include <array>
#include <deque>
#include <vector>

#include "protocol/async/fd.hpp"

namespace swarm::bench {

/// The rival: what libuv itself costs for so many connections. `uv_try_write` is its fastest way to answer. Ends the
/// process with its last word.
inline void serve_echoes(std::vector<UniqueFd> fds) {
  uv_loop_t loop;
  uv_loop_init(&loop);
  std::deque<uv_pipe_t> pipes;
  for (UniqueFd& fd : fds) {
    uv_pipe_t& pipe = pipes.emplace_back();
    uv_pipe_init(&loop, &pipe, 0);
    uv_pipe_open(&pipe, fd.release());
    uv_read_start(
        reinterpret_cast<uv_stream_t*>(&pipe),  // NOLINT: libuv's own way to a base handle
        [](uv_handle_t*, std::size_t, uv_buf_t* into) {
          static std::array<char, 65536> buffer;
          *into = uv_buf_init(buffer.data(), buffer.size());
        },
        [](uv_stream_t* stream, ssize_t size, const uv_buf_t* bytes) {
          if (size < 0) ::_exit(0);
          const uv_buf_t out = uv_buf_init(bytes->base, static_cast<unsigned>(size));
          if (size > 0 && uv_try_write(stream, &out, 1) != size) ::_exit(1);
        });
  }
  uv_run(&loop, UV_RUN_DEFAULT);
}

/// The same for one connection.
inline void serve_echo(UniqueFd fd) {
  std::vector<UniqueFd> one;
  one.push_back(std::move(fd));
  serve_echoes(std::move(one));
}

}  // namespace swarm::bench
