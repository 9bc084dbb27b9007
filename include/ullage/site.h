// SPDX-License-Identifier: Apache-2.0
//
// site: a place in the program whose containers belong together. It remembers what sizes they
// reached, so that the next ones can start there (experience.h), counts what their growth cost, and
// passes their events on.
//
//   inline ullage::growth_site orders{"orders.by_id"};  // named: static storage is the usual home
//   ullage::growth_site only_this{orders};              // one container's own hooks, below orders
//   ullage::vector<int> v{ullage::site_here()};         // named by file and line
//
// A site lives longer than its containers; destroying it earlier is an error of the caller.
//
// Cost      ~2.1 KiB each, most of it the sketch. A growth adds three relaxed increments per level;
//           the end of a container one. Making and destroying a named site takes a lock.
#pragma once

#include <ullage/growth.h>
#include <ullage/size_sketch.h>

namespace ullage {

// recording.h: events in the recording of `ullage record`.
bool being_recorded() noexcept;
void record_growth(const growth_event& event) noexcept;
void record_container_end(const growth_site& site, std::uint64_t elements) noexcept;

namespace detail {

// What is one for the process is visible from each library, also from one that hides what it
// inlines.
[[gnu::visibility("default")]] inline std::atomic<growth_sink*> process_sink{nullptr};

// A mutex that needs no construction and no destruction: sites are static objects of any
// translation unit, and some are destroyed after most of the program is gone.
struct static_lock {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  void lock() noexcept {
    while (busy.test_and_set(std::memory_order_acquire)) busy.wait(true, std::memory_order_relaxed);
  }
  void unlock() noexcept {
    busy.clear(std::memory_order_release);
    busy.notify_one();
  }
};
class static_lock_guard {
 public:
  explicit static_lock_guard(static_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~static_lock_guard() { lock_.unlock(); }
  static_lock_guard(const static_lock_guard&) = delete;
  static_lock_guard& operator=(const static_lock_guard&) = delete;

 private:
  static_lock& lock_;
};

// The list of named sites. Constant-initialised, so that sites of any translation unit may join.
struct site_list {
  static_lock lock;
  growth_site* head = nullptr;
};
[[gnu::visibility("default")]] inline constinit site_list sites{};

// What experience.h does when a named site begins and has ended.
void site_begins(growth_site& site) noexcept;
void site_ended(growth_site& site) noexcept;

}  // namespace detail

/// Hears of every growth in the process; null for nobody. Returns who did before. The old sink may
/// still be called by growths that have begun: keep it alive while containers are in use.
inline growth_sink* set_growth_sink(growth_sink* sink) noexcept {
  return detail::process_sink.exchange(sink, std::memory_order_acq_rel);
}

/// Where a site's expectation comes from. Lives as long as the process.
struct size_origin {
  const char* file = "";         ///< the profile
  std::uint64_t runs = 0;        ///< of the program that went into it
  std::uint64_t containers = 0;  ///< that ended in those runs
  double quantile = 0;           ///< what the policy asked for ...
  std::uint64_t wanted = 0;      ///< ... and what size that is
  std::uint64_t median = 0;      ///< of the sizes
  std::uint64_t expected = 0;    ///< what was set: less than wanted where waste is bounded
};

class growth_site {
 public:
  /// `name` must outlive the site; it is what reports and profiles know the place by. The site
  /// joins the process's list (growth_site::each).
  explicit growth_site(const char* name) noexcept;
  /// Hooks of its own below `parent`: events, sizes and questions go there, too. Not listed.
  explicit growth_site(growth_site& parent) noexcept : name_(parent.name()), parent_(&parent) {}
  ~growth_site();
  growth_site(const growth_site&) = delete;
  growth_site& operator=(const growth_site&) = delete;

  const char* name() const noexcept { return name_; }
  growth_site* parent() const noexcept { return parent_; }

  /// Who hears of this site's growth, beside the process's sink; null for nobody.
  void listen(growth_sink* sink) noexcept { sink_.store(sink, std::memory_order_release); }
  /// Who is asked before its containers grow; null: they may always. Set it before the first
  /// container grows: bytes taken earlier are not counted.
  void limit(growth_budget* budget) noexcept { budget_.store(budget, std::memory_order_release); }

  growth_sink* sink() const noexcept { return sink_.load(std::memory_order_acquire); }
  growth_budget* budget() const noexcept { return budget_.load(std::memory_order_acquire); }

  /// A container of this site ends, or is emptied, having held at most `elements`.
  void remember(std::uint64_t elements) noexcept {
    for (growth_site* s = this; s != nullptr; s = s->parent_) s->sizes_.add(elements);
    record_container_end(*this, elements);
  }
  /// What sizes its containers reached in this run.
  const size_sketch& sizes() const noexcept { return sizes_; }
  size_sketch& sizes() noexcept { return sizes_; }

  /// Growths so far (is_growth), elements they moved, and how many were denied.
  std::uint64_t growths() const noexcept { return growths_.load(std::memory_order_relaxed); }
  std::uint64_t moved() const noexcept { return moved_.load(std::memory_order_relaxed); }
  std::uint64_t denials() const noexcept { return denials_.load(std::memory_order_relaxed); }

  /// The largest capacity (elements) that a growth here led to, and the size of an element, as far
  /// as growths told; 0 = they did not.
  std::uint64_t capacity_max() const noexcept {
    return capacity_max_.load(std::memory_order_relaxed);
  }
  std::uint32_t element_bytes() const noexcept {
    return element_bytes_.load(std::memory_order_relaxed);
  }

  /// How many elements a new container should have room for: set by experience.h from earlier
  /// runs, or by the program; the parent's where there is none. 0 = not known. One relaxed load per
  /// level.
  std::uint64_t expected() const noexcept {
    for (const growth_site* s = this; s != nullptr; s = s->parent_) {
      if (const std::uint64_t n = s->expected_.load(std::memory_order_relaxed)) return n;
    }
    return 0;
  }
  void expect(std::uint64_t elements, const size_origin* origin = nullptr) noexcept {
    origin_.store(origin, std::memory_order_release);
    expected_.store(elements, std::memory_order_relaxed);
  }
  /// Where expected() comes from: null unless it is from a profile.
  const size_origin* provenance() const noexcept {
    for (const growth_site* s = this; s != nullptr; s = s->parent_) {
      if (s->expected_.load(std::memory_order_relaxed) != 0) {
        return s->origin_.load(std::memory_order_acquire);
      }
    }
    return nullptr;
  }

  /// Calls visit(growth_site&) for every listed site, under the list's lock: make no sites there.
  template <class Visit>
  static void each(Visit visit);

 private:
  friend void report_growth(growth_site*, growth_event, std::uint64_t) noexcept;
  void count(const growth_event& event) noexcept;

  const char* name_;
  growth_site* parent_ = nullptr;
  std::atomic<growth_sink*> sink_{nullptr};
  std::atomic<growth_budget*> budget_{nullptr};
  std::atomic<std::uint64_t> expected_{0};
  std::atomic<const size_origin*> origin_{nullptr};
  std::atomic<std::uint64_t> growths_{0}, moved_{0}, denials_{0}, capacity_max_{0};
  std::atomic<std::uint32_t> element_bytes_{0};
  size_sketch sizes_;
  growth_site* next_ = nullptr;
  growth_site** link_ = nullptr;  // what points to this one in the list
};

inline growth_site::growth_site(const char* name) noexcept : name_(name) {
  {
    const detail::static_lock_guard locked(detail::sites.lock);
    next_ = detail::sites.head;
    link_ = &detail::sites.head;
    if (next_ != nullptr) next_->link_ = &next_;
    detail::sites.head = this;
  }
  detail::site_begins(*this);
}

inline growth_site::~growth_site() {
  if (parent_ != nullptr) return;  // not listed
  {
    const detail::static_lock_guard locked(detail::sites.lock);
    *link_ = next_;
    if (next_ != nullptr) next_->link_ = link_;
  }
  detail::site_ended(*this);
}

template <class Visit>
void growth_site::each(Visit visit) {
  const detail::static_lock_guard locked(detail::sites.lock);
  for (growth_site* s = detail::sites.head; s != nullptr; s = s->next_) visit(*s);
}

inline void growth_site::count(const growth_event& event) noexcept {
  if (event.kind == growth_kind::denied) {
    denials_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (!is_growth(event.kind)) return;
  growths_.fetch_add(1, std::memory_order_relaxed);
  if (event.moved != 0) moved_.fetch_add(event.moved, std::memory_order_relaxed);
  if (element_bytes() < event.element_bytes) {
    element_bytes_.store(event.element_bytes, std::memory_order_relaxed);
  }
  std::uint64_t seen = capacity_max();
  while (
      event.capacity_after > seen &&
      !capacity_max_.compare_exchange_weak(seen, event.capacity_after, std::memory_order_relaxed)) {
  }
}

/// True when somebody would hear of a growth at `site` (may be null): then a container reads the
/// clock before it grows.
inline bool growth_heard(const growth_site* site) noexcept {
  if (detail::process_sink.load(std::memory_order_acquire) != nullptr) return true;
  if (being_recorded()) return true;
  for (; site != nullptr; site = site->parent()) {
    if (site->sink() != nullptr) return true;
  }
  return false;
}

/// The clock of growth events.
inline std::uint64_t growth_clock_ns() noexcept {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

/// When a growth that begins now began: the clock if somebody listens, else 0.
inline std::uint64_t growth_start_ns(const growth_site* site) noexcept {
  return growth_heard(site) ? growth_clock_ns() : 0;
}

/// Tells the budgets of `site` (may be null) and of its parents that a container now holds `bytes`
/// more than they know of (fewer when negative).
inline void adjust_growth(growth_site* site, std::int64_t bytes) noexcept {
  for (; site != nullptr; site = site->parent()) {
    if (growth_budget* budget = site->budget()) budget->adjust(bytes);
  }
}

/// Asks the budgets of `site` (may be null) and of its parents, innermost first. The strictest
/// answer counts; on "deny" nothing is accounted for anywhere.
inline growth_answer ask_growth(growth_site* site, const growth_request& request) noexcept {
  growth_answer strictest = growth_answer::admit;
  for (growth_site* s = site; s != nullptr; s = s->parent()) {
    growth_budget* budget = s->budget();
    if (budget == nullptr) continue;
    const growth_answer answer = budget->ask(request);
    if (answer > strictest) strictest = answer;
    if (answer != growth_answer::deny) continue;
    const auto taken = static_cast<std::int64_t>(request.bytes_wanted - request.bytes_now);
    for (growth_site* told = site; told != s; told = told->parent()) {
      if (growth_budget* inner = told->budget()) inner->adjust(-taken);
    }
    break;
  }
  return strictest;
}

/// Counts `event` at its site and hands it to whoever listens. `started_ns` is growth_start_ns() of
/// before: fills in time and duration.
inline void report_growth(growth_site* site, growth_event event,
                          std::uint64_t started_ns) noexcept {
  for (growth_site* s = site; s != nullptr; s = s->parent_) s->count(event);
  if (!growth_heard(site)) return;
  event.site = site;
  event.thread = growth_thread();
  event.time_ns = growth_clock_ns();
  event.duration_ns = started_ns == 0 ? 0 : event.time_ns - started_ns;
  record_growth(event);  // first: it belongs to the allocations just before it
  for (const growth_site* s = site; s != nullptr; s = s->parent()) {
    if (growth_sink* sink = s->sink()) sink->on_growth(event);
  }
  if (growth_sink* sink = detail::process_sink.load(std::memory_order_acquire)) {
    sink->on_growth(event);
  }
}

/// Lines of a program that site_here() tells apart; later ones share the site "(more places)".
inline constexpr std::size_t kSitesHereMax = 4096;

/// A line of the program. (std::source_location is missing from clang 14 with GNU's library.)
struct source_place {
  const char* file;
  const char* function;
  std::uint32_t line;
  static constexpr source_place current(const char* file = __builtin_FILE(),
                                        const char* function = __builtin_FUNCTION(),
                                        std::uint32_t line = __builtin_LINE()) noexcept {
    return {file, function, line};
  }
};

/// The site of this line of the program: made at its first use, then found again, kept for good.
/// O(1), no lock once it exists; the first use allocates.
growth_site& site_here(source_place where = source_place::current());

}  // namespace ullage

#include <ullage/detail/site_here.h>
#include <ullage/experience.h>
#include <ullage/recording.h>
