import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/** Direct buffers of KIB, outside the heap, one every EVERY_MS; a pool of MOST (0: no bound) hands old ones out again. */
final class Buffers {
    public static void main(String[] arguments) throws Exception {
        List<ByteBuffer> pool = new ArrayList<>();
        int bytes = Pace.setting("KIB", 64) << 10, most = Pace.setting("MOST", 0), everyMs = Pace.setting("EVERY_MS", 500);
        Pace.requests(20, number -> {
            if (pool.size() >= Pace.uptime() * 1000 / everyMs) return;
            if (most > 0 && pool.size() >= most) {
                pool.get((int) (number % most)).putLong(0, number);
                return;
            }
            ByteBuffer buffer = ByteBuffer.allocateDirect(bytes);
            while (buffer.hasRemaining()) buffer.put((byte) 1);
            pool.add(buffer);
        });
    }
}
