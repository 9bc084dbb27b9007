// SPDX-License-Identifier: Apache-2.0
// run: -Xmx200m -XX:+UseG1GC -XX:G1HeapRegionSize=1m
//
// The same list with its size at birth: one array each time, nothing is copied.
import java.util.ArrayList;
import java.util.List;

class HumongousGrowthGood {
  static List<Integer> kept;

  public static void main(String[] args) {
    for (int round = 0; round < 3; round++) {
      List<Integer> list = new ArrayList<>(3_000_000);
      for (int i = 0; i < 3_000_000; i++) list.add(i);
      kept = list;
    }
    System.out.println(kept.size());
  }
}
