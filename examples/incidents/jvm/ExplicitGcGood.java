// SPDX-License-Identifier: Apache-2.0
// run: -Xms256m -Xmx256m -XX:+UseParallelGC
//
// The same batches without it, but for one after loading, before anyone waits.
import java.util.ArrayList;
import java.util.List;

class ExplicitGcGood {
  static List<byte[]> cache = new ArrayList<>();

  public static void main(String[] args) {
    for (int i = 0; i < 5_000; i++) cache.add(new byte[1000]);
    System.gc();
    long sum = 0;
    for (int batch = 0; batch < 12; batch++) {
      for (int i = 0; i < 1000; i++) sum += new byte[1000].length;
    }
    System.out.println(sum + cache.size());
  }
}
