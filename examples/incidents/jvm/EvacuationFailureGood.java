// SPDX-License-Identifier: Apache-2.0
// run: -Xmx96m -XX:+UseG1GC -XX:G1ReservePercent=20
//
// The same work in smaller bursts, with the reserve that G1 has by default, doubled.
import java.util.ArrayDeque;

class EvacuationFailureGood {
  static final ArrayDeque<byte[]> queue = new ArrayDeque<>(100_000);

  public static void main(String[] args) {
    for (int burst = 0; burst < 60; burst++) {
      // Bursts of 8 MB in blocks of 1 kB; then nearly all of it is done.
      while (queue.size() < 9_000) queue.add(new byte[1000]);
      while (queue.size() > 2_000) queue.poll();
    }
    System.out.println(queue.size());
  }
}
