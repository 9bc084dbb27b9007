// SPDX-License-Identifier: Apache-2.0
// run: -Xmx64m -XX:+UseSerialGC
// output: the trace
//
// A wrapper takes what the other wraps, rather than the wrapper.
import java.util.AbstractList;
import java.util.List;

class DeepDelegationGood {
  static class Audited extends AbstractList<Integer> {
    final List<Integer> inner;

    Audited(List<Integer> inner) {
      this.inner = inner instanceof Audited audited ? audited.inner : inner;
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
