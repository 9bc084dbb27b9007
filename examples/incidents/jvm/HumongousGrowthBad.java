// SPDX-License-Identifier: Apache-2.0
// run: -Xmx200m -XX:+UseG1GC -XX:G1HeapRegionSize=1m
// expect: jvm-humongous-growth
//
// A list of three million, filled from empty, three times over: each copy of its array is a
// humongous object, and the one before it stands beside it until marking is through.
import java.util.ArrayList;
import java.util.List;

class HumongousGrowthBad {
  static List<Integer> kept;

  public static void main(String[] args) {
    for (int round = 0; round < 3; round++) {
      List<Integer> list = new ArrayList<>();
      for (int i = 0; i < 3_000_000; i++) list.add(i);
      kept = list;
    }
    System.out.println(kept.size());
  }
}
