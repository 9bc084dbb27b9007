// SPDX-License-Identifier: Apache-2.0
// run: -Xms256m -Xmx256m -XX:+UseParallelGC
// expect: jvm-explicit-gc
//
// Every batch ends with System.gc(), "to be on the safe side": a heap that is nearly empty is
// collected as a whole, at a stop.
import java.util.ArrayList;
import java.util.List;

class ExplicitGcBad {
  static List<byte[]> cache = new ArrayList<>();

  public static void main(String[] args) {
    for (int i = 0; i < 5_000; i++) cache.add(new byte[1000]);
    long sum = 0;
    for (int batch = 0; batch < 12; batch++) {
      for (int i = 0; i < 1000; i++) sum += new byte[1000].length;
      System.gc();
    }
    System.out.println(sum + cache.size());
  }
}
