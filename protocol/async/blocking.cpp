#include "protocol/async/blocking.hpp"

#include <cstdlib>

namespace swarm::async::detail {

void BlockingJob::submit(std::shared_ptr<BlockingJob> job) {
  struct Request {
    uv_work_t uv{};
    std::shared_ptr<BlockingJob> job;
  };
  auto* request = new Request{.job = std::move(job)};  // freed in the after-work callback: libuv holds it until then
  request->uv.data = request;
  Loop& loop = request->job->loop_;
  loop.work_started();
  const int queued = uv_queue_work(
      loop.raw(), &request->uv, [](uv_work_t* uv) { static_cast<Request*>(uv->data)->job->work(); },
      [](uv_work_t* uv, int /*status*/) {
        const std::unique_ptr<Request> done(static_cast<Request*>(uv->data));
        BlockingJob& finished = *done->job;
        finished.finished_ = true;
        finished.loop_.work_finished();
        if (finished.waiter_ != nullptr) finished.loop_.make_ready(*finished.waiter_);
      });
  if (queued != 0) std::abort();  // only a null callback can be refused
}

}  // namespace swarm::async::detail
