// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/workers.h"

namespace ullage::trace::go {

Workers::Workers(unsigned count) {
  for (unsigned i = 1; i < count; ++i) threads_.emplace_back([this, i] { serve(i); });
}

Workers::~Workers() {
  stop_ = true;
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Workers::run(std::size_t tasks, const Task& task) {
  if (threads_.empty() || tasks < 2) {
    for (std::size_t i = 0; i < tasks; ++i) task(0, i);
    return;
  }
  task_ = &task;
  tasks_ = tasks;
  next_ = 0;
  busy_ = static_cast<unsigned>(threads_.size());
  round_.fetch_add(1);
  round_.notify_all();
  work(0);
  for (unsigned busy = busy_; busy != 0; busy = busy_) busy_.wait(busy);
}

void Workers::work(unsigned worker) {
  for (std::size_t i = next_++; i < tasks_; i = next_++) (*task_)(worker, i);
}

void Workers::serve(unsigned worker) {
  for (unsigned seen = 0;;) {
    round_.wait(seen);
    seen = round_;
    if (stop_) return;
    work(worker);
    if (busy_.fetch_sub(1) == 1) busy_.notify_one();
  }
}

}  // namespace ullage::trace::go
