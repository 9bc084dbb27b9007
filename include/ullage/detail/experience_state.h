// SPDX-License-Identifier: Apache-2.0
//
// The process's experience: the profile in use, and what sites saw that is not saved yet.
//
// Static sites begin before main and end after it, in an order that nobody chose. So the state is
// made by whoever comes first and never destroyed; the save at exit is registered by the first site
// before its own destructor is, and thus runs after it; and a site that ends hands its sizes over.
// A child of fork has its parent's sites but none of its threads: if one of them was at work here,
// the child goes on without experience.
#pragma once

#include <pthread.h>
#include <ullage/detail/profile_file.h>
#include <ullage/experience.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <map>
#include <new>
#include <string>

namespace ullage::detail {

/// Names of ended sites whose sizes wait to be saved; further ones are not remembered.
inline constexpr std::size_t kEndedSitesMax = 2 * kProfileSitesMax;

/// What `site` of a profile lets expect under `policy`.
inline size_origin expectation(const site_profile& site, const experience_policy& policy) {
  size_origin o;
  o.runs = site.runs;
  o.containers = site.containers;
  o.quantile = policy.quantile;
  o.wanted = site.quantile(policy.quantile);
  o.median = site.quantile(0.5);
  const double bound = policy.waste_max * static_cast<double>(o.median);
  o.expected =
      static_cast<double>(o.wanted) <= bound ? o.wanted : static_cast<std::uint64_t>(bound);
  const std::uint64_t element =
      site.element_bytes == 0 ? kExperienceElementBytes : site.element_bytes;
  o.expected = std::min(o.expected, policy.bytes_max / element);
  return o;
}

class [[gnu::visibility("default")]] experience_state {
 public:
  static experience_state& get() noexcept {
    experience_state* made = one().load(std::memory_order_acquire);
    return *(made != nullptr ? made : make());
  }

  // The first site of the process calls this before it is complete.
  void begin() noexcept {
    const static_lock_guard locked(lock_);
    if (begun_) return;
    begun_ = true;
    std::atexit([] { get().at_exit(); });
    const char* path = ::secure_getenv("ULLAGE_PROFILE");
    if (path == nullptr || *path == 0) return;
    const char* save = ::secure_getenv("ULLAGE_PROFILE_SAVE");
    experience_policy policy;
    policy.save_at_exit = save == nullptr || ::strcmp(save, "0") != 0;
    std::string why;
    if (!guarded(why, [&] { return use(path, policy, why); })) tell(why);
  }

  bool use_now(const char* path, const experience_policy& policy, std::string* why) noexcept {
    begin();
    std::string text;
    bool ok;
    {
      const static_lock_guard locked(lock_);
      ok = guarded(text, [&] { return use(path, policy, text); });
      if (ok) growth_site::each([this](growth_site& site) { look_up(site); });
    }
    return report(ok, text, why);
  }

  // A site that begins: it may be one that the profile knows.
  void expect(growth_site & site) noexcept {
    const static_lock_guard locked(lock_);
    if (in_use_) look_up(site);
  }

  void ended(growth_site & site) noexcept {
    const static_lock_guard locked(lock_);
    if (torn_) return;
    if (!in_use_) {
      saved_.erase(&site);
      return;
    }
    std::string why;
    guarded(why, [&] {
      const run_sizes run = unsaved(site, whole(site));
      if (run.total() == 0) return true;
      const std::string name = name_of(site);
      if (ended_.size() >= kEndedSitesMax && ended_.find(name) == ended_.end()) return true;
      add(ended_[name], run);
      return true;
    });
    saved_.erase(&site);
  }

  bool save_now(const char* path, std::string* why) noexcept {
    begin();
    std::string text;
    bool ok;
    {
      const static_lock_guard locked(lock_);
      ok = guarded(text, [&] { return save(path, text); });
    }
    return report(ok, text, why);
  }

 private:
  experience_state() = default;

  static std::atomic<experience_state*>& one() noexcept {
    static constinit std::atomic<experience_state*> state{nullptr};
    return state;
  }
  // No static object with a guard: a child that is forked while another thread makes it would wait
  // for ever. It is made under the lock of the list of sites, which forks wait for.
  [[gnu::noinline, gnu::cold]] static experience_state* make() noexcept {
    alignas(experience_state) static constinit unsigned char place[sizeof(experience_state)] = {};
    const static_lock_guard locked(sites.lock);
    experience_state* made = one().load(std::memory_order_relaxed);
    if (made == nullptr) {
      made = ::new (static_cast<void*>(place)) experience_state;
      one().store(made, std::memory_order_release);
    }
    return made;
  }
  static void lock_sites() noexcept { sites.lock.lock(); }
  static void unlock_sites() noexcept { sites.lock.unlock(); }
  static void unlock_in_child() noexcept {
    sites.lock.unlock();
    if (experience_state* const state = one().load()) state->forked();
  }
  // Before threads can be at work here: when the program (or the library it is in) is loaded.
  static inline const int told_of_forks_ =
      ::pthread_atfork(&lock_sites, &unlock_sites, &unlock_in_child);

  void look_up(growth_site & site) noexcept {
    const auto it = origins_.find(known_as(site));
    if (it != origins_.end()) {
      site.expect(it->second.expected, &it->second);
    } else if (site.provenance() != nullptr) {
      site.expect(0);  // another profile knew it
    }
  }

  void forked() noexcept {
    if (!lock_.busy.test(std::memory_order_relaxed)) return;
    lock_.unlock();
    torn_ = true;
    in_use_ = false;
  }

  void at_exit() noexcept {
    bool ok = true;
    std::string text;
    {
      const static_lock_guard locked(lock_);
      if (!in_use_ || !policy_.save_at_exit || ::getpid() != pid_) return;
      ok = guarded(text, [&] { return save(nullptr, text); });
    }
    if (!ok) tell(text);
  }

  // Under the lock. The expectations of a former profile stay alive: sites may point to them.
  bool use(const char* path, const experience_policy& policy, std::string& why) {
    in_use_ = false;
    if (torn_) return torn(why);
    size_profile profile;
    if (!load_profile(path, profile, why)) return false;
    if (const char* here = absolute(path)) path_ = here;
    policy_ = policy;
    policy_.quantile =
        std::isfinite(policy.quantile) ? std::clamp(policy.quantile, 0., 1.) : kExperienceQuantile;
    policy_.waste_max =
        std::isfinite(policy.waste_max) ? std::max(policy.waste_max, 0.) : kExperienceWasteMax;
    files_.push_back(path_);
    retired_.push_back(std::move(origins_));
    origins_.clear();
    for (const auto& [name, site] : profile.sites) {
      size_origin origin = expectation(site, policy_);
      origin.file = files_.back().c_str();
      if (origin.expected != 0) origins_.emplace(name, origin);
    }
    pid_ = ::getpid();
    in_use_ = true;
    return true;
  }

  // The program may change its folder before it ends.
  const char* absolute(const char* path) {
    if (*path == '/') return path;
    if (char* folder = ::getcwd(nullptr, 0)) {
      scratch_ = std::string(folder) + '/' + path;
      ::free(folder);
      return scratch_.c_str();
    }
    return path;
  }

  static bool torn(std::string & why) {
    why =
        "no experience in this process: fork came while a thread of its parent was saving.\n  "
        "Save in the parent, or fork when no other thread does.";
    return false;
  }

  bool save(const char* path, std::string& why) {
    if (torn_) return torn(why);
    if (path == nullptr && !in_use_) {
      why =
          "save_experience: no profile is in use.\n  Set ULLAGE_PROFILE=path, call "
          "use_experience(path) first, or name a path.";
      return false;
    }
    // Sizes by name; what each site had is noted only once the file is written.
    std::map<std::string, run_sizes> runs = ended_;
    std::map<const growth_site*, run_sizes> live;
    growth_site::each([&](growth_site& site) {
      const run_sizes all = whole(site);  // once: other threads go on
      const run_sizes run = unsaved(site, all);
      if (run.total() == 0) return;
      add(runs[name_of(site)], run);
      live.emplace(&site, all);
    });
    if (runs.empty()) return true;
    const bool ok = update_profile(
        path == nullptr ? path_ : std::string(path),
        [&](size_profile& profile) {
          profile.begin_run();
          for (const auto& [name, run] : runs) profile.add(name, run);
        },
        why);
    if (!ok) return false;
    ended_.clear();
    for (auto& [site, run] : live) saved_.insert_or_assign(site, run);
    return true;
  }

  // As profiles know it: sites whose long names differ only behind that are one place there.
  static std::string_view known_as(const growth_site& site) noexcept {
    return std::string_view(site.name()).substr(0, kProfileNameBytesMax);
  }
  static std::string name_of(const growth_site& site) { return std::string(known_as(site)); }
  static run_sizes whole(const growth_site& site) noexcept {
    run_sizes run;
    for (std::size_t i = 0; i < run.counts.size(); ++i) run.counts[i] = site.sizes().count_in(i);
    run.max = site.sizes().max();
    run.element_bytes = site.element_bytes();
    if (run.total() == 0 && site.capacity_max() != 0) {  // its containers never end
      run.max = site.capacity_max();
      run.counts[size_sketch::bucket_of(run.max)] = 1;
    }
    return run;
  }
  run_sizes unsaved(const growth_site& site, run_sizes run) const {
    const auto it = saved_.find(&site);
    if (it == saved_.end()) return run;
    for (std::size_t i = 0; i < run.counts.size(); ++i) {
      run.counts[i] -= std::min(run.counts[i], it->second.counts[i]);  // halved since: 0
    }
    return run;
  }
  static void add(run_sizes & to, const run_sizes& run) noexcept {
    for (std::size_t i = 0; i < run.counts.size(); ++i) {
      to.counts[i] += std::min(run.counts[i], UINT32_MAX - to.counts[i]);
    }
    to.max = std::max(to.max, run.max);
    to.element_bytes = std::max(to.element_bytes, run.element_bytes);
  }

  template <class Act>
  static bool guarded(std::string & why, Act act) noexcept {
    try {
      return act();
    } catch (...) {  // no memory: the program goes on without
      try {
        why = "no memory for the profile of sizes.\n  The program goes on without it.";
      } catch (...) {
      }
      return false;
    }
  }
  static void tell(const std::string& why) noexcept {
    std::fprintf(stderr, "ullage: %s\n", why.c_str());
  }
  static bool report(bool ok, std::string& text, std::string* why) noexcept {
    if (ok) return true;
    if (why != nullptr) {
      why->swap(text);
    } else {
      tell(text);
    }
    return false;
  }

  static_lock lock_;  // before the lock of the list of sites, where both are held
  bool begun_ = false;
  bool in_use_ = false;
  bool torn_ = false;  // forked while another thread was changing what is below
  pid_t pid_ = 0;
  std::string path_, scratch_;
  experience_policy policy_;
  std::map<std::string, size_origin, std::less<>> origins_;
  std::deque<std::map<std::string, size_origin, std::less<>>> retired_;  // sites point into them
  std::deque<std::string> files_;                                        // named by origins
  std::map<std::string, run_sizes> ended_;         // sites that are gone, by name
  std::map<const growth_site*, run_sizes> saved_;  // what live sites had at the last save
};

inline void site_begins(growth_site& site) noexcept {
  experience_state& state = experience_state::get();
  state.begin();
  state.expect(site);
}

inline void site_ended(growth_site& site) noexcept { experience_state::get().ended(site); }

}  // namespace ullage::detail

namespace ullage {

inline bool use_experience(const char* path, const experience_policy& policy,
                           std::string* why) noexcept {
  return detail::experience_state::get().use_now(path, policy, why);
}

inline bool save_experience(const char* path, std::string* why) noexcept {
  return detail::experience_state::get().save_now(path, why);
}

}  // namespace ullage
