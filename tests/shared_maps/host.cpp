// SPDX-License-Identifier: Apache-2.0
//
// Maps that go to and fro between a program and its libraries. Arguments: the libraries to load,
// each kept to itself (RTLD_LOCAL). Built with HOST_IS_LINKED, it is linked with one, too, and has
// its growth reported. Says on standard output what went wrong; nothing: all is well.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "guest.h"

namespace {

struct guest {
  std::string name;
  decltype(&guest_makes) makes;
  decltype(&guest_uses) uses;
  decltype(&guest_ends) ends;
};

int wrong = 0;
void check(bool right, const std::string& what) {
  if (right) return;
  std::printf("%s\n", what.c_str());
  wrong = 1;
}

guest load(const char* path) {
  void* const library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    std::printf("%s\n", ::dlerror());
    std::exit(2);
  }
  const auto named = [library]<class Function>(Function*& function, const char* name) {
    function = reinterpret_cast<Function*>(::dlsym(library, name));
  };
  guest one{path, nullptr, nullptr, nullptr};
  named(one.makes, "guest_makes");
  named(one.uses, "guest_uses");
  named(one.ends, "guest_ends");
  return one;
}

// What is there after the guests used it up to `entries`: the first `kept` all, then 3 of 4.
constexpr std::uint64_t left_of(std::uint64_t kept, std::uint64_t entries) {
  return kept + (entries - kept) * 3 / 4;
}

void pass_on(const std::vector<guest>& guests) {
  constexpr std::uint64_t kMade = 4000, kUsed = 12000, kMore = 20000;
  for (const guest& maker : guests) {
    for (const guest& user : guests) {
      const std::string who = maker.name + " made it, " + user.name + " used it: ";
      shared_map* const map = maker.makes(kMade);
      check(user.uses(*map, kMade, kUsed) == left_of(kMade, kUsed), who + "entries are lost");
      check(maker.uses(*map, kUsed, kMore) == left_of(kMade, kMore), who + "lost at its return");
      shared_map moved = std::move(*map);
      shared_map copy = moved;
      check(user.uses(copy, 0, 0) == moved.size(), who + "a copy differs");
      moved.clear();
      user.ends(map);
    }
  }
}

#if defined(HOST_IS_LINKED)
struct counting : ullage::growth_sink {
  std::uint64_t heard = 0;
  void on_growth(const ullage::growth_event&) noexcept override { ++heard; }
};
counting sink;

void share_what_is_one_for_the_process() {
  ullage::set_growth_sink(&sink);
  guest_grows_at_its_site();
  check(sink.heard != 0, "the process's sink does not hear of the library's growth");
  bool listed = false;
  ullage::growth_site::each([&](const ullage::growth_site& site) {
    listed |= std::strcmp(site.name(), "the guest's") == 0;
  });
  check(listed, "the library's site is not listed");
  check(guest_thread() == ullage::growth_thread(), "a thread has two numbers");
}
#endif

// Locks of all libraries are taken once, and given back.
void fork_and_grow(const std::vector<guest>& guests) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    pass_on(guests);
    std::fflush(stdout);
    ::_exit(wrong);
  }
  int status = 0;
  check(::waitpid(child, &status, 0) == child && status == 0, "a child of fork fares otherwise");
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<guest> guests;
  guests.push_back({"the host",
                    [](std::uint64_t entries) {
                      auto* map = new shared_map;
                      for (std::uint64_t i = 0; i < entries; ++i) map->try_emplace(i, i);
                      return map;
                    },
                    [](shared_map& map, std::uint64_t from, std::uint64_t to) {
                      for (std::uint64_t i = from; i < to; ++i) map[i] = i;
                      for (std::uint64_t i = from; i < to; i += 4) map.erase(map.find(i));
                      std::uint64_t right = 0;
                      for (const auto& [key, value] : map) right += key == value ? 1 : 0;
                      return right;
                    },
                    [](shared_map* map) { delete map; }});
#if defined(HOST_IS_LINKED)
  guests.push_back({"the linked library", &guest_makes, &guest_uses, &guest_ends});
  share_what_is_one_for_the_process();
#endif
  for (int i = 1; i < argc; ++i) guests.push_back(load(argv[i]));
  pass_on(guests);
  fork_and_grow(guests);
  return wrong;
}
