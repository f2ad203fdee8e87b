#include "protocol/async/signals.hpp"

namespace swarm::async {

SignalWatcher::SignalWatcher(Loop& loop, int number)
    : arrived_(loop), handle_(std::make_unique<uv_signal_t>().release()) {
  uv_signal_init(loop.raw(), handle_);
  handle_->data = this;
  uv_signal_start(
      handle_,
      [](uv_signal_t* handle, int /*number*/) {
        auto* self = static_cast<SignalWatcher*>(handle->data);
        if (self == nullptr) return;
        ++self->pending_;
        self->arrived_.notify_all();
      },
      number);
}

SignalWatcher::~SignalWatcher() {
  handle_->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(handle_),  // NOLINT: libuv's own way to a base handle
           [](uv_handle_t* handle) { delete reinterpret_cast<uv_signal_t*>(handle); });  // NOLINT
}

Task<> SignalWatcher::next() {
  while (pending_ == 0) co_await arrived_.wait();
  --pending_;
}

}  // namespace swarm::async
