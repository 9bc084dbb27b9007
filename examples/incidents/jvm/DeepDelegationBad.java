// SPDX-License-Identifier: Apache-2.0
// run: -Xmx64m -XX:+UseSerialGC
// expect: jvm-deep-delegation at DeepDelegationBad.java:24
// output: the trace
//
// Every update wraps the list once more; reading it asks each wrapper in turn.
import java.util.AbstractList;
import java.util.List;

class DeepDelegationBad {
  static class Audited extends AbstractList<Integer> {
    final List<Integer> inner;

    Audited(List<Integer> inner) {
      this.inner = inner;
    }

    @Override
    public int size() {
      return 1;
    }

    @Override
    public Integer get(int index) { return inner.get(index); }
  }

  public static void main(String[] args) {
    List<Integer> list = List.of(1);
    for (int update = 0; update < 200_000; update++) list = new Audited(list);
    System.out.println(list.get(0));
  }
}
