// SPDX-License-Identifier: Apache-2.0
// run: -Xmx96m -Xmn24m -XX:+UseConcMarkSweepGC
// run: -XX:CMSInitiatingOccupancyFraction=95 -XX:+UseCMSInitiatingOccupancyOnly
// expect: jvm-concurrent-mode-failure
//
// CMS is told to begin when the old generation is nearly full, and bursts of survivors fill the
// rest before it is done. For JDK 8 to 13.
import java.util.ArrayDeque;

class ConcurrentModeFailureBad {
  static final ArrayDeque<byte[]> queue = new ArrayDeque<>(100_000);

  public static void main(String[] args) {
    for (int burst = 0; burst < 30; burst++) {
      // Bursts of 60 MB in blocks of 1 kB; then nearly all of it is done.
      while (queue.size() < 60_000) queue.add(new byte[1000]);
      while (queue.size() > 10_000) queue.poll();
    }
    System.out.println(queue.size());
  }
}
