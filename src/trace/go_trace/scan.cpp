// SPDX-License-Identifier: Apache-2.0
#include "trace/go_trace/scan.h"

#include <algorithm>

#include "trace/go_trace/waits.h"

namespace ullage::trace::go {
namespace {

// Payload of one window, for each thread: its steps are about three times as large.
constexpr std::size_t kWindowBytes = 1 << 19;

}  // namespace

Scan::Scan(const Input& input, int version, ScanOptions options)
    : input_(input),
      options_(std::move(options)),
      context_{input.bytes(), {}, version, std::max(options_.threads, 1U)},
      container_(input.bytes(), version),
      workers_(context_.owners),
      counts_(context_.owners) {
  for (std::uint32_t i = 0; i < context_.owners; ++i) {
    owners_.push_back(std::make_unique<Pairing>(stacks_));
  }
}

ScanReport Scan::run(evidence::Incident& incident) {
  const std::size_t total = std::max<std::size_t>(input_.bytes().size(), 1);
  while (container_.next(generation_)) {
    scan_generation();
    input_.drop(generation_.begin, generation_.end - generation_.begin);
    if (options_.progress) {
      options_.progress(static_cast<double>(generation_.end) / static_cast<double>(total));
    }
  }
  report_.cut = container_.cut();
  report_.problem = container_.problem();
  report_.problem_at = container_.problem_at();
  if (!report_.problem.empty()) {
    report_.bytes_skipped += input_.bytes().size() - container_.read_to();
  }
  structure_[kEventBatch] = container_.event_batches();
  structure_[kExperimentalBatch] = container_.experimental_batches();
  structure_[kEndOfGeneration] = container_.ends();
  fill(incident);
  return report_;
}

void Scan::scan_generation() {
  tables_.clear();
  tables_.read(input_.bytes(), generation_, context_.version);
  if (!tables_.problem.empty()) {
    report_.bytes_skipped += tables_.bytes_skipped;
    ++report_.damaged_batches;
    if (report_.first_damage.empty()) {
      report_.first_damage =
          "byte " + std::to_string(tables_.problem_at) + ": " + tables_.problem + ".";
    }
  }
  // Cut before its tables came, a generation still has its events; time goes on as before.
  const bool complete = tables_.ticks_per_second != 0;
  if (complete) {
    context_.clock = Clock::of_frequency(tables_.ticks_per_second);
    report_.ticks_per_second = tables_.ticks_per_second;
  }
  count_structure();
  if (context_.clock.ns_per_tick == 0) {
    report_.without_clock = true;
    for (const Batch& batch : generation_.timed) report_.bytes_skipped += batch.size;
    return;
  }
  if (!complete || (container_.version() >= 26 && !generation_.ended)) {
    report_.last_incomplete = true;
  }
  ++report_.generations;
  order_by_time(generation_.timed);
  generation_begin_ns_ = UINT64_MAX;
  generation_end_ns_ = 0;
  for (const Batch& batch : generation_.timed) {
    generation_begin_ns_ = std::min(generation_begin_ns_, context_.clock.ns(batch.base));
  }
  if (report_.generations == 1) report_.begin_ns = generation_begin_ns_;
  inherited_.assign(generation_.timed.size(), kNoGoroutine);
  for (const auto& owner : owners_) owner->begin_generation(tables_, generation_.timed);
  // While one window is paired, the next is decoded: many small tasks, so no thread waits long.
  Window window = window_from(0);
  decode_and_pair(window, Window{});
  while (window.begin < window.end) {
    const Window next = window_from(window.end);
    stitch(window);
    decode_and_pair(next, window);
    outputs_.swap(next_outputs_);
    window = next;
  }
  close_spells();
  sum_up(complete);
}

Scan::Window Scan::window_from(std::size_t begin) const {
  Window window{begin, begin};
  const std::size_t wanted = kWindowBytes * context_.owners;
  for (std::size_t bytes = 0; window.end < generation_.timed.size() && bytes < wanted;) {
    bytes += generation_.timed[window.end++].size + 64;
  }
  return window;
}

void Scan::decode_and_pair(const Window& decoded, const Window& paired) {
  const std::size_t batches = decoded.end - decoded.begin;
  const std::size_t owners = paired.begin < paired.end ? owners_.size() : 0;
  std::vector<BatchOutput>& into = owners == 0 ? outputs_ : next_outputs_;
  if (into.size() < batches) into.resize(batches);
  workers_.run(owners + batches, [&](unsigned worker, std::size_t task) {
    if (task < owners) return pair(paired, task);
    const std::size_t i = task - owners;
    decode_batch(context_, generation_.timed[decoded.begin + i],
                 static_cast<std::uint32_t>(decoded.begin + i), counts_[worker], into[i]);
  });
}

void Scan::pair(const Window& window, std::size_t owner) {
  Pairing& pairing = *owners_[owner];
  for (const Step& step : stitched_) {
    if (owner_of(step.goroutine(), context_.owners) == owner) pairing.take(step, kNoGoroutine);
  }
  for (std::size_t i = window.begin; i < window.end; ++i) {
    pairing.take(outputs_[i - window.begin].steps[owner], inherited_[i]);
  }
  pairing.end_window();
}

// What only the order of batches tells: who ran when each began, and spells across two of them.
void Scan::stitch(const Window& window) {
  const auto [begin, end] = window;
  stitched_.clear();
  for (std::size_t i = begin; i < end; ++i) {
    for (const Mark& mark : outputs_[i - begin].marks) {
      // A goroutine that sat in a system call on a thread that has told nothing yet.
      if (mark.type != kGoStatus) continue;
      Running& other = threads_[mark.b].running;
      if (other.goroutine == kInherited || other.goroutine == kNoGoroutine) {
        other = {mark.a, mark.at_ns | kNotScheduled, 0};
      }
    }
  }
  for (std::size_t i = begin; i < end; ++i) {
    const Batch& batch = generation_.timed[i];
    const BatchOutput& out = outputs_[i - begin];
    Running& running = threads_[batch.thread].running;
    if (running.goroutine == kInherited) running.goroutine = kNoGoroutine;
    inherited_[i] = running.goroutine;
    for (const Mark& mark : out.marks) {
      if (mark.type != kGoStatus) resolve(mark, running);
    }
    if (out.inherited_left && running.goroutine != kNoGoroutine) {
      Step step = out.left;
      step.a = running.start_ns;
      step.who = Step::pack(running.goroutine, step.kind(), step.reason());
      step.sequence = running.sequence;
      stitched_.push_back(step);
    }
    if (out.end.goroutine != kInherited) running = out.end;
    if (out.damaged) damaged(batch, out);
    generation_end_ns_ = std::max(generation_end_ns_, out.last_ns);
  }
}

void Scan::resolve(Mark mark, const Running& running) {
  if (mark.goroutine == kInherited) {
    mark.goroutine = running.goroutine;
    mark.sequence = running.sequence;
  }
  switch (mark.type) {
    case kAssistActive:
    case kAssistBegin:
    case kAssistEnd:
      assists_.mark(mark);
      break;
    case kStwBegin:
    case kStwEnd:
      pauses_.mark(mark);
      break;
    default:
      cycles_.mark(mark);
      break;
  }
}

// Spells that go on into the next generation, where sequence numbers begin anew.
void Scan::close_spells() {
  for (auto& [id, thread] : threads_) {
    Running& running = thread.running;
    if (running.goroutine == kInherited || running.goroutine == kNoGoroutine) continue;
    const Step step{running.start_ns, generation_end_ns_,
                    Step::pack(running.goroutine, StepKind::kRanOpen, 0), running.sequence, 0};
    owners_[owner_of(running.goroutine, context_.owners)]->take(step, kNoGoroutine);
    running.sequence = 0;
    running.start_ns |= kNotScheduled;
  }
  for (const auto& owner : owners_) owner->end_generation();
}

void Scan::sum_up(bool complete) {
  const View view{context_.input,       generation_,       tables_,
                  context_.clock,       context_.version,  inherited_,
                  generation_begin_ns_, generation_end_ns_};
  samples_.begin_generation(tables_, context_.clock, stacks_);
  assists_.end_generation(view, stacks_);
  pauses_.end_generation(view, stacks_, samples_.recent());
  cycles_.end_generation(view, stacks_, samples_.recent(), pauses_);
  for (const auto& owner : owners_) {
    look_behind(*owner, assists_.intervals(), pauses_.recent(), samples_.recent(), stacks_);
  }
  pauses_.keep();
  report_.end_ns = std::max(report_.end_ns, generation_end_ns_);
  if (complete && tables_.has_snapshot && !report_.has_wall) {
    report_.has_wall = true;
    const auto before =
        static_cast<std::int64_t>(context_.clock.ns(tables_.snapshot_ticks) - report_.begin_ns);
    report_.wall_ns_at_begin = tables_.snapshot_wall_ns - before;
  }
}

void Scan::count_structure() {
  structure_[kStrings] += tables_.strings_batches;
  structure_[kString] += tables_.strings.size();
  structure_[kStacks] += tables_.stacks_batches;
  structure_[kStack] += tables_.stack_ends.size();
  structure_[kCpuSamples] += tables_.samples_batches;
  structure_[kCpuSample] += tables_.samples.size();
  structure_[kFrequency] += tables_.frequencies;
  structure_[kSync] += tables_.syncs;
  structure_[kClockSnapshot] += tables_.snapshots;
}

void Scan::damaged(const Batch& batch, const BatchOutput& out) {
  report_.bytes_skipped += batch.size - out.damaged_at;
  // The end of a trace that was cut is told apart.
  if (container_.cut() && batch.payload + batch.size == input_.bytes().size()) return;
  ++report_.damaged_batches;
  if (!report_.first_damage.empty()) return;
  const char* name = kEvents[out.damaged_type].name;
  report_.first_damage =
      "byte " + std::to_string(batch.payload + out.damaged_at) + ": " +
      (name == nullptr ? "an event of unknown type " + std::to_string(out.damaged_type)
                       : std::string(name) + " can't be read there") +
      "; the rest of its batch is skipped.";
}

void Scan::fill(evidence::Incident& incident) {
  const std::uint64_t zero = report_.begin_ns;
  assists_.finish(incident, stacks_, zero);
  pauses_.finish(incident, stacks_, zero);
  cycles_.finish(incident, stacks_, zero);
  samples_.finish(incident, stacks_);
  finish_goroutines(incident, owners_, stacks_, zero);
  incident.facts.processors = cycles_.processors();
  for (const auto& owner : owners_) {
    report_.unmatched += owner->unmatched();
    report_.dropped += owner->dropped();
  }
  report_.unmatched += assists_.unmatched() + pauses_.unmatched() + cycles_.unmatched();
  report_.dropped += stacks_.dropped();
  for (std::size_t type = 0; type < structure_.size(); ++type) {
    std::uint64_t count = structure_[type];
    for (const EventCounts& counts : counts_) count += counts[type];
    if (count == 0) continue;
    incident.event_counts.emplace_back(kEvents[type].name, count);
    if (kEvents[type].timed || type == kCpuSample) report_.events += count;
  }
}

}  // namespace ullage::trace::go
