// SPDX-License-Identifier: Apache-2.0
// run: -Xmx128m -XX:+UseG1GC -XX:G1HeapRegionSize=1m
//
// The same buffers, used again.
class HumongousChurnGood {
  static long sum;

  public static void main(String[] args) {
    byte[][] pool = new byte[13][];
    for (int i = 0; i < pool.length; i++) pool[i] = new byte[3 << 20];
    for (int request = 0; request < 200; request++) {
      byte[] buffer = pool[request % pool.length];
      buffer[request] = 1;
      sum += buffer[request];
    }
    System.out.println(sum);
  }
}
