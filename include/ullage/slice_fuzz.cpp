// SPDX-License-Identifier: Apache-2.0
//
// Any sequence of operations leaves slices as a model of shared arrays says: what each shows, who
// shares what, whose the room behind it is, and what an append did; also when a copy fails in the
// middle of an append, or the budget says no.
//
//   | step: 1 B, which slice: 1 B, numbers: 2 B each as the step needs them | step ... |
#include <ullage/budget.h>
#include <ullage/site.h>
#include <ullage/slice.h>
#include <ullage/testing/faults_testing.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace {

using namespace ullage::testing;

using Slice = ullage::slice<tracked_value>;

constexpr std::size_t kSlicesMax = 24;
// Above 64 KiB of elements, from which on an array is watched; a fourth of that goes at once.
constexpr std::size_t kElementsMax = 6000, kAppendMax = 1100;
constexpr std::size_t kStepsMax = 1024;
constexpr std::uint64_t kBudgetBytes = 48 << 10;

void require(bool right) {
  if (!right) std::abort();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool done() const { return at_ == end_; }
  std::size_t next() { return done() ? 0 : *at_++; }
  std::size_t upto(std::size_t most) {
    const std::size_t high = next() << 8;
    return (high | next()) % (most + 1);
  }

 private:
  const std::uint8_t* at_;
  const std::uint8_t* end_;
};

// What a retention report promises.
struct Listener final : ullage::growth_sink {
  void on_growth(const ullage::growth_event& event) noexcept override {
    if (event.kind != ullage::growth_kind::retained) return;
    require(event.elements < event.bytes_before / event.element_bytes / ullage::kRetainedShareMax);
  }
};

// An array and those who show it, as the promises of slice.h have it.
struct Array {
  std::vector<int> cells;  // that are elements
  std::size_t capacity = 0;
};
struct View {
  Slice real;
  std::shared_ptr<Array> array;
  std::size_t from = 0, size = 0, capacity = 0;
  bool budgeted = false;

  bool alone() const { return array == nullptr || array.use_count() == 1; }
  bool owns_tail() const { return alone() || array->cells.size() == from + size; }
  void take(std::vector<int> cells, std::size_t room) {
    from = 0;
    size = cells.size();
    capacity = room;
    array = std::make_shared<Array>(Array{std::move(cells), room});
  }
  std::vector<int> shown() const {
    if (array == nullptr) return {};
    const auto begin = array->cells.begin() + static_cast<std::ptrdiff_t>(from);
    return {begin, begin + static_cast<std::ptrdiff_t>(size)};
  }
  // The last n of what it shows now were appended, and `did` is what the append said.
  void appended(const std::vector<int>& values, ullage::slice_append did) {
    using enum ullage::slice_append;
    if (values.empty()) return require(did == in_place);
    if (array != nullptr && values.size() <= capacity - size && owns_tail()) {
      require(did == in_place);
      array->cells.resize(from + size);
      array->cells.insert(array->cells.end(), values.begin(), values.end());
      size += values.size();
      return;
    }
    if (did == denied) return require(budgeted);
    require(did == (alone() ? grown : detached));
    const std::size_t needed = size + values.size();
    const std::size_t usual =
        ullage::go_growth::next_capacity(capacity, needed, sizeof(tracked_value));
    require(real.capacity() == usual || (budgeted && real.capacity() == needed));
    std::vector<int> cells = shown();
    cells.insert(cells.end(), values.begin(), values.end());
    take(std::move(cells), real.capacity());
  }
  // An append threw: what nobody shows may be gone, all else is there.
  void append_failed(std::size_t n) {
    if (array != nullptr && n <= capacity - size && alone()) array->cells.resize(from + size);
  }
};

class Slices {
 public:
  Slices() {
    site_.limit(&budget_);
    site_.listen(&listener_);
    views_.emplace_back();
  }
  void step(Input& in) {
    const std::size_t what = in.next() % 13;
    const std::size_t which = in.next() % views_.size();
    View& view = views_[which];
    switch (what) {
      case 0:
        append(view, {number(in)}, false);
        break;
      case 1:
        append(view, numbers(in, in.upto(kAppendMax)), (in.next() & 1) != 0);
        break;
      case 2:
        append_own(view, in);
        break;
      case 3:
        append_failing(view, in);
        break;
      case 4:
      case 5:
        cut(view, in, what == 5);
        break;
      case 6:
        if (view.size != 0) {
          const std::size_t i = in.upto(view.size - 1);
          const int value = number(in);
          view.real[i] = tracked_value(value);
          view.array->cells[view.from + i] = value;
        }
        break;
      case 7:
        clone(view);
        break;
      case 8:
        compact(view);
        break;
      case 9:
        make(in);
        break;
      case 10:
        views_[in.next() % views_.size()] = view;  // perhaps itself
        break;
      case 11:
        std::swap(views_[in.next() % views_.size()], view);
        break;
      default:
        if (views_.size() > 1) {
          std::swap(view, views_.back());
          views_.pop_back();
        } else {
          view = View{};
        }
    }
    check();
  }
  std::uint64_t budget_used() const { return budget_.used(); }
  void clear() { views_.clear(); }

 private:
  static int number(Input& in) { return static_cast<int>(in.next()); }
  static std::vector<int> numbers(Input& in, std::size_t n) {
    std::vector<int> made(n);
    int value = number(in);
    for (int& one : made) one = value++;
    return made;
  }
  static bool has_room(const View& view, std::size_t n) { return view.size + n <= kElementsMax; }

  static void append(View& view, const std::vector<int>& values, bool quietly) {
    if (!has_room(view, values.size())) return;
    const std::vector<tracked_value> elements(values.begin(), values.end());
    ullage::slice_append did = ullage::slice_append::denied;
    try {
      if (values.size() == 1) {
        did = quietly ? view.real.try_append(tracked_value(values[0]))
                      : view.real.append(tracked_value(values[0]));
      } else {
        did = quietly ? view.real.try_append(std::span(elements))
                      : view.real.append(std::span(elements));
      }
    } catch (const ullage::growth_denied&) {
      require(!quietly);
    }
    view.appended(values, did);
  }
  // What is appended is part of the slice itself.
  static void append_own(View& view, Input& in) {
    const std::size_t low = in.upto(view.size), n = in.upto(view.size - low);
    if (!has_room(view, n)) return;
    const std::vector<int> all = view.shown();
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(low);
    const std::vector<int> values(begin, begin + static_cast<std::ptrdiff_t>(n));
    const std::span<const tracked_value> part(view.real.data() + low, n);
    view.appended(values, view.real.try_append(part));
  }
  static void append_failing(View& view, Input& in) {
    const std::vector<int> values = numbers(in, in.upto(64));
    const std::uint64_t k = 1 + in.next();
    if (!has_room(view, values.size())) return;
    const std::vector<tracked_value> elements(values.begin(), values.end());
    std::optional<ullage::slice_append> did;
    try {
      const fault_scope fault(kCopy, k);
      did = view.real.try_append(std::span(elements));
    } catch (const injected_fault&) {
    }
    if (did) {
      view.appended(values, *did);
    } else {
      view.append_failed(values.size());
    }
  }
  void cut(View& view, Input& in, bool limited) {
    // One beyond what is allowed, each: then nothing happens.
    const std::size_t low = in.upto(view.size + 1), high = in.upto(view.size + 1);
    const std::size_t limit = limited ? in.upto(view.capacity + 1) : view.capacity;
    const bool right = low <= high && high <= view.size && high <= limit && limit <= view.capacity;
    View part = view;
    try {
      part.real = limited ? view.real.sub(low, high, limit) : view.real.sub(low, high);
      require(right);
    } catch (const std::out_of_range&) {
      require(!right);
      return;
    }
    part.from += low;
    part.size = high - low;
    part.capacity = limit - low;
    if ((in.next() & 1) != 0 || views_.size() >= kSlicesMax) {
      view = std::move(part);
    } else {
      views_.push_back(std::move(part));
    }
  }
  // What `view` shows, in an array of its own.
  void clone(const View& view) {
    View fresh;
    try {
      fresh.real = view.real.clone();
    } catch (const ullage::growth_denied&) {
      return require(view.budgeted);
    }
    fresh.budgeted = view.budgeted && view.array != nullptr;
    if (fresh.real.use_count() != 0) fresh.take(view.shown(), view.size);
    if (views_.size() < kSlicesMax) views_.push_back(std::move(fresh));
  }
  static void compact(View& view) {
    const bool loose = view.array != nullptr && view.array->capacity != view.size;
    try {
      require(view.real.compact() == loose);
    } catch (const ullage::growth_denied&) {
      return require(view.budgeted && loose);
    }
    if (!loose) return;
    std::vector<int> cells = view.shown();
    if (view.real.use_count() != 0) {
      view.take(std::move(cells), view.size);
    } else {
      view = View{};
    }
  }
  void make(Input& in) {
    const std::size_t capacity = in.upto(kAppendMax), length = in.upto(kAppendMax);
    const bool budgeted = (in.next() & 1) != 0;
    View made;
    made.budgeted = budgeted;
    try {
      made.real = Slice::make(length, capacity, budgeted ? &site_ : nullptr);
    } catch (const std::out_of_range&) {
      return require(capacity < length);
    } catch (const ullage::growth_denied&) {
      return require(budgeted);
    }
    require(length <= capacity && made.real.capacity() >= length);
    if (made.real.use_count() != 0) {
      made.take(std::vector<int>(length, 0), made.real.capacity());
    }
    views_[in.next() % views_.size()] = std::move(made);
  }

  void check() const {
    for (const View& view : views_) {
      const Slice& real = view.real;
      require(real.size() == view.size && real.capacity() == view.capacity);
      require(real.use_count() == static_cast<std::size_t>(view.array.use_count()));
      require(real.owns_tail() == view.owns_tail());
      require(real.used_bytes() <= real.retained_bytes());
      for (std::size_t i = 0; i < view.size; ++i) {
        require(real[i].value() == view.array->cells[view.from + i]);
      }
      for (const View& other : views_) {
        const bool shares = view.array != nullptr && view.array == other.array;
        require(real.shares_with(other.real) == shares);
        const bool overlaps =
            shares && view.from < other.from + other.size && other.from < view.from + view.size;
        require(real.overlaps(other.real) == overlaps);
      }
    }
  }

  Listener listener_;
  ullage::byte_budget budget_{kBudgetBytes, kBudgetBytes / 2};
  ullage::growth_site site_{"slice_fuzz"};
  std::vector<View> views_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  {
    Input in(data, size);
    Slices slices;
    for (std::size_t steps = 0; !in.done() && steps < kStepsMax; ++steps) slices.step(in);
    slices.clear();
    require(slices.budget_used() == 0);
  }
  require(g_faults.live == 0);
  return 0;
}
