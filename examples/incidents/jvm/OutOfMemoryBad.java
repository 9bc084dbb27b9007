// SPDX-License-Identifier: Apache-2.0
// run: -Xmx32m
// output: the trace
// expect: jvm-out-of-memory at OutOfMemoryBad.java:14
//
// Every event is kept in a list, until the copy to its next size does not fit.
import java.util.ArrayList;
import java.util.List;

class OutOfMemoryBad {
  static final List<Object> events = new ArrayList<>();

  static void record() {
    events.add(null);
  }

  public static void main(String[] args) {
    for (long i = 0; i < 1_000_000_000L; i++) record();
  }
}
