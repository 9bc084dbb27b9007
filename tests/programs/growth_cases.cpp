// SPDX-License-Identifier: Apache-2.0
// build: -labsl_raw_hash_set -labsl_hash -labsl_city -labsl_low_level_hash
//
// growth_cases: nineteen containers that grow, or must not seem to, each in a function of its own.
//
//   growth_cases [CASE...]     prints "CASE links copied_bytes" for each: what must be recorded
//
// The program counts its own growths from what the containers say (capacity, bucket_count), so the
// truth follows from the container's semantics and not from the profiler.
//
// Which growths a profiler of malloc can see (design: profiler, sections 3.2 and 4). A block is
// linked to its successor when, at the time the old one is freed,
//   successor > usable(old)    malloc never hands out less than 24 bytes, so that 8 -> 16 bytes is
//                              growth of the container inside blocks of one and the same size;
//   successor >= 1.2 usable(old), or both begin with the same bytes.
// realloc says by itself that the blocks are one container: all of its growths count.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#if __has_include(<absl/container/flat_hash_map.h>) && !defined(ULLAGE_NO_ABSL)
#include <absl/container/flat_hash_map.h>
#define ULLAGE_ABSL 1
#endif

#define CASE __attribute__((noinline)) static void

namespace {

constexpr int kItems = 20000;
constexpr int kRounds = 3;

struct Truth {
  unsigned long links = 0, copied_bytes = 0;

  // The container moved from a block of old_bytes (0: none) to one of new_bytes.
  void grew(std::size_t old_bytes, std::size_t new_bytes, bool same_content = false) {
    if (old_bytes == 0 || new_bytes <= usable(old_bytes)) return;
    if (!same_content && 10 * new_bytes < 12 * usable(old_bytes)) return;
    ++links;
    copied_bytes += old_bytes;
  }
  // glibc: 16-byte granules, 8 bytes of header shared with the neighbour, 24 at least.
  static std::size_t usable(std::size_t bytes) {
    const std::size_t whole = (bytes + 8 + 15) / 16 * 16 - 8;
    return whole < 24 ? 24 : whole;
  }
};

void* volatile escaped;

struct Object {
  std::string name;
  std::vector<int> numbers;
};

template <class Vector, class Append>
inline __attribute__((always_inline)) void fill(Truth& truth, Vector& v, Append append) {
  constexpr std::size_t element = sizeof(typename Vector::value_type);
  for (int i = 0; i < kItems; ++i) {
    const std::size_t before = v.capacity();
    append(i);
    if (v.capacity() != before) truth.grew(before * element, v.capacity() * element);
  }
  escaped = v.data();
}

CASE case_vector(Truth& truth) {
  std::vector<long> v;
  fill(truth, v, [&](int i) { v.push_back(i); });
}

CASE case_vector_of_strings(Truth& truth) {
  std::vector<std::string> v;
  fill(truth, v, [&](int i) { v.push_back("str" + std::to_string(i)); });
}

CASE case_vector_of_objects(Truth& truth) {
  std::vector<Object> v;
  fill(truth, v, [&](int) { v.emplace_back(); });
}

// Written before there were moves: a vector of these copies every name when it grows, so that
// thousands of allocations lie between its new block and the end of its old one.
class Copied {
 public:
  explicit Copied(int number) : name_(new char[kBytes]) {
    std::snprintf(name_, kBytes, "a name of its own, number %d", number);
  }
  Copied(const Copied& other) : name_(new char[kBytes]) { std::memcpy(name_, other.name_, kBytes); }
  Copied& operator=(const Copied& other) {
    std::memcpy(name_, other.name_, kBytes);
    return *this;
  }
  ~Copied() { delete[] name_; }

 private:
  static constexpr std::size_t kBytes = 40;
  char* name_;
  long unused_[4] = {};
};

CASE case_vector_of_copied(Truth& truth) {
  std::vector<Copied> v;
  fill(truth, v, [&](int i) { v.push_back(Copied(i)); });
}

// What each of these owns is in the same power of two as the vector's own block at one of its
// sizes (24 B times 8 and 32): of the copies made then, only the last are remembered.
template <std::size_t Bytes>
class Owner {
 public:
  Owner() : bytes_(new char[Bytes]) { std::memset(bytes_, 'o', Bytes); }
  Owner(const Owner& other) : bytes_(new char[Bytes]) { std::memcpy(bytes_, other.bytes_, Bytes); }
  Owner& operator=(const Owner& other) {
    std::memcpy(bytes_, other.bytes_, Bytes);
    return *this;
  }
  ~Owner() { delete[] bytes_; }

 private:
  char* bytes_;
  long unused_[2] = {};
};

template <class Element>
inline __attribute__((always_inline)) void fill_owners(Truth& truth) {
  std::vector<Element> v;
  for (int i = 0; i < kItems / 10; ++i) {
    const std::size_t before = v.capacity();
    v.push_back(Element());
    if (v.capacity() != before)
      truth.grew(before * sizeof(Element), v.capacity() * sizeof(Element));
  }
  escaped = v.data();
}

CASE case_vector_of_owners(Truth& truth) { fill_owners<Owner<600>>(truth); }
CASE case_vector_of_small_owners(Truth& truth) { fill_owners<Owner<130>>(truth); }

CASE case_string(Truth& truth) {
  std::string s;
  const std::size_t inside = s.capacity();  // short strings live in the object
  for (int i = 0; i < kItems; ++i) {
    const std::size_t before = s.capacity();
    s += "abcdefgh";
    if (s.capacity() != before) truth.grew(before == inside ? 0 : before + 1, s.capacity() + 1);
  }
  escaped = s.data();
}

template <class Map>
std::size_t bucket_bytes(const Map& map) {  // the array of a map with one bucket is in the object
  return map.bucket_count() > 1 ? map.bucket_count() * sizeof(void*) : 0;
}

CASE case_unordered_map(Truth& truth) {
  std::unordered_map<int, int> map;
  for (int i = 0; i < kItems; ++i) {
    const std::size_t before = bucket_bytes(map);
    map[i] = i;
    if (bucket_bytes(map) != before) truth.grew(before, bucket_bytes(map));
  }
}

#if ULLAGE_ABSL
std::size_t flat_bytes(std::size_t capacity) {
  if (capacity == 0) return 0;
  // One control byte per slot, a sentinel, 15 clones; then the slots of {int, int}.
  return (capacity + 1 + 15 + 3) / 4 * 4 + capacity * 8;
}

CASE case_flat_hash_map(Truth& truth) {
  absl::flat_hash_map<int, int> map;
  for (int i = 0; i < kItems; ++i) {
    const std::size_t before = map.bucket_count();
    map[i] = i;
    if (map.bucket_count() != before)
      truth.grew(flat_bytes(before), flat_bytes(map.bucket_count()));
  }
}

CASE case_flat_hash_map_reserved(Truth&) {
  absl::flat_hash_map<int, int> map;
  map.reserve(kItems);
  for (int i = 0; i < kItems; ++i) map[i] = i;
}
#endif

CASE case_vector_reserved(Truth&) {
  std::vector<long> v;
  v.reserve(kItems);
  for (int i = 0; i < kItems; ++i) v.push_back(i);
  escaped = v.data();
}

#ifdef __GLIBCXX__
// std::deque does not say how large its map of nodes is. An explicit instantiation may name a
// private member, and a friend may hand it on.
struct DequeMember {
  friend constexpr auto member(DequeMember);
};
template <auto Member>
struct Reveal {
  friend constexpr auto member(DequeMember) { return Member; }
};
template struct Reveal<&std::deque<long>::_M_impl>;

std::size_t map_bytes(const std::deque<long>& d) {
  // A cast in the style of C is the only one that may reach a protected base.
  const auto& base = (const std::_Deque_base<long, std::allocator<long>>&)d;
  return (base.*member(DequeMember{}))._M_map_size * sizeof(void*);
}

// Only the deque's map of nodes grows; the nodes never move.
CASE case_deque(Truth& truth) {
  std::deque<long> d;
  for (int i = 0; i < kItems; ++i) {
    const std::size_t before = map_bytes(d);
    d.push_back(i);
    if (map_bytes(d) != before) truth.grew(before, map_bytes(d));
  }
  while (!d.empty()) d.pop_front();
}
#endif

CASE case_realloc(Truth& truth) {
  std::size_t capacity = 16, length = 0;
  char* p = static_cast<char*>(std::malloc(capacity));
  for (int i = 0; i < kItems; ++i) {
    if (length + 8 > capacity) {
      const std::size_t before = capacity;
      capacity += capacity / 2;
      p = static_cast<char*>(std::realloc(p, capacity));
      ++truth.links;
      truth.copied_bytes += before;  // at most: some grow where they are
    }
    std::memcpy(p + length, "abcdefgh", 8);
    length += 8;
  }
  escaped = p;
  std::free(p);
}

CASE case_exact_growth(Truth& truth) {
  char* p = nullptr;
  std::size_t length = 0;
  for (int i = 0; i < kItems / 50; ++i) {
    char* q = static_cast<char*>(std::malloc(length + 64));
    if (p) {
      std::memcpy(q, p, length);
      truth.grew(length, length + 64, true);
    }
    escaped = q;
    std::free(p);
    p = q;
    std::memset(p + length, 1, 64);
    length += 64;
  }
  std::free(p);
}

CASE case_map(Truth&) {
  std::map<int, int> map;
  for (int i = 0; i < kItems; ++i) map[i] = i;
}

// A buffer that is replaced by others of any size: not one container that grows.
CASE case_ping_pong(Truth&) {
  std::unique_ptr<char[]> a;
  for (int i = 0; i < kItems; ++i) {
    std::unique_ptr<char[]> b(new char[static_cast<std::size_t>(64 + (i * 37) % 2000)]);
    b[0] = static_cast<char>(i);
    escaped = b.get();
    a = std::move(b);
  }
}

// Two short-lived buffers, the second larger, freed in order.
CASE case_temporaries(Truth&) {
  for (int i = 0; i < kItems; ++i) {
    char* x = static_cast<char*>(std::malloc(40));
    escaped = x;
    x[0] = static_cast<char>(i);
    char* y = static_cast<char*>(std::malloc(static_cast<std::size_t>(80 + (i % 7) * 30)));
    escaped = y;
    y[0] = 1;
    std::free(x);
    std::free(y);
  }
}

// Messages of growing length, each made afresh: they begin with the same header, and nothing is
// copied from one to the next.
CASE case_fresh_messages(Truth&) {
  char* last = nullptr;
  for (std::size_t i = 0; i < 400; ++i) {
    const std::size_t bytes = 1000 + 64 * i;
    char* message = static_cast<char*>(std::malloc(bytes));
    std::memset(message, 'h', 64);
    for (std::size_t at = 64; at < bytes; ++at) message[at] = static_cast<char>(i * 31 + at);
    escaped = message;
    std::free(last);
    last = message;
  }
  std::free(last);
}

// a + b: the right-hand string makes room for both, once, and is never grown again. Real growth,
// and cheap; found by the name of the function, because nothing in the blocks gives it away.
CASE case_string_sums(Truth& truth) {
  for (int i = 0; i < kItems; ++i) {
    const std::string a(30, 'a');
    std::string tail(40, 'b');
    const std::size_t before = tail.capacity() + 1;
    const std::string b = a + std::move(tail);
    truth.grew(before, b.capacity() + 1);
    escaped = const_cast<char*>(b.data());
  }
}

struct Case {
  const char* name;
  void (*run)(Truth&);
};
constexpr Case kCases[] = {
    {"case_vector", case_vector},
    {"case_vector_of_strings", case_vector_of_strings},
    {"case_vector_of_objects", case_vector_of_objects},
    {"case_vector_of_copied", case_vector_of_copied},
    {"case_vector_of_owners", case_vector_of_owners},
    {"case_vector_of_small_owners", case_vector_of_small_owners},
    {"case_string", case_string},
    {"case_unordered_map", case_unordered_map},
#if ULLAGE_ABSL
    {"case_flat_hash_map", case_flat_hash_map},
    {"case_flat_hash_map_reserved", case_flat_hash_map_reserved},
#endif
    {"case_vector_reserved", case_vector_reserved},
#ifdef __GLIBCXX__
    {"case_deque", case_deque},
#endif
    {"case_realloc", case_realloc},
    {"case_exact_growth", case_exact_growth},
    {"case_map", case_map},
    {"case_ping_pong", case_ping_pong},
    {"case_temporaries", case_temporaries},
    {"case_fresh_messages", case_fresh_messages},
    {"case_string_sums", case_string_sums},
};

bool wanted(const char* name, int argc, char** argv) {
  if (argc < 2) return true;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == name) return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  static char out[BUFSIZ];
  std::setvbuf(stdout, out, _IOFBF, sizeof out);
  for (const Case& entry : kCases) {
    if (!wanted(entry.name, argc, argv)) continue;
    Truth truth;
    for (int round = 0; round < kRounds; ++round) entry.run(truth);
    std::printf("%s %lu %lu\n", entry.name, truth.links, truth.copied_bytes);
  }
  return 0;
}
