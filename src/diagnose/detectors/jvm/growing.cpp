// SPDX-License-Identifier: Apache-2.0
#include "diagnose/detectors/jvm/growing.h"

#include <array>
#include <string_view>

namespace ullage::diagnose::jvm {
namespace {

struct Known {
  std::string_view function;
  const char* what;
  const char* with_size;
};
// What grows by copying, and how it is told its size at birth.
constexpr std::array<Known, 18> kKnown = {{
    {"java.util.ArrayList.grow", "an ArrayList", "new ArrayList<>(n)"},
    {"java.util.Vector.grow", "a Vector", "new Vector<>(n)"},
    {"java.util.ArrayDeque.grow", "an ArrayDeque", "new ArrayDeque<>(n)"},
    {"java.util.ArrayDeque.doubleCapacity", "an ArrayDeque", "new ArrayDeque<>(n)"},
    {"java.util.PriorityQueue.grow", "a PriorityQueue", "new PriorityQueue<>(n)"},
    {"java.util.HashMap.resize", "a HashMap", "new HashMap<>((int) (n / 0.75f) + 1)"},
    {"java.util.Hashtable.rehash", "a Hashtable", "new Hashtable<>((int) (n / 0.75f) + 1)"},
    {"java.util.WeakHashMap.resize", "a WeakHashMap", "new WeakHashMap<>((int) (n / 0.75f) + 1)"},
    {"java.util.IdentityHashMap.resize", "an IdentityHashMap", "new IdentityHashMap<>(n)"},
    {"java.util.concurrent.ConcurrentHashMap.transfer", "a ConcurrentHashMap",
     "new ConcurrentHashMap<>(n)"},
    {"java.util.concurrent.ConcurrentHashMap.tryPresize", "a ConcurrentHashMap",
     "new ConcurrentHashMap<>(n)"},
    {"java.lang.AbstractStringBuilder.ensureCapacityInternal", "a StringBuilder",
     "new StringBuilder(n)"},
    {"java.lang.AbstractStringBuilder.expandCapacity", "a StringBuilder", "new StringBuilder(n)"},
    {"java.io.ByteArrayOutputStream.ensureCapacity", "a ByteArrayOutputStream",
     "new ByteArrayOutputStream(n)"},
    {"java.io.ByteArrayOutputStream.grow", "a ByteArrayOutputStream",
     "new ByteArrayOutputStream(n)"},
    {"java.util.BitSet.ensureCapacity", "a BitSet", "new BitSet(n)"},
    {"java.util.concurrent.CopyOnWriteArrayList.add", "a CopyOnWriteArrayList", ""},
    // Last: the others copy by it.
    {"java.util.Arrays.copyOf", "an array", ""},
}};

}  // namespace

std::optional<Growing> growing(const evidence::Stack& stack) {
  std::optional<Growing> found;
  for (const evidence::Frame& frame : stack) {
    if (!frame.library) break;
    for (const Known& known : kKnown) {
      if (frame.function != known.function) continue;
      if (!found || known.with_size[0] != '\0') found = {frame, known.what, known.with_size};
      break;
    }
    if (found && found->with_size[0] != '\0') break;
  }
  return found;
}

const evidence::Frame* user_frame(const evidence::Stack& stack) {
  for (const evidence::Frame& frame : stack) {
    if (!frame.library && !frame.function.empty()) return &frame;
  }
  return stack.empty() ? nullptr : &stack.front();
}

}  // namespace ullage::diagnose::jvm
