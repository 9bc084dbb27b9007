// SPDX-License-Identifier: Apache-2.0
// run: -Xmx160m -XX:+UseSerialGC
// expect: jvm-over-retention
// dump: GC.class_histogram
//
// Sixteen bytes are kept of each message, as a view: the message of 64 kB stays with them.
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

class OverRetentionBad {
  static final List<ByteBuffer> headers = new ArrayList<>(2_000);

  static void receive(int messages) {
    for (int i = 0; i < messages; i++) {
      ByteBuffer message = ByteBuffer.allocate(64 << 10);
      headers.add(message.slice(0, 16));
    }
  }

  public static void main(String[] args) throws Exception {
    receive(300);
    System.out.println("dump");
    System.in.read();
    receive(1_200);
    System.out.println("dump");
    System.in.read();
  }
}
