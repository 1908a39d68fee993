import java.io.IOException;
import java.io.RandomAccessFile;
import java.util.function.LongConsumer;

/** Steady load: requests(20, serve) calls serve twenty times a second and tells the recorder the count. */
final class Pace {
    private static final long STARTED = System.nanoTime();

    static int setting(String name, int otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : Integer.parseInt(value);
    }

    static double uptime() {
        return (System.nanoTime() - STARTED) / 1e9;
    }

    static void requests(double perSecond, LongConsumer serve) throws IOException, InterruptedException {
        String path = System.getenv("PROGRESS");
        try (RandomAccessFile file = path == null ? null : new RandomAccessFile(path, "rw")) {
            for (long number = 1; ; number++) {
                serve.accept(number);
                if (file != null) {
                    file.seek(0);
                    file.writeBytes(Long.toString(number));
                }
                double early = number / perSecond - uptime();
                if (early > 0) Thread.sleep((long) (early * 1000));
            }
        }
    }
}
