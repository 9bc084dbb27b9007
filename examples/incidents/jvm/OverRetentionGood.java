// SPDX-License-Identifier: Apache-2.0
// run: -Xmx160m -XX:+UseSerialGC
// dump: GC.class_histogram
//
// The sixteen bytes are copied, and the message goes.
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

class OverRetentionGood {
  static final List<ByteBuffer> headers = new ArrayList<>(2_000);

  static void receive(int messages) {
    for (int i = 0; i < messages; i++) {
      ByteBuffer message = ByteBuffer.allocate(64 << 10);
      headers.add(ByteBuffer.allocate(16).put(message.slice(0, 16)).flip());
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
