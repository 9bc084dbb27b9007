// SPDX-License-Identifier: Apache-2.0
// run: -Xmx32m
// output: the trace
//
// The same events, of which the newest are kept.
import java.util.ArrayDeque;
import java.util.Deque;

class OutOfMemoryGood {
  static final Deque<Object> events = new ArrayDeque<>(10_001);

  static void record(Object event) {
    events.addLast(event);
    if (events.size() > 10_000) events.removeFirst();
  }

  public static void main(String[] args) {
    for (int i = 0; i < 10_000_000; i++) record(args);
  }
}
