// SPDX-License-Identifier: Apache-2.0
// run: -Xmx64m -XX:+UseParallelGC
// expect: jvm-full-gc-loop
//
// A cache without a bound, until the heap is full: each full collection finds everything alive.
import java.util.HashMap;
import java.util.Map;

class FullGcLoopBad {
  public static void main(String[] args) {
    Map<Integer, byte[]> cache = new HashMap<>(200_000);
    try {
      for (int request = 0; request < 1_000_000; request++) cache.put(request, new byte[4000]);
    } catch (OutOfMemoryError error) {
      int size = cache.size();
      cache = null;
      System.out.println("out of memory with " + size);
    }
  }
}
