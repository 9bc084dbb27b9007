// SPDX-License-Identifier: Apache-2.0
// run: -Xmx64m -XX:+UseParallelGC
//
// The same cache with a bound: the oldest goes when a new one comes.
import java.util.LinkedHashMap;
import java.util.Map;

class FullGcLoopGood {
  public static void main(String[] args) {
    Map<Integer, byte[]> cache = new LinkedHashMap<>(8_000) {
      @Override
      protected boolean removeEldestEntry(Map.Entry<Integer, byte[]> eldest) {
        return size() > 5_000;
      }
    };
    for (int request = 0; request < 100_000; request++) cache.put(request, new byte[4000]);
    System.out.println(cache.size());
  }
}
