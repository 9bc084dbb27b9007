// SPDX-License-Identifier: Apache-2.0
// run: -Xmx128m -XX:+UseZGC
// expect: jvm-allocation-stall
//
// Live data of half the heap, and garbage faster than a concurrent collector frees it.
class AllocationStallBad {
  static byte[] last;

  public static void main(String[] args) throws InterruptedException {
    byte[][] live = new byte[1_600][];
    for (int i = 0; i < live.length; i++) live[i] = new byte[32 << 10];
    Thread[] threads = new Thread[4];
    for (int t = 0; t < threads.length; t++) {
      threads[t] = new Thread(() -> {
        for (int i = 0; i < 20_000; i++) last = new byte[32 << 10];
      }, "worker-" + t);
      threads[t].start();
    }
    for (Thread thread : threads) thread.join();
    System.out.println(live.length);
  }
}
