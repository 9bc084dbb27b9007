// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/records.h"

#include <sys/mman.h>

#include <new>

namespace ullage::trace::go {
namespace {

// Smaller arrays come from the heap, where many of them share a page.
constexpr std::size_t kOwnPagesMin = 2048;

}  // namespace

StepArray::StepArray(std::size_t count) : count_(count) {
  if (count < kOwnPagesMin) {
    if (count != 0) steps_ = new Step[count]();
    return;
  }
  void* const pages = mmap(nullptr, count * sizeof(Step), PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  steps_ = static_cast<Step*>(pages);
}

StepArray::~StepArray() {
  if (count_ < kOwnPagesMin) {
    delete[] steps_;
  } else {
    munmap(steps_, count_ * sizeof(Step));
  }
}

}  // namespace ullage::trace::go
