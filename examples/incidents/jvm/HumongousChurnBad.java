// SPDX-License-Identifier: Apache-2.0
// run: -Xmx128m -XX:+UseG1GC -XX:G1HeapRegionSize=1m
// expect: jvm-humongous-churn
//
// A buffer of 3 MB for every request, in regions of 1 MB: each is humongous, and old enough of them
// start a collection.
class HumongousChurnBad {
  static long sum;

  public static void main(String[] args) {
    byte[][] kept = new byte[12][];
    for (int request = 0; request < 200; request++) {
      byte[] buffer = new byte[3 << 20];
      buffer[request] = 1;
      sum += buffer[request];
      if (request % 4 == 0) kept[request / 4 % kept.length] = buffer;
    }
    System.out.println(sum);
  }
}
