// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/strict.h"

#include <algorithm>
#include <memory>
#include <unordered_map>

#include "trace/go_trace/order.h"
#include "trace/go_trace/stacks.h"
#include "trace/go_trace/strict_totals.h"

namespace ullage::trace::go {
namespace {

// The batches of one thread in a generation, and the event of it that comes next.
struct Front {
  std::uint64_t thread = 0;
  std::vector<std::uint32_t> batches;
  std::size_t next_batch = 0;
  EventCursor event;
};

class StrictReader {
 public:
  StrictReader(const Input& input, int version)
      : input_(input), version_(version), container_(input.bytes(), version) {}

  Result<StrictReport> read(const std::function<void(double)>& progress) {
    Generation generation;
    while (container_.next(generation)) {
      if (!read_generation(generation)) {
        // What was cut may lack anything: as much as has been verified stands.
        if (cut(generation)) {
          report_.left_out = "Verified to byte " + std::to_string(report_.verified_bytes) +
                             "; the generation after it is cut (" + problem_ + ").";
          break;
        }
        return Error{Code::kInvalid, input_.name() + ": " + problem_ +
                                         ".\n  The trace is broken or not of this format; without "
                                         "--verify it is read as far as it makes sense."};
      }
      if (cut(generation)) {
        report_.left_out = "The last generation is cut: " + container_.problem() + ".";
      } else {
        report_.verified_bytes = generation.end;
      }
      input_.drop(generation.begin, generation.end - generation.begin);
      if (progress) {
        progress(static_cast<double>(generation.end) / static_cast<double>(input_.bytes().size()));
      }
    }
    if (!container_.problem().empty() && !container_.cut()) {
      return Error{Code::kInvalid, input_.name() + ": byte " +
                                       std::to_string(container_.problem_at()) + ": " +
                                       container_.problem() +
                                       ".\n  The trace is damaged from there on; without "
                                       "--verify it is read up to there."};
    }
    sums_.finish(report_.totals, container_);
    return std::move(report_);
  }

 private:
  bool cut(const Generation& generation) const {
    return container_.cut() && generation.last && !generation.ended;
  }

  bool fail(std::size_t at, std::string why) {
    problem_ = "byte " + std::to_string(at) + ": " + std::move(why);
    return false;
  }

  bool check_tables(const Generation& generation) {
    if (!tables_.problem.empty()) return fail(tables_.problem_at, tables_.problem);
    if (tables_.ticks_per_second == 0) {
      return fail(generation.begin, "its generation tells no frequency");
    }
    if (version_ >= 25 && !tables_.has_snapshot) {
      return fail(generation.begin, "its generation has no clock snapshot");
    }
    for (const RawFrame& frame : tables_.frames) {
      for (const std::uint64_t id : {frame.function, frame.file}) {
        if (id != 0 && tables_.string_ids.find(id) == Ids::kAbsent) {
          return fail(generation.begin, "a stack of its generation refers to string " +
                                            std::to_string(id) + ", which is not there");
        }
      }
    }
    for (const CpuSample& sample : tables_.samples) {
      if (sample.stack != 0 && tables_.stack_ids.find(sample.stack) == Ids::kAbsent) {
        return fail(sample.offset, "the stack of a CPU sample is not in the table");
      }
    }
    return true;
  }

  bool read_generation(const Generation& generation) {
    tables_.clear();
    tables_.read(input_.bytes(), generation, version_);
    if (!check_tables(generation)) return false;
    clock_ = Clock::of_frequency(tables_.ticks_per_second);
    order_.begin_generation(tables_, generation.number);
    sums_.begin_generation(tables_);
    if (!open_fronts(generation)) return false;
    while (!heap_.empty()) {
      if (!advance(generation)) return false;
    }
    return true;
  }

  bool open_fronts(const Generation& generation) {
    std::unordered_map<std::uint64_t, Front*> by_thread;
    fronts_.clear();
    heap_.clear();
    for (std::uint32_t i = 0; i < generation.timed.size(); ++i) {
      Front*& front = by_thread[generation.timed[i].thread];
      if (front == nullptr) {
        fronts_.push_back(std::make_unique<Front>(
            Front{generation.timed[i].thread, {}, 0, {input_.bytes(), clock_, version_}}));
        front = fronts_.back().get();
      }
      front->batches.push_back(i);
    }
    for (const auto& front : fronts_) {
      bool more = false;
      if (!next(generation, *front, more)) return false;
      if (more) heap_.push_back(front.get());
    }
    std::make_heap(heap_.begin(), heap_.end(), later);
    return true;
  }

  // The next event of a thread. False when it can't be read.
  bool next(const Generation& generation, Front& front, bool& more) {
    for (more = true; !front.event.next();) {
      if (front.event.damaged) {
        const char* name = kEvents[front.event.type].name;
        return fail(front.event.offset,
                    name == nullptr ? "event of unknown type " + std::to_string(front.event.type)
                                    : std::string(name) + " can't be read there");
      }
      if (front.next_batch == front.batches.size()) {
        more = false;
        return true;
      }
      front.event.open(generation.timed[front.batches[front.next_batch++]]);
    }
    return true;
  }

  static bool later(const Front* a, const Front* b) { return a->event.at_ns > b->event.at_ns; }

  Order::Verdict try_next(const Front& front) {
    const Order::Verdict verdict = order_.advance(front.event, front.thread);
    if (verdict == Order::Verdict::kBroken) refuse(front);
    return verdict;
  }

  void refuse(const Front& front) {
    fail(front.event.offset, std::string(kEvents[front.event.type].name) + " on thread " +
                                 std::to_string(front.thread) +
                                 " can't come there: " + order_.why());
  }

  bool took(const Generation& generation, Front& front, bool& more) {
    sums_.take(front.event, order_.before(), order_.after());
    return next(generation, front, more);
  }

  bool advance(const Generation& generation) {
    Front* const head = heap_.front();
    switch (try_next(*head)) {
      case Order::Verdict::kBroken:
        return false;
      case Order::Verdict::kNext: {
        bool more = false;
        if (!took(generation, *head, more)) return false;
        settle(more);
        return true;
      }
      case Order::Verdict::kNotYet:
        break;
    }
    // Rare: clocks of two threads disagree. The others are tried in order of time.
    std::sort(heap_.begin(), heap_.end(),
              [](const Front* a, const Front* b) { return later(b, a); });
    for (std::size_t i = 0; i < heap_.size(); ++i) {
      if (heap_[i] == head) continue;
      const Order::Verdict verdict = try_next(*heap_[i]);
      if (verdict == Order::Verdict::kBroken) return false;
      if (verdict == Order::Verdict::kNotYet) continue;
      bool more = false;
      if (!took(generation, *heap_[i], more)) return false;
      if (!more) heap_.erase(heap_.begin() + static_cast<std::ptrdiff_t>(i));
      std::make_heap(heap_.begin(), heap_.end(), later);
      return true;
    }
    try_next(*head);  // for its reason
    refuse(*head);
    problem_ += ", and no event of another thread can come before it";
    return false;
  }

  // The head of the heap has moved on: sinks it to its place, or takes it away.
  void settle(bool more) {
    if (!more) {
      std::pop_heap(heap_.begin(), heap_.end(), later);
      heap_.pop_back();
      return;
    }
    Front* const moved = heap_.front();
    std::size_t at = 0;
    for (std::size_t child = 1; child < heap_.size(); child = 2 * at + 1) {
      if (child + 1 < heap_.size() && later(heap_[child], heap_[child + 1])) ++child;
      if (!later(moved, heap_[child])) break;
      heap_[at] = heap_[child];
      at = child;
    }
    heap_[at] = moved;
  }

  const Input& input_;
  int version_;
  Container container_;
  Tables tables_;
  Clock clock_;
  Order order_;
  StrictTotals sums_;
  std::vector<std::unique_ptr<Front>> fronts_;
  std::vector<Front*> heap_;
  std::string problem_;
  StrictReport report_;
};

}  // namespace

Result<StrictReport> read_strictly(const Input& input, int version,
                                   const std::function<void(double)>& progress) {
  return StrictReader(input, version).read(progress);
}

}  // namespace ullage::trace::go
