// SPDX-License-Identifier: Apache-2.0
// run: -Xmx96m -XX:+UseG1GC -XX:+UnlockExperimentalVMOptions -XX:G1ReservePercent=0
// run: -XX:G1NewSizePercent=60 -XX:G1MaxNewSizePercent=60
// run: -XX:-G1UseAdaptiveIHOP -XX:InitiatingHeapOccupancyPercent=90
// expect: jvm-evacuation-failure
//
// A young generation of most of the heap, no reserve, and a burst that survives: there is nowhere
// to copy it to.
import java.util.ArrayDeque;

class EvacuationFailureBad {
  static final ArrayDeque<byte[]> queue = new ArrayDeque<>(100_000);

  public static void main(String[] args) {
    for (int burst = 0; burst < 12; burst++) {
      // Bursts of 60 MB in blocks of 1 kB; then nearly all of it is done.
      while (queue.size() < 62_000) queue.add(new byte[1000]);
      while (queue.size() > 20_000) queue.poll();
    }
    System.out.println(queue.size());
  }
}
