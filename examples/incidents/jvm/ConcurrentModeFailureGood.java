// SPDX-License-Identifier: Apache-2.0
// run: -Xmx256m -Xmn24m -XX:+UseConcMarkSweepGC
// run: -XX:CMSInitiatingOccupancyFraction=25 -XX:+UseCMSInitiatingOccupancyOnly
//
// The same work with room for a burst above the mark where CMS begins, and time between bursts.
import java.util.ArrayDeque;

class ConcurrentModeFailureGood {
  static final ArrayDeque<byte[]> queue = new ArrayDeque<>(100_000);

  public static void main(String[] args) throws InterruptedException {
    for (int burst = 0; burst < 12; burst++) {
      // Bursts of 60 MB in blocks of 1 kB; then nearly all of it is done.
      while (queue.size() < 60_000) queue.add(new byte[1000]);
      while (queue.size() > 10_000) queue.poll();
      Thread.sleep(100);
    }
    System.out.println(queue.size());
  }
}
